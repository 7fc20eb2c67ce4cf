"""What each defence costs: what its executions were counted to send and to compute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import formats
from .cards import Card
from .facts import NOTHING, Grid, facts, filled, text
from .pairs import place

COUNTS = (
    ("round_trips", "round trips"),
    ("messages", "messages"),
    ("sent", "client sends"),
    ("received", "client gets"),
    ("served", "U-Net rows at servers"),
    ("own", "U-Net rows at the client"),
)
"""Counts of `scenarios.costs.Tally`, and their titles."""

BYTES = ("sent", "received")
HEAD = ("games", "model", *(title for _, title in COUNTS))
COUNTED = (
    "Means of one execution, counted by the referee from the messages of the games. A U-Net row is "
    "one image at one step in one branch of guidance; it counts for who runs it, also where single "
    "layers of it are sent out."
)
FURTHER = ("further costs", "value", "note")
_TOLD = ("unit", "reason", "cost")

SEVERAL = 3
"""Arms of equal cost that a line names; more are counted."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One defence.

    Attributes:
        name: As its findings name it.
        defense: Id.
        executions: A line for all games of equal cost, under `HEAD`; of one execution each.
        further: Measures that say `cost`, such as sizes of ciphertexts, under `FURTHER`.
    """

    name: str
    defense: str
    executions: Grid
    further: Grid


def costs(cards: Sequence[Card]) -> tuple[Cost, ...]:
    """What every defence of a run costs, in the order of its findings, where it was counted."""
    groups: dict[str, list[Card]] = {}
    for card in cards:
        groups.setdefault(place(card.finding)[1], []).append(card)
    found = (
        Cost(
            name=mine[0].name,
            defense=defense,
            executions=Grid(head=HEAD, body=tuple(_lines(mine))),
            further=filled(Grid(head=FURTHER, body=tuple(_further(mine)))),
        )
        for defense, mine in groups.items()
    )
    return tuple(each for each in found if each.executions.body or each.further.body)


def _further(cards: Iterable[Card]) -> Iterable[tuple[str, ...]]:
    """Findings of one defence may state the same cost: it is said once."""
    stated = (
        record for card in cards for record in card.finding.measures if record.get("cost") is True
    )
    return dict.fromkeys(map(_stated, stated))


def _stated(record: Mapping[str, Any]) -> tuple[str, ...]:
    value = record.get("estimate")
    shown = f"{value:,.4g}" if isinstance(value, int | float) else text(value)
    rest = {k: v for k, v in record.items() if k not in ("name", "estimate", *_TOLD)}
    notes = [str(record["reason"])] if record.get("reason") else []
    return (
        str(record.get("name", "unnamed")),
        f"{shown} {record.get('unit', '')}".strip(),
        "; ".join([*notes, *(f"{fact.label} {fact.text}" for fact in facts(rest))]),
    )


def _lines(cards: Iterable[Card]) -> Iterable[tuple[str, ...]]:
    """Games that cost the same are one line."""
    arms: dict[tuple[str, ...], dict[str, None]] = {}
    for card in cards:
        for row in card.finding.rows:
            counted = row.games.get("cost")
            if isinstance(counted, Mapping) and counted:
                cells = (card.finding.scenario, _model(row.games), *_cells(counted))
                arms.setdefault(cells, {})[row.arm] = None
    for line, names in arms.items():
        yield (f"{line[0]}: {_named(list(names))}", *line[1:])


def _named(arms: Sequence[str]) -> str:
    if len(arms) <= SEVERAL:
        return "; ".join(arms)
    return f"{'; '.join(arms[: SEVERAL - 1])}; and {len(arms) - SEVERAL + 1} more"


def _model(games: Mapping[str, Any]) -> str:
    model = games.get("model")
    return NOTHING if model is None else text(model)


def _cells(counted: Mapping[str, Any]) -> Iterable[str]:
    for name, _ in COUNTS:
        value = counted.get(name)
        if not isinstance(value, int | float):
            yield NOTHING
        else:
            yield formats.size(value) if name in BYTES else formats.number(value)
