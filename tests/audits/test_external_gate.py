"""Audits of numbers from elsewhere are recorded and held against what was recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latentleak.audits import cli

Audit = Callable[..., tuple[int, str]]


@pytest.fixture
def audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Audit:
    """`latentleak audit ...` in a folder of its own: exit status, and all that was said."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["latentleak", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(str(ended.value.code)), said.out + said.err

    return call


def test_scores_that_tell_more_are_worse(audit: Audit) -> None:
    rng = np.random.default_rng(0)
    for name, shift in (("first", 0.5), ("second", 0.5), ("leaky", 2.0)):
        inside, outside = rng.normal(size=400) + shift, rng.normal(size=400)
        np.savez(f"{name}.npz", scores_in=inside, scores_out=outside)
    claim = ("audit", "dp", "--claim-epsilon=4", "--delta=1e-5", "--scores")
    assert audit(*claim, "first.npz", "--record=known.json")[0] == 3
    again, said = audit(*claim, "second.npz", "--baseline=known.json")
    assert (again, "unchanged audit/dp" in said, "Fisher, exact" in said) == (3, True, True)
    leaky, said = audit(*claim, "leaky.npz", "--baseline=known.json", "--json")
    assert (leaky, "worse     audit/dp" in said) == (1, True)
    accept = ("--accept=audit/dp", "--reason=no controls", "--expires=9999-12-31")
    assert audit("baseline", "known.json", "--output=known.json", *accept)[0] == 0
    assert audit(*claim, "second.npz", "--baseline=known.json")[0] == 0
    assert audit(*claim, "leaky.npz", "--baseline=known.json")[0] == 1


def test_counts_parameters_and_membership(audit: Audit) -> None:
    counts = ("audit", "oblivious", "--games=200", "--candidates=10")
    assert audit(*counts, "--wins=20", "--record=wins.json")[0] == 3
    status, said = audit(*counts, "--wins=60", "--baseline=wins.json")
    assert (status, "worse     audit/oblivious" in said) == (1, True)
    he = ("audit", "he", "--poly-modulus-degree=8192")
    assert audit(*he, "--coeff-mod-bits=60,40,60", "--record=he.json")[0] == 0
    assert audit(*he, "--coeff-mod-bits=60,40,60", "--baseline=he.json")[0] == 0
    status, said = audit(*he, "--coeff-mod-bits=60,60,60,60", "--baseline=he.json")
    assert (status, "worse     audit/he" in said) == (1, True)
    np.savez("m.npz", scores_in=np.arange(20.0), scores_out=np.arange(20.0))
    lines = [f"{side},{score}" for side in (1, 0) for score in range(20)]
    Path("m.csv").write_text("\n".join([*lines, ""]))
    membership = ("audit", "membership", "--scores=m.csv")
    by_hand = audit(*membership, "--json")
    assert by_hand == audit("audit", "membership", "--scores=m.npz", "--json")
    assert audit(*membership, "--record=m.json")[0] == 2
    assert audit(*membership, "--claim-auc=0.6", "--record=m.json")[0] == 3
    assert audit(*membership, "--claim-auc=0.6", "--baseline=m.json")[0] == 3
    Path("m.csv").write_text("1,0.5\nin,0.5\n")
    status, said = audit(*membership)
    assert (status, "line 2 must be" in said) == (2, True)
