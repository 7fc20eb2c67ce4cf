"""The audit of the auditors: every broken copy, honest protocol and null of all audits, at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, fields, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from ...scenarios.contract import Progress, silent
from ..statistics import Interval, at_most, clopper_pearson
from ..verdict import Finding, Verdict

if TYPE_CHECKING:
    from rich.table import Table

BROKEN, HONEST, NULL = "broken", "honest", "null"
AT_ONCE = 2
FAILURE = 1e-6
"""Probability that a line of a working audit comes out as not expected."""

LEVEL = 0.05
"""Of the intervals of rates."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much of each check is done.

    Attributes:
        dp: Audits of each mechanism.
        ppidm: Audits of each copy.
        membership: Audits of each training.
        null: Audits of each claim that is kept to the letter.
        games: Share of the games that the check of encryption plays on its own.
        oblivious: Share of the games of an honest set of candidates that a broken one plays. With
            a quarter, 15 games show the subtlest mistake, of which each must be won.
    """

    dp: int
    ppidm: int
    membership: int
    null: int
    games: float
    oblivious: float


QUICK = Sizes(dp=20, ppidm=1, membership=20, null=100, games=0.5, oblivious=0.25)
FULL = Sizes(dp=100, ppidm=3, membership=100, null=1000, games=1.0, oblivious=0.4)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What repeated audits of one thing said.

    Attributes:
        audit: Which audit.
        name: Of the copy, the honest protocol or the null.
        kind: `broken`, `honest`, `null`, or `misled`: the data are at fault, not who is audited.
        effect: What the mistake gives away.
        alpha: Of each audit.
        audits: How many.
        refuted: How many refuted the claim.
        as_expected: Whether that is what a working audit does.
    """

    audit: str
    name: str
    kind: str
    effect: str
    alpha: float
    audits: int
    refuted: int
    as_expected: bool

    @property
    def interval(self) -> Interval:
        """Of the share that is refuted: exact, 95 %."""
        return clopper_pearson(self.refuted, self.audits, alpha=LEVEL)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"interval": list(self.interval)}


def check(*, seed: int = 0, sizes: Sizes = QUICK, progress: Progress = silent) -> tuple[Line, ...]:
    """Every check, two at a time in processes of their own, which share nothing.

    Args:
        seed: Of every random stream.
        sizes: How much of each.
        progress: Shows how far it is.
    """
    lines: dict[int, tuple[Line, ...]] = {}
    context = get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, context, initializer=_one_thread) as pool:
        jobs = {
            pool.submit(part, name, number, seed, sizes): place
            for place, (name, number) in enumerate(PARTS)
        }
        progress("checks", 0, len(jobs))
        for job in as_completed(jobs):
            lines[jobs[job]] = job.result()
            progress("checks", len(lines), len(jobs))
    found = [line for place in sorted(lines) for line in lines[place]]
    return tuple(sorted(found, key=lambda line: (AUDITS.index(line.audit), line.kind)))


def _one_thread() -> None:
    """Libraries in this process take one: there are as many processes as cores."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(limits=1)


def part(name: str, number: int, seed: int, sizes: Sizes) -> tuple[Line, ...]:
    """One part of a check, in this process."""
    return tuple(CHECKS[name](number, seed, sizes))


def _dp(number: int, seed: int, sizes: Sizes) -> Iterator[Line]:
    from .dp import check as check_dp

    for each in check_dp(seed=seed, audits=sizes.dp):
        yield Line(
            audit="dp",
            name=each.name,
            kind=BROKEN if each.broken else HONEST,
            effect=each.effect,
            alpha=each.alpha,
            audits=each.audits,
            refuted=each.refutations,
            as_expected=each.as_expected,
        )


def _ppidm(number: int, seed: int, sizes: Sizes) -> Iterator[Line]:
    from .ppidm import check as check_ppidm

    alpha = 0.01
    for each in check_ppidm(seed=seed, alpha=alpha, audits=sizes.ppidm, at_once=1):
        yield Line(
            audit="ppidm",
            name=each.name,
            kind=BROKEN if each.broken else HONEST,
            effect=each.effect,
            alpha=alpha,
            audits=each.audits,
            refuted=each.refuted,
            as_expected=each.as_expected,
        )


def _membership(number: int, seed: int, sizes: Sizes) -> Iterator[Line]:
    from .membership import check as check_membership

    for each in check_membership(seed=seed, audits=sizes.membership):
        yield Line(
            audit="membership",
            name=each.name,
            kind=each.kind,
            effect=each.effect,
            alpha=each.alpha,
            audits=each.audits,
            refuted=each.refuted,
            as_expected=each.as_expected,
        )


def _he(number: int, seed: int, sizes: Sizes) -> Iterator[Line]:
    from .broken_he import BROKEN as COPIES
    from .broken_he import HONEST as ORIGINALS
    from .he import SCENARIO
    from .he import check as check_he

    kinds = (*COPIES, *ORIGINALS)
    latents, keys = (_less(games, sizes) for games in (SCENARIO.latents, SCENARIO.keys))
    scenario = replace(SCENARIO, latents=latents, keys=keys)
    return _lines("he", kinds, check_he(seed=seed, kinds=kinds, scenario=scenario, at_once=1))


def _oblivious(number: int, seed: int, sizes: Sizes) -> Iterator[Line]:
    from ...defenses.obclip.protocol import ObClip
    from .broken_obclip import BROKEN as COPIES
    from .oblivious import check as check_oblivious

    kinds = _share((*COPIES, ObClip), number)
    found = check_oblivious(seed=seed, kinds=kinds, share=sizes.oblivious, at_once=1)
    return _lines("oblivious", kinds, found)


def _null(number: int, seed: int, sizes: Sizes) -> Iterator[Line]:
    from .null import NULLS, refutations

    alpha, few = 0.05, max(2, sizes.null // 10)
    for name in NULLS:
        kept = refutations(name, audits=sizes.null, alpha=alpha, seed=seed)
        most = at_most(sizes.null, alpha, failure=FAILURE)
        yield Line(
            audit=name,
            name="kept to the letter",
            kind=NULL,
            effect="",
            alpha=alpha,
            audits=sizes.null,
            refuted=kept,
            as_expected=kept <= most,
        )
        found = refutations(name, audits=few, alpha=alpha, seed=seed, exceeded=True)
        yield Line(
            audit=name,
            name="far exceeded",
            kind=BROKEN,
            effect="Adversaries do much better than is claimed.",
            alpha=alpha,
            audits=few,
            refuted=found,
            as_expected=found == few,
        )


def _share(kinds: Sequence[Any], number: int) -> tuple[Any, ...]:
    """Every second one: two processes share the copies of an audit."""
    return tuple(kinds[number::2])


def _less(games: int, sizes: Sizes) -> int:
    return max(2, round(games * sizes.games))


def _lines(audit: str, kinds: Sequence[Any], findings: Sequence[Finding]) -> Iterator[Line]:
    for kind, finding in zip(kinds, findings, strict=True):
        yield Line(
            audit=audit,
            name=kind.__name__,
            kind=HONEST if finding.expected is Verdict.NOT_REFUTED else BROKEN,
            effect=getattr(kind, "effect", ""),
            alpha=finding.alpha,
            audits=1,
            refuted=int(finding.verdict is Verdict.REFUTED),
            as_expected=not finding.surprising,
        )


CHECKS: Mapping[str, Callable[[int, int, Sizes], Iterable[Line]]] = {
    "dp": _dp,
    "he": _he,
    "ppidm": _ppidm,
    "oblivious": _oblivious,
    "membership": _membership,
    "null": _null,
}
AUDITS = ("dp", "he", "ppidm", "oblivious", "membership")
PARTS = (
    ("oblivious", 1),
    ("oblivious", 0),
    ("he", 0),
    ("ppidm", 0),
    ("membership", 0),
    ("null", 0),
    ("dp", 0),
)
"""The longest first."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """All lines of one audit together.

    Attributes:
        audit: Which.
        detected: Audits of broken copies that refute.
        broken: Audits of broken copies.
        alarms: Audits of all others that refute: honest protocols, nulls, and what misleads.
        honest: Audits of these.
    """

    audit: str
    detected: int
    broken: int
    alarms: int
    honest: int


def rates(lines: Sequence[Line]) -> tuple[Rates, ...]:
    """Detection and false alarms of each audit."""
    found = []
    for name in dict.fromkeys(line.audit for line in lines):
        own = [line for line in lines if line.audit == name]
        broken = [line for line in own if line.kind == BROKEN]
        kept = [line for line in own if line.kind != BROKEN]
        found.append(
            Rates(
                audit=name,
                detected=sum(line.refuted for line in broken),
                broken=sum(line.audits for line in broken),
                alarms=sum(line.refuted for line in kept),
                honest=sum(line.audits for line in kept),
            )
        )
    return tuple(found)


def tables(lines: Sequence[Line]) -> tuple[Table, Table]:
    """Every line, and the rates of each audit, for a terminal of 80 columns."""
    from rich.table import Table

    shown = Table(box=None, padding=(0, 1, 0, 0))
    for head in ("audit", "copy", "kind"):
        shown.add_column(head, no_wrap=True)
    for head in ("refuted", "share", "alpha"):
        shown.add_column(head, no_wrap=True, justify="right")
    for line in lines:
        shown.add_row(
            line.audit,
            line.name,
            line.kind,
            f"{line.refuted} of {line.audits}",
            _span(line.refuted, line.audits),
            f"{line.alpha:g}",
            style="" if line.as_expected else "bold red",
        )
    summary = Table(box=None, padding=(0, 2, 0, 0))
    summary.add_column("audit", no_wrap=True)
    for head in ("broken, refuted", "detection rate", "kept, refuted", "false-alarm rate"):
        summary.add_column(head, no_wrap=True, justify="right")
    for each in rates(lines):
        summary.add_row(
            each.audit,
            f"{each.detected} of {each.broken}",
            _span(each.detected, each.broken),
            f"{each.alarms} of {each.honest}",
            _span(each.alarms, each.honest),
        )
    return shown, summary


def _span(hits: int, n: int) -> str:
    if n == 0:
        return "-"
    low, high = clopper_pearson(hits, n, alpha=LEVEL)
    return f"{low:.3f}-{high:.3f}"
