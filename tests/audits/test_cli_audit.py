"""`latentleak audit ...` as a user meets it: in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from latentleak.defenses.dp_adaptation.gaussian import gaussian_mu

CLAIM = ("--claim-epsilon=4", "--delta=1e-5")


def audit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    command = [sys.executable, "-m", "latentleak.audits.cli", "audit", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of an honest release at epsilon = 4, and of one with half the noise."""
    folder, rng = tmp_path_factory.mktemp("scores"), np.random.default_rng(0)
    for name, mu in (("honest", gaussian_mu(4.0, 1e-5)), ("halved", 2 * gaussian_mu(4.0, 1e-5))):
        inside, outside = rng.normal(size=1000) + mu, rng.normal(size=1000)
        np.savez(folder / f"{name}.npz", scores_in=inside, scores_out=outside)
    np.savez(folder / "plain.npz", scores_in=[1.0] * 1000, scores_out=[0.0] * 1000)
    np.savez(folder / "half.npz", scores_in=[1.0])
    np.savez(folder / "objects.npz", scores_in=np.array([None]), scores_out=[0.0])
    (folder / "text.npz").write_text("scores")
    return folder


@pytest.mark.parametrize(
    ("scores", "bound", "status"),
    [
        ("halved", "gaussian-likelihood-ratio", 1),
        ("halved", "gdp", 1),
        ("halved", "clopper-pearson", 3),
        ("halved", "one-run-fdp", 1),
        ("halved", "one-run", 3),
        ("halved", "bayesian", 3),
        ("honest", "gaussian-likelihood-ratio", 3),
        ("honest", "gdp", 3),
        ("plain", "clopper-pearson", 1),
        ("plain", "bayesian", 3),
    ],
)
def test_verdicts_are_exit_statuses(scores: str, bound: str, status: int, files: Path) -> None:
    done = audit("dp", f"--scores={scores}.npz", *CLAIM, f"--bound={bound}", "--json", cwd=files)
    assert done.returncode == status, done.stderr
    record = json.loads(done.stdout)
    assert record["verdict"] == ("REFUTED" if status == 1 else "INCONCLUSIVE")
    assert record["bound"] == bound.replace("-", "_")
    assert (record["p_value"] or 1) <= 0.01 or status == 3
    assert (record["epsilon"] > 4) == (status == 1) or bound == "bayesian"
    assert record["neighbours"] == ("add-remove" if "run" in bound else "replace-one")
    assert (record["ceiling"] == "inf") == (bound == "gaussian-likelihood-ratio")


def test_the_default_is_split_clopper_pearson(files: Path) -> None:
    done = audit("dp", "--scores=plain.npz", *CLAIM, "--json", cwd=files)
    record = json.loads(done.stdout)
    assert record["bound"] == "clopper_pearson"
    assert record["details"]["counted_in"] == 875
    assert record["alpha"] == 0.01
    assert record["assumptions"] == ["independent-games"]


def test_the_record_is_readable(files: Path) -> None:
    done = audit(
        "dp",
        "--scores=halved.npz",
        *CLAIM,
        "--bound=gaussian-likelihood-ratio",
        "--neighbours=add-remove",
        cwd=files,
    )
    assert done.stdout.startswith("REFUTED  (4, 1e-05)-DP, add-remove\n")
    for words in ("epsilon >=", "gaussian-scores", "normality, Anderson-Darling p =", "ceiling"):
        assert words in done.stdout
    assert "1000 in, 1000 out" in done.stdout


def test_scores_that_are_not_normal_refute_nothing(files: Path) -> None:
    rng = np.random.default_rng(1)
    inside, outside = (np.sign(rng.normal(size=1000) + mu) for mu in (2.5, -2.5))
    np.savez(files / "cut.npz", scores_in=inside, scores_out=outside)
    arguments = ("dp", "--scores=cut.npz", *CLAIM, "--bound=gaussian-likelihood-ratio", "--json")
    done = audit(*arguments, cwd=files)
    assert done.returncode == 3
    record = json.loads(done.stdout)
    assert record["epsilon"] > 4
    assert record["normality"] < 1e-3
    assert "contradict what the bound assumes" in record["reason"]


def test_failed_games_are_counted(files: Path) -> None:
    inside = [1.0] * 1000 + [float("nan")] * 1000
    np.savez(files / "nan.npz", scores_in=inside, scores_out=[0.0] * 1000)
    done = audit("dp", "--scores=nan.npz", *CLAIM, cwd=files)
    assert "2000 in, 1000 out, 1000 of them NaN" in done.stdout


def test_few_games_say_that_they_could_not_have_shown_it(files: Path) -> None:
    np.savez(files / "few.npz", scores_in=[1.0] * 50, scores_out=[0.0] * 50)
    done = audit("dp", "--scores=few.npz", *CLAIM, cwd=files)
    assert done.returncode == 3
    assert "could not have shown more than epsilon" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scores=none.npz", *CLAIM], "none.npz cannot be opened: No such file"),
        (["--scores=text.npz", *CLAIM], "is not an npz file of numbers"),
        (["--scores=objects.npz", *CLAIM], "is not an npz file of numbers"),
        (["--scores=half.npz", *CLAIM], "must hold scores_in and scores_out; holds scores_in"),
        (["--scores=honest.npz", "--delta=1e-5"], "claim-epsilon"),
        (["--scores=honest.npz", "--claim-epsilon=-1", "--delta=0"], "epsilon=-1 must be >= 0"),
        (["--scores=honest.npz", "--claim-epsilon=1", "--delta=2"], "delta=2 must be in [0, 1)"),
        (["--scores=honest.npz", *CLAIM, "--alpha=0"], "alpha=0.0 must be in (0, 1)"),
        (["--scores=honest.npz", *CLAIM, "--bound=best"], "method='best' must be one of"),
        (["--scores=honest.npz", *CLAIM, "--neighbours=twins"], "'replace-one', 'add-remove'"),
        (["--scores=honest.npz", *CLAIM, "--threshold=best"], "must be split, bonferroni or"),
        (["--scores=honest.npz", *CLAIM, "--rate=0.5"], "goes with gdp only"),
        (["--scores=honest.npz", *CLAIM, "--bound=gdp", "--rate=2"], "rate=2.0 must be in (0, 1]"),
        (
            ["--scores=honest.npz", *CLAIM, "--bound=one-run", "--threshold=1"],
            "not with one_run",
        ),
        (
            ["--scores=honest.npz", *CLAIM, "--bound=one-run", "--neighbours=replace-one"],
            "test add-remove",
        ),
        (
            ["--scores=plain.npz", *CLAIM, "--bound=gaussian-likelihood-ratio"],
            "scores are constant on either side",
        ),
    ],
)
def test_usage_errors_say_what_to_do(arguments: list[str], words: str, files: Path) -> None:
    done = audit("dp", *arguments, cwd=files)
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def _children() -> float:
    """Processor time of child processes that have ended [s]."""
    times = os.times()
    return times.children_user + times.children_system


@pytest.mark.parametrize("arguments", [["dp", "--help"], ["--help"], ["oblivious", "--help"]])
def test_help_starts_fast_and_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    """Under a second of processor time, whatever else the machine does; the best of three."""
    code = (
        "import sys, latentleak.audits.cli as cli\n"
        f"sys.argv = ['latentleak', 'audit', *{arguments!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'scipy', 'diffusers'} & set(sys.modules)\n"
    )
    taken = []
    for _ in range(3):
        start = _children()
        subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
        taken.append(_children() - start)
    assert min(taken) < 1


def test_an_audit_imports_no_torch(files: Path) -> None:
    code = (
        "import sys, latentleak.audits.cli as cli\n"
        f"sys.argv = ['latentleak', 'audit', 'dp', '--scores=honest.npz', *{CLAIM!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'scipy.stats', 'dp_accounting'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=files, capture_output=True)


def test_oblivious_is_as_before(tmp_path: Path) -> None:
    done = audit("oblivious", "--wins=25", "--games=40", "--candidates=6", cwd=tmp_path)
    assert done.returncode == 1
    record = json.loads(done.stdout)
    assert (record["verdict"], record["correct"], record["n"]) == ("REFUTED", 25, 40)
    (tmp_path / "guesses.csv").write_text("0,1,0\n1,1,0\n")
    assert audit("oblivious", "--scores=guesses.csv", "--slack=0", cwd=tmp_path).returncode == 3
    missing = audit("oblivious", "--wins=25", cwd=tmp_path)
    assert missing.returncode == 2
    assert "give --scores FILE" in " ".join(missing.stderr.split())
    assert audit("nothing", cwd=tmp_path).returncode == 2
