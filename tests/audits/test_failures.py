"""What fails is noted where it belongs, and never counts for a defence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from latentleak.audits.config import UsageError
from latentleak.audits.failures import FAILED, Failures, failed_in, without
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.defenses.claims import Obliviousness
from latentleak.scenarios.contract import Trials


def _trials() -> Trials:
    one = np.zeros(1, dtype=np.int64)
    return Trials(arm="cheap", truth=one, counts=one + 2, scores={}, swapped={})


def test_a_failure_is_noted_with_its_traceback(tmp_path: Path) -> None:
    failures = Failures(tmp_path / "errors")
    with failures.of("which-prompt/obclip"):
        raise RuntimeError("first line\nout of memory")
    assert failures.reasons == {"which-prompt/obclip": "RuntimeError: out of memory"}
    kept = (tmp_path / "errors" / "which-prompt-obclip.txt").read_text()
    assert kept.startswith("Traceback")
    assert "first line" in kept


def test_without_a_folder_everything_is_raised() -> None:
    with pytest.raises(RuntimeError), Failures().of("x"):
        raise RuntimeError


def test_a_mistake_of_the_caller_is_raised_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(UsageError), Failures(tmp_path).of("x"):
        raise UsageError("no such field")


def test_an_adversary_that_failed_is_a_fact_of_its_arm(tmp_path: Path) -> None:
    failures = Failures(tmp_path)
    arms = [SimpleNamespace(name="cheap"), SimpleNamespace(name="cheap")]  # of two defences
    failures.adversary("order", arms[0], ValueError("no views"))
    mine, other = (failures.noted(_trials(), arm, 0) for arm in arms)
    assert failed_in([mine]) == {"order": "ValueError: no views"}
    assert FAILED not in other.facts
    assert not failed_in([failures.noted(_trials(), arms[0], mark=1)])


@pytest.mark.parametrize("before", list(Verdict))
def test_a_finding_that_lacks_an_adversary_does_not_spare_the_defence(before: Verdict) -> None:
    finding = Finding(
        id="which-prompt/obclip",
        scenario="which-prompt",
        question="Which one?",
        defense={"name": "ObClip"},
        role=Role.CLAIM,
        expected=None,
        claim=Obliviousness().to_dict(),
        verdict=before,
        reason="as it was",
        metric="advantage",
        estimate=0.0,
        interval=(-0.1, 0.1),
        ceiling=0.9,
        detectable=0.1,
        resolution=0.25,
        alpha=0.01,
        n=10,
        rows=(),
    )
    found = without(finding, {"order": "ValueError: no views"})
    kept = before is not Verdict.NOT_REFUTED
    assert found.verdict is (before if kept else Verdict.INCONCLUSIVE)
    assert found.controls[-1].holds is False
    assert "order" in found.controls[-1].observed
    assert without(finding, {}) is finding
