"""From what was played to the cells of the matrix: every adversary of every coalition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..adversaries.contract import Adversary
from ..scenarios.contract import Scenario, Trials
from .cells import Cell, CellStatus
from .contest import Contest
from .failures import failed_in
from .report.formats import joined
from .verdict import Finding, Verdict

PUBLISHES = "it publishes a release and has no servers that could be curious"
SERVES = "it has servers and publishes nothing"
TRAINS = "it is a training: it has no servers, and publishes nothing but the model"


def cells_of(
    every: Sequence[Contest],
    trials: Mapping[str, Sequence[Trials]],
    findings: Sequence[Finding],
    reasons: Mapping[str, str],
) -> tuple[Cell, ...]:
    """The cells of what was played.

    Args:
        every: Contests, all of one scenario or of several.
        trials: The `games` of a contest to its arms, where they were played.
        findings: Of the contests that could be audited.
        reasons: Why games or audits failed, by the contest's `games` or `id`.
    """
    groups: dict[str, list[Contest]] = {}
    for each in every:
        groups.setdefault(each.games, []).append(each)
    found: list[Cell] = []
    for games, group in groups.items():
        ids = {each.id for each in group}
        own = [finding for finding in findings if finding.id in ids]
        failed = next((reasons[n] for n in (games, *sorted(ids)) if n in reasons), "")
        found += _cells(group[0], trials.get(games, ()), own, failed)
    return tuple(found)


def _cells(
    contest: Contest, trials: Sequence[Trials], findings: Sequence[Finding], failed: str
) -> Iterator[Cell]:
    scenario, _, defense = contest.games.partition("/")
    usual = tuple(sorted(contest.scenario.threat_model.coalition))
    for coalition, arms in _by_coalition(trials, usual).items():
        for name, adversary in contest.adversaries.items():
            mine = tuple(f.id for f in findings if _concerns(f, name, arms))
            status, reason = _status(name, adversary, arms, findings, mine, failed)
            yield Cell(
                scenario=scenario,
                defense=defense,
                adversary=name,
                coalition=coalition,
                status=status,
                reason=reason,
                findings=mine or tuple(f.id for f in findings)
                if status in (CellStatus.MEASURED, CellStatus.INCONCLUSIVE)
                else mine,
            )


def _by_coalition(
    trials: Sequence[Trials], usual: tuple[str, ...]
) -> dict[tuple[str, ...], list[Trials]]:
    """Arms by who pooled what they saw; largest coalitions first, games that failed as usual."""
    found: dict[tuple[str, ...], list[Trials]] = {}
    for each in trials:
        who = tuple(sorted(map(str, each.facts.get("coalition", usual))))
        found.setdefault(who, []).append(each)
    return dict(sorted(found.items(), key=lambda item: (-len(item[0]), item[0]))) or {usual: []}


def _status(
    name: str,
    adversary: Adversary,
    arms: Sequence[Trials],
    findings: Sequence[Finding],
    mine: Sequence[str],
    failed: str,
) -> tuple[CellStatus, str]:
    if failed:
        return CellStatus.FAILED, failed
    if name in (errors := failed_in(arms)):
        return CellStatus.FAILED, errors[name]
    if not any(_scored(name, each) for each in arms):
        return CellStatus.NOT_APPLICABLE, _unread(adversary)
    counted = [f for f in findings if f.id in mine] or list(findings)
    if all(f.verdict is Verdict.INCONCLUSIVE for f in counted):
        return CellStatus.INCONCLUSIVE, counted[0].reason if counted else "no finding"
    return CellStatus.MEASURED, ""


def _scored(name: str, trials: Trials) -> bool:
    """Scores go by the adversary's name, after what was guessed where that may be several."""
    return any(key == name or key.endswith(f"/{name}") for key in trials.scores)


def _concerns(finding: Finding, name: str, arms: Sequence[Trials]) -> bool:
    names = {each.arm for each in arms}
    return any(row.adversary == name and row.arm in names for row in finding.rows)


def _unread(adversary: Adversary) -> str:
    kinds = joined(sorted(adversary.reads), "or")
    return f"it reads {kinds or 'nothing'}, which this coalition is not sent"


def absent(every: Iterable[Contest]) -> tuple[Cell, ...]:
    """One cell for each defence of the run in each of its scenarios that it does not play in."""
    contests = list(every)
    scenarios: dict[str, Scenario] = {each.scenario.name: each.scenario for each in contests}
    defenses: dict[str, Any] = {}
    for each in contests:
        if not hasattr(each.defense, "effect"):  # broken copies are controls of one scenario
            defenses.setdefault(each.games.partition("/")[2], each.defense)
    played = {each.games for each in contests}
    return tuple(
        Cell(
            scenario=name,
            defense=defense,
            adversary=None,
            coalition=(),
            status=CellStatus.NOT_APPLICABLE,
            reason=_unfit(scenario, built),
        )
        for name, scenario in scenarios.items()
        for defense, built in defenses.items()
        if f"{name}/{defense}" not in played
    )


def _unfit(scenario: Scenario, defense: Any) -> str:
    """Why a defence does not play in a scenario."""
    releases = any(kind.__name__ == "DifferentialPrivacy" for kind in scenario.about)
    if not hasattr(defense, "release") and not hasattr(defense, "client"):
        return TRAINS
    if hasattr(defense, "release") and not releases:
        return PUBLISHES
    if releases and not hasattr(defense, "release"):
        return SERVES
    kinds = joined([kind.__name__ for kind in scenario.about], "or")
    return f"it makes no claim of {kinds} that this question puts to the test"
