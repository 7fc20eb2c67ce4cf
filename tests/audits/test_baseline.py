"""A baseline: what it holds, what it accepts, and that it stays small."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from latentleak.audits import cli
from latentleak.audits.baseline import MOST, Acceptance, Baseline, Known, load, of_run, read, save
from latentleak.audits.config import UsageError
from latentleak.audits.folder import write
from latentleak.audits.obliviousness.rows import wins_of
from latentleak.audits.outcomes import GAIN, GUESSED, WON, Outcomes, outcomes_of
from latentleak.audits.verdict import Finding, Role, Row, Verdict
from latentleak.defenses.seeds import stream
from latentleak.scenarios.contract import Trials

TODAY = date(2026, 6, 1)


def row(adversary: str, wins: int | None, n: int) -> Row:
    """A row that says nothing but who played where."""
    return Row(
        adversary=adversary,
        arm="cheap",
        metric="m",
        n=n,
        wins=wins,
        chance=0.0,
        estimate=0.0,
        interval=(0.0, 0.0),
        p_value=1.0,
        p_adjusted=1.0,
        critical=None,
        detectable=0.0,
        ceiling=1.0,
        alpha=0.01,
        level=0.01,
        swapped={},
        games={},
    )


def finding(verdict: Verdict = Verdict.NOT_REFUTED, role: Role = Role.CLAIM, *rows: Row) -> Finding:
    """A finding of `asks/mine`."""
    return Finding(
        id="asks/mine",
        scenario="asks",
        question="?",
        defense={"name": "Mine"},
        role=role,
        expected=None,
        claim={"type": "Obliviousness", "statement": "s"},
        verdict=verdict,
        reason="",
        metric="m",
        estimate=None,
        interval=None,
        ceiling=None,
        detectable=None,
        resolution=0.25,
        alpha=0.01,
        n=1,
        rows=rows,
        provenance={"seed": 3},
    )


def run_folder(folder: Path, *findings: Finding, trials: Trials | None = None) -> Path:
    """A run folder with these findings, and the games of `asks/mine`."""
    (folder / "trials").mkdir(parents=True)
    write(folder / "run.json", json.dumps({"config": {"seed": 3}, "exit_status": 0}))
    write(folder / "findings.jsonl", "".join(f.to_json() + "\n" for f in findings))
    if trials is not None:
        trials.save(folder / "trials" / "asks-mine-mine-cheap.npz")
        facts = {"arm": "cheap", "facts": dict(trials.facts)}
        write(folder / "trials" / "asks-mine-mine-cheap.json", json.dumps(facts))
    return folder


def games(n: int = 40, **scores: np.ndarray) -> Trials:
    """Games among four, or of one bit where the scores have one column."""
    truth = np.arange(n) % (2 if next(iter(scores.values())).shape[1] == 1 else 4)
    return Trials(
        arm="cheap",
        truth=truth,
        counts=np.full(n, 4),
        scores=scores,
        swapped={},
        facts={"target": {"spec": "tiny"}},
    )


def test_outcomes_of_games_won_are_the_wins_of_the_row(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).integers(0, 3, (40, 4)).astype(float)  # many ties
    trials = games(guesser=scores)
    rng = stream(3, "judge", "cheap", "guesser", "ties")
    won = wins_of(trials, scores, rng)
    held = finding(Verdict.NOT_REFUTED, Role.CLAIM, row("guesser", int(won.sum()), 40))
    (found,) = outcomes_of(run_folder(tmp_path / "run", held, trials=trials), held)
    assert found.kind == WON
    assert found.values.astype(bool).tolist() == won.tolist()
    assert Outcomes.from_dict(found.to_dict()).values.tolist() == found.values.tolist()


def test_outcomes_of_scores_are_guesses_on_games_that_set_no_threshold(tmp_path: Path) -> None:
    truth = np.arange(40) % 2
    scores = {"sure": truth[:, None] * 1.0, "failed": np.full((40, 1), np.nan)}
    held = finding(Verdict.NOT_REFUTED, Role.CLAIM, row("sure", None, 40), row("failed", None, 40))
    folder = run_folder(tmp_path / "run", held, trials=games(**scores))
    found = {each.adversary: each for each in outcomes_of(folder, held)}
    assert {each.kind for each in found.values()} == {GUESSED}
    assert found["sure"].values.tolist() == [1.0] * 20
    assert found["failed"].values.tolist() == [0.0] * 20


def test_outcomes_of_pictures_are_gains_over_what_nobody_saw(tmp_path: Path) -> None:
    n = 8
    blind, own = np.full((n, 4), -2.0), np.full((n, 4), -0.5)
    own[3] = np.nan
    scores = {"image/nothing seen": blind, "image/reader": own}
    held = replace(
        finding(Verdict.NOT_REFUTED, Role.CLAIM, row("reader", None, n)),
        claim={"type": "Hidden", "what": "image"},
    )
    (found,) = outcomes_of(run_folder(tmp_path / "run", held, trials=games(n, **scores)), held)
    assert found.kind == GAIN
    assert found.values.tolist() == [0.75, 0.75, 0.75, 0.0, *[0.75] * 4]
    assert Outcomes.from_dict(found.to_dict()).values.tolist() == found.values.tolist()


def test_a_file_holds_claims_only_and_repeats_byte_for_byte(tmp_path: Path) -> None:
    control = replace(finding(Verdict.REFUTED, Role.CONTROL), id="asks/plain")
    trials = games(guesser=np.eye(4)[np.arange(40) % 4])
    held = finding(Verdict.NOT_REFUTED, Role.CLAIM, row("guesser", 40, 40))
    folder = run_folder(tmp_path / "run", held, control, trials=trials)
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    assert save(of_run(folder), first) is None
    assert save(load(folder), second) is None
    assert first.read_bytes() == second.read_bytes()
    assert list(read(first).claims) == ["asks/mine"]
    assert read(first).claims["asks/mine"].outcomes["cheap/guesser/won"].values.sum() == 40


def test_a_file_stays_below_a_megabyte(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(600_000)
    outcomes = Outcomes(arm="a", adversary="b", kind=GAIN, games="g", values=values)
    known = Known(
        id="x/y",
        verdict=Verdict.REFUTED,
        claim={},
        metric="m",
        estimate=None,
        defense="",
        outcomes={outcomes.key: outcomes},
    )
    path = tmp_path / "large.json"
    assert save(Baseline(claims={"x/y": known}), path) == 300_000
    assert path.stat().st_size < MOST
    kept = read(path).claims["x/y"].outcomes[outcomes.key].values
    np.testing.assert_array_equal(kept, values[:300_000].astype(np.float16))


def test_acceptances_are_kept_and_checked(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", finding(Verdict.REFUTED))
    path = tmp_path / "baseline.json"
    known = of_run(folder)
    wanted = {"reason": "fixed in 2.0", "expires": "2026-06-01", "today": TODAY}
    save(known.accept(["asks/mine"], **wanted), path)
    save(known, path)
    assert read(path).accepted["asks/mine"].reason == "fixed in 2.0"
    with pytest.raises(UsageError, match="no reason"):
        known.accept(["asks/mine"], **{**wanted, "reason": " "})
    with pytest.raises(UsageError, match="expired"):
        known.accept(["asks/mine"], **{**wanted, "expires": "2026-05-31"})
    with pytest.raises(UsageError, match="must be a day"):
        known.accept(["asks/mine"], **{**wanted, "expires": "soon"})
    with pytest.raises(UsageError, match="claims: asks/mine"):
        known.accept(["asks/yours"], **wanted)
    fine = of_run(run_folder(tmp_path / "fine", finding()))
    with pytest.raises(UsageError, match="nothing to accept"):
        fine.accept(["asks/mine"], **wanted)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Acceptance(id="x", expires="2026-06-01"), "no reason"),
        (Acceptance(id="x", reason="r"), "must be a day"),
        (Acceptance(id="x", reason="r", expires="2026-05-31"), "expired on 2026-05-31"),
        (Acceptance(id="x", reason="r", expires="2026-06-01"), ""),
    ],
)
def test_why_an_acceptance_does_not_count(entry: Acceptance, words: str) -> None:
    problem = entry.problem(TODAY)
    assert words in problem
    assert bool(problem) is bool(words)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "latentleak-baseline-1"}'])
def test_a_file_that_is_no_baseline(text: str, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text)
    with pytest.raises(UsageError, match="latentleak baseline RUN -o FILE"):
        read(tmp_path / "b.json")
    with pytest.raises(UsageError, match="must be a folder"):
        load(tmp_path / "missing")


def test_the_command_line_accepts_and_says_what_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_folder(tmp_path / "run", finding(Verdict.REFUTED))
    monkeypatch.chdir(tmp_path)

    def latentleak(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["latentleak", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(str(ended.value.code)), said.out + said.err

    assert latentleak("baseline", "run", "-o", "b.json")[0] == 0
    assert latentleak("compare", "b.json", "run")[0] == 1
    status, said = latentleak("baseline", "run", "-o", "b.json", "--accept", "asks/mine")
    assert (status, "--reason and --expires" in said) == (2, True)
    accept = ("--accept", "asks/mine", "--reason", "known", "--expires", "9999-12-31")
    assert latentleak("baseline", "run", "-o", "b.json", *accept)[0] == 0
    status, said = latentleak("compare", "b.json", "run")
    assert (status, "accepted: known" in said) == (0, True)
    file = tmp_path / "b.json"
    file.write_text(file.read_text().replace("9999-12-31", "2020-01-01"))
    status, said = latentleak("compare", "b.json", "run", "--json")
    assert (status, "expired on 2020-01-01" in said) == (1, True)
    assert latentleak("compare", "b.json", "run", "--alpha", "1")[0] == 2


def test_a_comparison_needs_no_torch(tmp_path: Path) -> None:
    run_folder(tmp_path / "run", finding())
    code = (
        "import sys\nfrom latentleak.audits import cli\n"
        "try:\n    cli.main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    command = [sys.executable, "-c", code, "compare", "run", "run", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "unchanged"
