"""ROC curves of a run, from the scores in its folder: of trainings, and of releases."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentleak.audits.report import render
from latentleak.audits.report.membership import allowed
from latentleak.audits.verdict import Finding, Row
from latentleak.defenses.claims import DifferentialPrivacy, MembershipArea

Make = Callable[..., Finding]
Folder = Callable[..., Path]
Rows = Callable[..., Row]

CLAIM = DifferentialPrivacy(epsilon=1.0, delta=1e-5)
ALLOWED = "most that the claim allows"


def scored(folder: Path, arm: str, columns: int = 1, **scores: Any) -> None:
    """Games of one arm, as a run keeps them."""
    (folder / "trials").mkdir(exist_ok=True)
    path = folder / "trials" / f"was-my-image-used-mine-mine-{arm}.npz"
    truth, rng = np.repeat([1, 0], 200), np.random.default_rng(0)
    drawn = {"scores/likelihood ratio": truth[:, None] + rng.normal(size=(400, columns))}
    np.savez(path, truth=truth, counts=np.full(400, 2), allow_pickle=False, **drawn, **scores)
    record = {"arm": arm, "facts": {}, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(record))


@pytest.fixture
def release(finding: Make, row: Rows) -> Finding:
    """A finding about a release, in two arms: of one record, and of two."""
    games = row().games
    return finding(
        id="was-my-image-used/mine",
        scenario="was-my-image-used",
        claim=CLAIM.to_dict(),
        rows=(
            row(arm="worst", games={**games, "group": 1}),
            row(arm="pairs", games={**games, "group": 2}),
        ),
    )


def _drawn(folder: Path) -> list[str]:
    page = render(folder, "html").read_text(encoding="utf-8")
    return re.findall(r"<svg[^>]*class=\"roc\".*?</svg>", page, flags=re.DOTALL)


def test_a_release_has_one_for_every_arm_with_scores(run_folder: Folder, release: Finding) -> None:
    folder = run_folder([release])
    assert _drawn(folder) == []
    scored(folder, "worst")
    scored(folder, "pairs")
    worst, pairs = _drawn(folder)
    assert 'class="band"' in worst
    assert "likelihood ratio: TPR" in worst
    assert ALLOWED in worst
    assert ALLOWED not in pairs  # its worlds differ in two records, the claim is about one


def test_many_attacks_take_several_drawings(run_folder: Folder, release: Finding) -> None:
    folder = run_folder([release])
    scored(folder, "worst", **{f"scores/attack {n}": np.arange(400.0)[:, None] for n in range(6)})
    assert len(_drawn(folder)) == 2
    page = render(folder, "html").read_text(encoding="utf-8")
    assert "<figcaption>worst</figcaption>" in page
    assert "<figcaption>worst, continued</figcaption>" in page


def test_games_of_another_question_and_altered_files_are_not_drawn(
    run_folder: Folder, release: Finding
) -> None:
    folder = run_folder([release])
    scored(folder, "worst", columns=3)
    scored(folder, "pairs")
    with (folder / "trials" / "was-my-image-used-mine-mine-pairs.npz").open("ab") as file:
        file.write(b"more")
    assert _drawn(folder) == []


def test_the_most_that_a_claim_allows(release: Finding) -> None:
    """Kairouz, Oh, Viswanath (2015): the lower of two lines, which meet on the other diagonal."""
    limit = allowed(release, "worst")
    assert limit is not None
    assert limit(0.0) == pytest.approx(1e-5)
    assert limit(0.01) == pytest.approx(np.e * 0.01 + 1e-5)
    assert limit(0.5) == pytest.approx(1 - (0.5 - 1e-5) / np.e)
    corner = (1 - 1e-5) / (1 + np.e)
    assert limit(corner) == pytest.approx(1 - corner)
    assert limit(1.0) == 1.0
    assert allowed(release, "pairs") is None


def test_a_claim_about_an_area_has_no_such_line(finding: Make, row: Rows) -> None:
    area = finding(
        claim=MembershipArea(at_most=0.6).to_dict(), rows=(row(games={"group": 1}, arm="a"),)
    )
    assert allowed(area, "a") is None


@pytest.mark.parametrize(("fmt", "kept"), [("html", False), ("md", True)])
def test_numpy_is_loaded_for_curves_alone(
    fmt: str, kept: bool, run_folder: Folder, release: Finding
) -> None:
    """Not for a release whose scores are gone, and not for text."""
    folder = run_folder([release])
    if kept:
        scored(folder, "worst")
    code = (
        "import sys\n"
        "from latentleak.audits.report import render\n"
        "render(sys.argv[1], sys.argv[2])\n"
        "assert not {'numpy', 'scipy', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder), fmt], check=True)
