"""Which arms a claim is about: those of coalitions of the size that it names."""

from __future__ import annotations

from collections.abc import Iterable

from ...defenses.claims import Hidden
from ...scenarios.contract import Trials

ONE, ALL_BUT_ONE = "one server", "all but one server"


def names_servers(claim: Hidden) -> bool:
    """Whether something is hidden from a coalition of servers of a stated size."""
    return claim.what.partition(" from ")[2] in (ONE, ALL_BUT_ONE)


def against(trials: Iterable[Trials], claim: Hidden) -> list[Trials]:
    """Arms that put a claim to the test, those that are only measured left out.

    A pipeline of a single server has no smaller coalition: it is held against every claim.

    Raises:
        ValueError: If the claim names no coalition.
    """
    if not names_servers(claim):
        raise ValueError(f"what={claim.what!r} must end in 'from {ONE}' or 'from {ALL_BUT_ONE}'")
    one = claim.what.endswith(f" from {ONE}")
    return [
        each
        for each in trials
        if not each.facts.get("measured")
        and (servers(each) == 1 or size(each) == (1 if one else servers(each) - 1))
    ]


def everyone(trials: Iterable[Trials]) -> list[Trials]:
    """Arms in which all of several servers pool what they saw."""
    return [each for each in trials if size(each) == servers(each) > 1]


def size(trials: Trials) -> int:
    """Members of the coalition."""
    return len(trials.facts["coalition"])


def servers(trials: Trials) -> int:
    """All servers of the defence."""
    return int(trials.facts["servers"])
