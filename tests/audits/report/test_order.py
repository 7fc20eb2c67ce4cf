"""Worst first, in whatever order findings and rows arrive."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from latentleak.audits.report import rows_worst_first, worst, worst_first
from latentleak.audits.verdict import Finding, Row, Verdict

Make = Callable[..., Finding]


@given(data=st.data())
def test_findings(
    data: st.DataObject, finding: Make, refuted: Make, plain: Make, undecided: Make, row: type[Row]
) -> None:
    weaker = row(p_adjusted=0.004)
    expected = [
        refuted(),
        refuted(id="b/later", rows=(weaker,), estimate=0.2),
        undecided(),
        finding(),
        plain(id="missed", verdict=Verdict.INCONCLUSIVE),
        plain(),
        plain(id="which-prompt/plain-too"),
    ]
    shuffled = data.draw(st.permutations(expected))
    assert [f.id for f in worst_first(shuffled)] == [f.id for f in expected]


@given(data=st.data())
def test_rows(data: st.DataObject, row: Callable[..., Row]) -> None:
    expected = [
        row(adversary="a", p_adjusted=1e-9, estimate=0.1),
        row(adversary="b", p_adjusted=0.5, estimate=0.3),
        row(adversary="c", p_adjusted=1.0, estimate=0.2),
        row(adversary="d", p_adjusted=1.0, estimate=-0.2),
        row(adversary="e", p_adjusted=1.0, estimate=float("nan")),
        row(adversary="f", p_adjusted=float("nan"), estimate=0.9),
    ]
    shuffled = data.draw(st.permutations(expected))
    assert [r.adversary for r in rows_worst_first(shuffled)] == list("abcdef")


def test_several_claims_are_as_bad_as_the_worst() -> None:
    assert worst([]) is None
    assert worst([Verdict.NOT_REFUTED] * 99 + [Verdict.REFUTED]) is Verdict.REFUTED
    assert worst([Verdict.NOT_REFUTED, Verdict.INCONCLUSIVE]) is Verdict.INCONCLUSIVE
