"""The command line as a user meets it, on the tiny model; usage errors without a new process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from latentleak.audits import load_findings, run
from latentleak.audits.cli import main
from latentleak.audits.config import RunConfig, UsageError, configured, parse_settings
from latentleak.audits.verdict import Role, Verdict
from latentleak.defenses.obclip.protocol import ObClip

TINY = [
    "--model=tiny",
    "--trials=100",
    "--set=scenario.full_games=2",
    "--set=scenario.full_shadow=1",
    "--set=scenario.cheap_shadow=24",
    "--set=scenario.sessions=1",
    "--set=scenario.follow_ups=6",
    "--set=scenario.accelerated=4",
    "--set=scenario.mentions=4",
    "--set=scenario.published=0",
    "--set=scenario.skewed=0",
    "--set=defense.k=2",
    "--set=defense.steps=4",
]
BROKEN = '''
from dataclasses import dataclass, field
from latentleak.defenses.obclip.procedure import Procedure
from latentleak.defenses.obclip.protocol import ObClip

def real_first(rows, real):
    return [real, *(row for row in rows if row != real)]

@dataclass(frozen=True, kw_only=True)
class Mine(ObClip):
    """Sends the real prompt first."""
    procedure: Procedure = field(default_factory=lambda: Procedure(order=real_first))
'''
CRASHING = '''
from dataclasses import dataclass
from latentleak.defenses.obclip.protocol import ObClip

@dataclass(frozen=True, kw_only=True)
class Mine(ObClip):
    """Fails on every prompt."""
    def client(self, target, secret, wire, seed):
        raise ZeroDivisionError("no luck")
'''


def latentleak(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    command = [sys.executable, "-m", "latentleak.audits.cli", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def first(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("cli")
    return folder, latentleak("run", "which-prompt", "--out=first", *TINY, cwd=folder)


def test_obclip_is_not_refuted_and_plain_is(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = first
    assert done.returncode == 0, done.stderr
    findings = {f.id: f for f in load_findings(folder / "first")}
    claim, control = findings["which-prompt/obclip"], findings["which-prompt/plain"]
    assert (claim.role, claim.verdict) == (Role.CLAIM, Verdict.NOT_REFUTED)
    assert (control.role, control.verdict) == (Role.CONTROL, Verdict.REFUTED)
    assert claim.exact[0]["identical"]
    assert all(row.games["sealed"] for row in claim.rows)


def test_the_threat_model_comes_before_any_number(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    stderr = first[1].stderr
    assert stderr.index("coalition    server/0") < stderr.index("games (")
    assert "NOT_REFUTED" in first[1].stdout
    assert "NOT_REFUTED" not in stderr


def test_the_same_seed_gives_the_same_findings(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder = first[0]
    again = latentleak("run", "which-prompt", "--out=again", "--json", *TINY, cwd=folder)
    stored = (folder / "first" / "findings.jsonl").read_bytes()
    assert (folder / "again" / "findings.jsonl").read_bytes() == stored
    assert again.stdout.encode() == stored


def test_an_existing_folder_needs_resume_and_the_same_configuration(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder = first[0]
    taken = latentleak("run", "which-prompt", "--out=first", *TINY, cwd=folder)
    assert taken.returncode == 2
    assert "--resume" in taken.stderr
    other = latentleak(
        "run", "which-prompt", "--out=first", "--resume", "--seed=1", *TINY, cwd=folder
    )
    assert other.returncode == 2
    assert "seed: 0 then, 1 now" in other.stderr
    before = (folder / "first" / "findings.jsonl").read_bytes()
    same = latentleak("run", "which-prompt", "--out=first", "--resume", *TINY, cwd=folder)
    assert same.returncode == 0, same.stderr
    assert (folder / "first" / "findings.jsonl").read_bytes() == before


def test_a_killed_run_is_completed_by_resume(
    first: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder = first[0]
    arguments = ["run", "which-prompt", "--out=killed", *TINY]
    command = [sys.executable, "-m", "latentleak.audits.cli", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not list((folder / "killed").glob("work/*/*/done.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "killed" / "findings.jsonl").exists()
    done = latentleak(*arguments, "--resume", cwd=folder)
    assert done.returncode == 0, done.stderr
    expected = (folder / "first" / "findings.jsonl").read_bytes()
    assert (folder / "killed" / "findings.jsonl").read_bytes() == expected


@pytest.mark.parametrize(("source", "status"), [(BROKEN, 1), (CRASHING, 4)])
def test_a_defense_from_a_file(source: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source)
    done = latentleak(
        "run", "which-prompt", "--defense=mine.py:Mine", "--out=out", *TINY, cwd=tmp_path
    )
    assert done.returncode == status, done.stderr
    if status == 1:
        finding = next(f for f in load_findings(tmp_path / "out") if f.role is Role.CLAIM)
        assert finding.defense["path"] == "mine.py:Mine"
        assert str(tmp_path) not in (tmp_path / "out" / "findings.jsonl").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "which-promt"], "did you mean 'which-prompt'"),
        (["run", "which-prompt", "--defense=obclp"], "did you mean 'obclip'"),
        (["run", "which-prompt", "--set=defense.kk=3"], "defense.k"),
        (["run", "which-prompt", "--set=defense.k=many"], "must be of type int"),
        (["run", "which-prompt", "--set=defense.k=99"], "k=99 must be > 0 and < steps=25"),
        (["run", "which-prompt", "--profile=slow"], "quick, full"),
        (["run", "which-prompt", "--alpha=2"], "alpha=2.0 must be"),
        (["run", "which-prompt", "--coalition=server/7"], "server/0 only"),
        (["run", "which-prompt", "--model=nowhere/none"], "nowhere/none"),
        (["run"], "scenarios"),
        (["report", "nowhere"], "nowhere"),
        (["show", "nothing"], "latentleak list"),
    ],
)
def test_usage_errors_say_what_to_do(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ["--out=out", "--trials=1"] if arguments[0] == "run" else []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["latentleak", *arguments, *more])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert words in " ".join(said.split())
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_a_usage_error_ends_the_process_with_its_status(tmp_path: Path) -> None:
    done = latentleak("run", "which-promt", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "did you mean 'which-prompt'" in " ".join(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "--help"], ["report", "x"]])
def test_light_commands_never_import_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, latentleak.audits.cli as cli\n"
        f"sys.argv = ['latentleak', *{arguments!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)


def test_the_version_is_the_installed_one(tmp_path: Path) -> None:
    done = latentleak("--version", cwd=tmp_path)
    assert done.stdout == f"latentleak {metadata.version('latentleak')}\n"
    assert done.returncode == 0


def test_list_names_what_is_there(tmp_path: Path) -> None:
    done = latentleak("list", "--json", cwd=tmp_path)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"obclip", "plain", "which-prompt", "trained-classifier"} <= {e["id"] for e in entries}


def test_the_report_is_written(first: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    done = latentleak("report", "first", "--format=html,md", cwd=first[0])
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["first/report.html", "first/report.md"]
    assert "NOT REFUTED" in (first[0] / "first" / "report.md").read_text()


def test_run_from_python(tmp_path: Path) -> None:
    settings = parse_settings([pair.removeprefix("--set=") for pair in TINY if "--set" in pair])
    result = run("which-prompt", out=tmp_path / "x", model="tiny", trials=40, settings=settings)
    assert "which-prompt/plain (control): REFUTED" in repr(result)
    assert result.to_dict()["findings"][0]["id"] == "which-prompt/obclip"
    with pytest.raises(UsageError, match="'trails' is not an option"):
        run("which-prompt", out=tmp_path / "y", trails=40)


def test_settings_are_typed() -> None:
    assert configured(ObClip(), {"k": 5, "guidance": 2}, "defense") == ObClip(k=5, guidance=2.0)
    with pytest.raises(UsageError, match="must be of type int"):
        configured(ObClip(), {"k": True}, "defense")
    with pytest.raises(UsageError, match="FIELD=VALUE"):
        parse_settings(["k"])
    assert RunConfig().differences(RunConfig(seed=2).to_dict()) == ["seed: 2 then, 0 now"]
