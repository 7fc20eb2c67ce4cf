"""What changed since a baseline: paired tests, game by game, with every look paid for."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ..defenses.seeds import stream
from .baseline import Baseline, Known, load
from .report.order import BADNESS
from .statistics import holm
from .statistics.paired import Shift, games_to_tell, paired_shift, unpaired_shift
from .verdict import Verdict

AT_LEAST = ("SecurityLevel", "Offload")
"""Claims that are looked up or counted, not played: a lower estimate is worse."""


class State(str, enum.Enum):
    """What became of a claim."""

    WORSE = "worse"
    GONE = "gone"
    NEW = "new"
    BETTER = "better"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Change:
    """One claim, then and now.

    Attributes:
        id: Of the claim.
        state: What the test says; `unchanged` means that no change was found.
        before: Verdict in the baseline, or None if it was not there.
        after: Verdict in the run, or None if it is missing.
        key: Of the outcomes that changed most: arm, adversary, kind; empty without games.
        shift: How they changed.
        p_worse: Of "no adversary gained", all adversaries and claims paid for; None without games.
        p_better: Of "no adversary lost", likewise.
        alpha: Of the comparison.
        tells: Games that must change sides, all one way, to be found; None without pairs.
        accepted: Why the verdict is accepted, or empty.
        notes: What else to know, and what to do.
        lost: Whether something that the baseline measured is not comparable any more.
    """

    id: str
    state: State
    before: Verdict | None
    after: Verdict | None
    key: str = ""
    shift: Shift | None = None
    p_worse: float | None = None
    p_better: float | None = None
    alpha: float
    tells: int | None = None
    accepted: str = ""
    notes: tuple[str, ...] = ()
    lost: bool = False

    @property
    def status(self) -> int:
        """1 refuted and not accepted, or worse; 3 inconclusive and not accepted, or lost; 0."""
        if self.state is State.WORSE or (self.after is Verdict.REFUTED and not self.accepted):
            return 1
        if self.after is None or self.lost:
            return 3
        return 3 if self.after is Verdict.INCONCLUSIVE and not self.accepted else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values = asdict(self) | {"status": self.status, "notes": list(self.notes)}
        for name in ("state", "before", "after"):
            each = getattr(self, name)
            values[name] = None if each is None else each.value
        return values


@dataclass(frozen=True, kw_only=True)
class _Tested:
    """Both one-sided p-values of one claim, its adversaries paid for by Bonferroni."""

    shifts: Mapping[str, Shift]

    @property
    def rose(self) -> float:
        return min(1.0, len(self.shifts) * min(each.rose for each in self.shifts.values()))

    @property
    def fell(self) -> float:
        return min(1.0, len(self.shifts) * min(each.fell for each in self.shifts.values()))

    def strongest(self, *, up: bool) -> tuple[str, Shift]:
        """The adversary that changed most."""

        def place(item: tuple[str, Shift]) -> tuple[float, int, str]:
            return (item[1].rose if up else item[1].fell), -item[1].n, item[0]

        return min(self.shifts.items(), key=place)


def compare(
    before: Baseline, after: Baseline, *, today: date, alpha: float = 0.01
) -> tuple[Change, ...]:
    """Hold a run against a baseline, claim by claim, worst first.

    For every adversary in every arm two one-sided tests: paired where both runs played the same
    games, exact for two samples elsewhere. Within a claim the smallest p-value is multiplied by
    the number of adversaries and arms (Bonferroni), over claims and directions Holm pays: with
    probability 1 - alpha no claim that did not change is called worse or better.

    Args:
        before: What was known; its acceptances count.
        after: The run.
        today: Decides which acceptances have expired.
        alpha: Of the whole comparison.
    """
    both = [name for name in before.claims if name in after.claims]
    tested = {
        name: found
        for name in both
        if (found := _tested(before.claims[name], after.claims[name])).shifts
    }
    p_values = [p for each in tested.values() for p in (each.rose, each.fell)]
    adjusted = iter(holm(p_values) if p_values else ())
    paid = {name: (float(next(adjusted)), float(next(adjusted))) for name in tested}
    looks = len(p_values)
    changes = [
        _change(name, before, after, tested.get(name), paid.get(name), looks, today, alpha)
        for name in sorted({*before.claims, *after.claims})
    ]
    order = {state: place for place, state in enumerate(State)}
    status = {1: 0, 3: 1, 0: 2}
    return tuple(sorted(changes, key=lambda c: (status[c.status], order[c.state])))


def states(baseline: Path, run: Path, *, alpha: float = 0.01) -> Mapping[str, State]:
    """The state of every claim by its id, the claims that are gone included.

    Args:
        baseline: A baseline file or a run folder.
        run: A run folder.
        alpha: Of the whole comparison.
    """
    changes = compare(load(baseline), load(run), today=date.max, alpha=alpha)
    return {change.id: change.state for change in changes}


def exit_status(changes: Sequence[Change], *, failed: bool = False) -> int:
    """Worst wins: 1, then 4 (a scenario of the run failed), then 3, then 0."""
    found = {change.status for change in changes} | ({4} if failed else set())
    return next((status for status in (1, 4, 3) if status in found), 0)


def _tested(before: Known, after: Known) -> _Tested:
    shifts = {}
    for key, old in before.outcomes.items():
        new = after.outcomes.get(key)
        if new is None:
            continue
        rng = stream(0, "compare", before.id, key)
        if old.games and old.games == new.games:
            size = min(old.values.size, new.values.size)
            shifts[key] = paired_shift(old.values[:size], new.values[:size], rng=rng)
        else:
            shifts[key] = unpaired_shift(old.values, new.values, rng=rng)
    return _Tested(shifts=shifts)


def _change(
    name: str,
    before: Baseline,
    after: Baseline,
    tested: _Tested | None,
    paid: tuple[float, float] | None,
    looks: int,
    today: date,
    alpha: float,
) -> Change:
    old, new = before.claims.get(name), after.claims.get(name)
    then, now = old.verdict if old else None, new.verdict if new else None
    if old is None or new is None:
        state = State.NEW if old is None else State.GONE
        note = "the run does not hold this claim: run it, or write the baseline anew"
        gone = () if old is None else (note,)
        return Change(id=name, state=state, before=then, after=now, alpha=alpha, notes=gone)
    facts: dict[str, Any] = {}
    if tested is not None and paid is not None:
        state, up = _by_test(paid, alpha)
        key, shift = tested.strongest(up=up)
        facts = {"key": key, "shift": shift, "p_worse": paid[0], "p_better": paid[1]}
        if shift.paired:
            facts["tells"] = games_to_tell(alpha / looks / len(tested.shifts))
    else:
        state = _exactly(old, new)
    missing = sorted(set(old.outcomes) - set(new.outcomes))
    accepted, refused = _acceptance(before, old, new, state, today)
    notes = (*_notes(old, new, tested, missing), *refused)
    lost = bool(missing) or old.claim != new.claim
    return Change(
        id=name,
        state=state,
        alpha=alpha,
        accepted=accepted,
        notes=notes,
        lost=lost,
        before=then,
        after=now,
        **facts,
    )


def _by_test(paid: tuple[float, float], alpha: float) -> tuple[State, bool]:
    """The state, and whether the strongest rise or the strongest fall explains it."""
    if paid[0] <= alpha:
        return State.WORSE, True
    if paid[1] <= alpha:
        return State.BETTER, False
    return State.UNCHANGED, paid[0] <= paid[1]


def _exactly(old: Known, new: Known) -> State:
    """Of what is looked up or counted: verdicts first, then estimates."""
    worse = BADNESS[old.verdict] - BADNESS[new.verdict]
    then, now = old.estimate, new.estimate
    counted = old.claim.get("type") in AT_LEAST
    if worse == 0 and counted and then is not None and now is not None:
        worse = (then > now) - (then < now)
    return State.WORSE if worse > 0 else State.BETTER if worse < 0 else State.UNCHANGED


def _notes(old: Known, new: Known, tested: _Tested | None, missing: Sequence[str]) -> Iterator[str]:
    if old.claim != new.claim:
        said = [str(each.claim.get("statement", each.claim)) for each in (old, new)]
        yield f"the claim is another one: {said[0]!r} then, {said[1]!r} now"
    if old.defense != new.defense:
        yield "the defence's code or configuration is another one"
    if missing:
        some = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        yield f"{len(missing)} measurements of the baseline are missing in the run: {some}"
    if tested is None:
        yield "no games to compare: looked up or counted, compared as it is"
    elif not all(each.paired for each in tested.shifts.values()):
        apart = sum(not each.paired for each in tested.shifts.values())
        yield (
            f"{apart} of {len(tested.shifts)} comparisons are of other games, not paired: in runs, "
            "use the same seed, profile, model and number of games"
        )


def _acceptance(
    before: Baseline, old: Known, new: Known, state: State, today: date
) -> tuple[str, tuple[str, ...]]:
    """Why the verdict is accepted, or why it is not although somebody asked for it."""
    entry = before.accepted.get(new.id)
    if entry is None or new.verdict is Verdict.NOT_REFUTED:
        return "", ()
    if problem := entry.problem(today):
        return "", (problem,)
    if BADNESS[new.verdict] < BADNESS[old.verdict] or state is State.WORSE:
        return "", ("NOT accepted: it is worse than what was accepted",)
    return f"{entry.reason} (until {entry.expires})", ()
