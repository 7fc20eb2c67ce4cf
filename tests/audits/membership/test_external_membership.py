"""`latentleak audit membership` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

from latentleak.audits.cli_audit import audit
from latentleak.audits.config import UsageError


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    exact = norm.ppf((np.arange(5000) + 0.5) / 5000)
    for name, mu in (("leaks", 2.0), ("chance", 0.0)):
        np.savez(folder / f"{name}.npz", scores_in=mu + exact, scores_out=exact)
    np.savez(folder / "few.npz", scores_in=[1.0, 2.0], scores_out=[0.0, 0.5])
    np.savez(folder / "one.npz", scores_in=[1.0], scores_out=[0.0])
    return folder


def run(files: Path, name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """At alpha 1e-6: so often is a true claim refuted, whatever the seed of the pairing."""
    scores = str(files / f"{name}.npz")
    command = ["membership", "--scores", scores, "--json", "--alpha", "1e-6", *arguments]
    done = CliRunner().invoke(audit, command, catch_exceptions=False)
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize(
    ("name", "claim", "status"),
    [
        ("leaks", ("--claim-tpr", "0.05"), 1),
        ("leaks", ("--claim-tpr", "0.05", "--at-fpr", "0.1"), 1),
        ("leaks", ("--claim-auc", "0.6"), 1),
        ("leaks", ("--claim-auc", "0.95"), 3),
        ("chance", ("--claim-tpr", "0.05"), 3),
        ("chance", ("--claim-auc", "0.5"), 3),
        ("few", ("--claim-tpr", "0.05"), 3),
        ("leaks", (), 0),
    ],
)
def test_verdicts_are_exit_statuses(
    files: Path, name: str, claim: tuple[str, ...], status: int
) -> None:
    found, record = run(files, name, *claim)
    assert found == status
    assert record["verdict"] == {0: None, 1: "REFUTED", 3: "INCONCLUSIVE"}[status]
    assert record["members"] == (2 if name == "few" else 5000)


def test_the_table_says_what_was_not_resolved(files: Path) -> None:
    command = ["membership", "--scores", str(files / "few.npz"), "--claim-tpr", "0.1"]
    done = CliRunner().invoke(audit, command, catch_exceptions=False, env={"COLUMNS": "160"})
    assert "INCONCLUSIVE" in done.stdout
    assert "cannot resolve FPR 0.001" in done.stdout
    assert "score more" in done.stdout


@pytest.mark.parametrize("name", ["leaks", "few"])
def test_the_figure_is_a_drawing_of_its_own(files: Path, name: str) -> None:
    path = files / f"{name}.svg"
    run(files, name, "--figure", str(path))
    text = path.read_text()
    ElementTree.fromstring(text)
    assert len(text) < 200_000
    assert "false-positive rate" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--claim-tpr", "0.1", "--claim-auc", "0.6"), "one at a time"),
        (("--at-fpr", "0.1"), "goes with --claim-tpr"),
        (("--claim-tpr", "1.5"), "--claim-tpr 1.5 must be from 0 to 1"),
        (("--claim-tpr", "0.5", "--at-fpr", "0"), "--at-fpr 0 must be > 0"),
        (("--figure", "roc.pdf"), "must end in .svg"),
    ],
)
def test_errors_name_the_argument(files: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(files, "leaks", *arguments)


def test_one_score_is_too_few(files: Path) -> None:
    with pytest.raises(UsageError, match="n >= 2"):
        run(files, "one")
