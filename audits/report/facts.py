"""Nested records as labelled lines: provenance, arms, defences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..verdict import Finding, Row
from . import formats

NOTHING = "-"
"""In a cell that has no value."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One labelled value.

    Attributes:
        label: What it is.
        text: Its value, digests shortened.
        full: Its value in full.
    """

    label: str
    text: str
    full: str


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of text.

    Attributes:
        head: Column titles.
        body: Rows; the first cell of each is its title.
    """

    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]


def fact(label: str, value: Any) -> Fact:
    """A labelled value; digests are shortened and kept in full."""
    full = text(value)
    parts = [formats.short(part) for part in full.split(" ")]
    return Fact(label=label, text=" ".join(parts), full=full)


def facts(record: Mapping[str, Any], prefix: str = "") -> tuple[Fact, ...]:
    """Every value of a nested record that is not null, with the path to it as label."""
    return tuple(fact(label, value) for label, value in _leaves(record, prefix))


def text(value: Any) -> str:
    """A JSON value as a person reads it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value)) if value else "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{label}={text(leaf)}" for label, leaf in _leaves(value, ""))
    return str(value)


def models(findings: Iterable[Finding]) -> tuple[Mapping[str, Any], ...]:
    """Every different model that a finding or one of its arms names (spec and digests)."""
    found: dict[str, Mapping[str, Any]] = {}
    for finding in findings:
        for record in (finding.provenance, *(row.games for row in finding.rows)):
            for model in _models(record):
                found.setdefault(json.dumps(model, sort_keys=True, default=str), model)
    return tuple(found.values())


def arms(rows: Sequence[Row]) -> Grid:
    """The facts of every arm, but what it costs: one line a fact, one column an arm."""
    games: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        games.setdefault(row.arm, {"games": row.n} | _ranged(row.games))
    elsewhere = {"images": None, "cost": None}
    columns = {
        arm: {f.label: f.text for f in facts(without_models({**values, **elsewhere}))}
        for arm, values in games.items()
    }
    labels = dict.fromkeys(label for column in columns.values() for label in column)
    body = tuple((label, *(c.get(label, NOTHING) for c in columns.values())) for label in labels)
    return Grid(head=("", *columns), body=body)


def _ranged(games: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of an arm with smallest and largest N as a range."""
    match games.get("candidates"):
        case [least, most]:
            return {**games, "candidates": least if least == most else f"{least} to {most}"}
    return dict(games)


def filled(grid: Grid) -> Grid:
    """The table without columns that hold nothing."""
    kept = [
        i for i in range(len(grid.head)) if any(row[i] not in ("", NOTHING) for row in grid.body)
    ]
    return Grid(
        head=tuple(grid.head[i] for i in kept),
        body=tuple(tuple(row[i] for i in kept) for row in grid.body),
    )


def without_models(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with every model named only: the page lists models once, with digests."""
    return {key: value["spec"] if _is_model(value) else value for key, value in record.items()}


def _leaves(record: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        label = f"{prefix}{str(key).replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{label} / ")
        elif value is not None:
            yield label, value


def _models(value: Any) -> Iterator[Mapping[str, Any]]:
    if _is_model(value):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _models(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _models(inner)


def _is_model(value: Any) -> bool:
    return isinstance(value, Mapping) and "spec" in value and "digests" in value
