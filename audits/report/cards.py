"""One finding, ready to be written down: all text, no decisions left to a template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..verdict import Finding, Role, Row, Verdict
from . import formats, words
from .facts import NOTHING, Fact, Grid, arms, fact, facts, filled, text, without_models
from .order import rows_worst_first
from .read import Artifact, load_artifact

ROW_HEAD = (
    *("adversary", "arm", "games", "chance", "estimate", "interval", "adjusted p"),
    *("critical", "detectable", "ceiling", "swapped views"),
)
MEASURE_HEAD = ("measure", "where", "value", "interval", "p", "games", "detectable", "ceiling", "")
_MEASURE_KEYS = (
    *("name", "arm", "adversary", "estimate", "value", "interval", "p_value", "n"),
    *("detectable", "ceiling", "unit", "reason", "along"),
)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row of the adversary table.

    Attributes:
        row: The record.
        cells: Text under `ROW_HEAD`.
        swapped_holds: Whether the swapped-view control held; None where it was not run.
    """

    row: Row
    cells: tuple[str, ...]
    swapped_holds: bool | None


@dataclass(frozen=True, kw_only=True)
class Exact:
    """An exact argument.

    Attributes:
        title: What was shown.
        holds: Whether it speaks for the claim; None where it says neither.
        statement: In one or two sentences.
        facts: The rest of the record.
    """

    title: str
    holds: bool | None
    statement: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, kw_only=True)
class Card:
    """One finding.

    Attributes:
        finding: The record.
        number: Place in the report, from 1.
        name: The defence.
        configuration: Import path and fields of the defence.
        summary: What the verdict means, in one clause.
        expectation: For a control: whether it came out as expected.
        strongest: Its estimate and interval in one line.
        lines: Every adversary in every arm, worst first.
        measures: Further measures under `MEASURE_HEAD`, but costs.
        controls: Name, expected, observed, holds.
        arms: Facts of the arms.
        exact: Exact arguments.
        artifacts: Files.
        provenance: Models, versions, seed.
        folder: The run folder, in which the scores of its games may be.
    """

    finding: Finding
    number: int
    name: str
    configuration: tuple[Fact, ...]
    summary: str
    expectation: str
    strongest: str
    lines: tuple[Line, ...]
    measures: Grid
    controls: tuple[tuple[str, str, str, bool], ...]
    arms: Grid
    exact: tuple[Exact, ...]
    artifacts: tuple[Artifact, ...]
    provenance: tuple[Fact, ...]
    folder: Path

    @property
    def anchor(self) -> str:
        """Identifier within the page."""
        return f"finding-{self.number}"

    @property
    def coalition(self) -> tuple[str, ...]:
        """Whose view the strongest adversary read."""
        usual = self.finding.threat_model.get("coalition", ())
        own = self.lines[0].row.games.get("coalition", usual) if self.lines else usual
        return tuple(map(str, own))

    @property
    def about(self) -> str:
        """What the claim is about."""
        return words.short(self.finding.claim)

    @property
    def label(self) -> str:
        """The verdict in words."""
        return words.LABELS[self.finding.verdict]

    @property
    def tone(self) -> str:
        """The verdict as a style."""
        return self.finding.verdict.value.lower().replace("_", "-")

    @property
    def groups(self) -> tuple[tuple[str, tuple[Line, ...]], ...]:
        """Lines by metric, which may share an axis; the finding's own metric first."""
        own = self.finding.metric
        metrics = dict.fromkeys(sorted((x.row.metric for x in self.lines), key=own.__ne__))
        return tuple((m, tuple(x for x in self.lines if x.row.metric == m)) for m in metrics)

    @property
    def is_claim(self) -> bool:
        """Whether it counts towards the outcome of the run."""
        return self.finding.role is Role.CLAIM

    @property
    def detectable(self) -> str:
        """The smallest true effect that these games would have found."""
        return formats.signed(self.finding.detectable)

    @property
    def levels(self) -> str:
        """Alpha, and what would have been seen, in one sentence."""
        f, alpha = self.finding, formats.level(self.finding.alpha)
        shown = f"a perfect attack could have shown {formats.signed(f.ceiling)}"
        if f.ceiling is None:
            shown = "the ceiling was not measured"
        elif math.isinf(f.ceiling):
            shown = "what a perfect attack could have shown has no bound"
        if f.detectable is None or not math.isfinite(f.detectable):
            return f"At alpha {alpha}, no effect was sure to be found with these games; {shown}."
        return (
            f"At alpha {alpha}, a true effect of {self.detectable} would have been found with "
            f"probability 0.9 (required: {formats.signed(f.resolution)} or less); {shown}."
        )

    @property
    def limit(self) -> float | None:
        """Estimate up to which the claim holds."""
        return words.limit(self.finding.claim)


def card(finding: Finding, number: int, folder: Path) -> Card:
    """Prepare one finding; reads its artifacts from `folder`."""
    defense = finding.defense
    beside = (record for record in finding.measures if not record.get("cost"))
    return Card(
        finding=finding,
        number=number,
        name=str(defense.get("name") or finding.id),
        configuration=facts({k: v for k, v in defense.items() if k != "name"}),
        summary=summary(finding),
        expectation=_expectation(finding),
        strongest=_strongest(finding),
        lines=tuple(_line(row) for row in rows_worst_first(finding.rows)),
        measures=filled(Grid(head=MEASURE_HEAD, body=tuple(map(_measure, beside)))),
        controls=tuple((c.name, c.expected, c.observed, c.holds) for c in finding.controls),
        arms=arms(finding.rows),
        exact=_merged(map(_exact, finding.exact)),
        artifacts=tuple(load_artifact(folder, entry) for entry in finding.artifacts),
        provenance=facts(without_models({**finding.provenance, "versions": None})),
        folder=folder,
    )


def summary(finding: Finding) -> str:
    """What leaks, to whom, in one clause without numbers."""
    coalition = finding.threat_model.get("coalition", ())
    what = words.leak(finding.claim, coalition)
    if finding.verdict is Verdict.REFUTED:
        return what
    if finding.verdict is Verdict.INCONCLUSIVE:
        return f"this run cannot tell whether {what}"
    return f"no sign that {what}"


def _expectation(finding: Finding) -> str:
    if finding.role is Role.CLAIM or finding.expected is None:
        return ""
    if finding.surprising:
        return f"expected {words.LABELS[finding.expected]}: do not believe the claims beside it"
    return "as expected"


def _strongest(finding: Finding) -> str:
    if finding.estimate is None:
        return f"{formats.UNMEASURED}: {finding.reason}"
    return (
        f"{finding.metric} {formats.signed(finding.estimate)} {formats.interval(finding.interval)}"
    )


def _line(row: Row) -> Line:
    holds = row.swapped.get("holds")
    cells = (
        row.adversary,
        row.arm,
        text(row.n) if row.wins is None else f"{row.wins}/{row.n}",
        formats.share(row.chance),
        formats.signed(row.estimate),
        formats.interval(row.interval),
        formats.p_value(row.p_adjusted),
        _critical(row),
        formats.signed(row.detectable),
        formats.signed(row.ceiling),
        _swapped(row.swapped),
    )
    return Line(row=row, cells=cells, swapped_holds=holds if isinstance(holds, bool) else None)


def _critical(row: Row) -> str:
    if row.critical is None or not math.isfinite(row.critical):
        return NOTHING
    return "out of reach" if row.critical > row.n else f"≥ {row.critical}"


def _swapped(swapped: Mapping[str, Any]) -> str:
    if not swapped or swapped.get("p_value", 0.0) is None:
        return formats.UNMEASURED
    verdict = "prior" if swapped.get("holds") else "ABOVE PRIOR"
    won = f"{text(swapped['wins'])}/{text(swapped.get('n'))}, " if "wins" in swapped else ""
    return f"{verdict}: {won}p {formats.p_value(swapped.get('p_value'))}"


def _measure(record: Mapping[str, Any]) -> tuple[str, ...]:
    where = " · ".join(str(record[k]) for k in ("adversary", "arm") if record.get(k))
    value = record.get("estimate", record.get("value"))
    rest = {k: v for k, v in record.items() if k not in _MEASURE_KEYS}
    notes = [str(record["reason"])] if record.get("reason") else []
    notes += ["{} {:.3g}".format(*record["along"])] if "along" in record else []
    notes += [f"{f.label} {f.text}" for f in facts(rest)]
    unit = f" {record['unit']}" if record.get("unit") and value is not None else ""
    return (
        str(record.get("name", "unnamed")),
        where or NOTHING,
        _number(value) + unit,
        _pair(record.get("interval")),
        formats.p_value(record["p_value"]) if "p_value" in record else NOTHING,
        text(record["n"]) if "n" in record else NOTHING,
        _number(record["detectable"]) if "detectable" in record else NOTHING,
        _number(record["ceiling"]) if "ceiling" in record else NOTHING,
        "; ".join(notes),
    )


def _number(value: Any) -> str:
    numeric = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    return formats.share(value) if numeric else text(value)


def _pair(pair: Sequence[Any] | None) -> str:
    return NOTHING if pair is None else f"[{', '.join(map(_number, pair))}]"


def _exact(record: Mapping[str, Any]) -> Exact:
    holds = record.get("identical", record.get("holds"))
    known = holds if isinstance(holds, bool) else None
    name = str(record.get("name", "exact argument"))
    if name == "noninterference" and known is not None:
        return _noninterference(record, identical=known)
    rest = {k: v for k, v in record.items() if k not in ("name", "statement")}
    statement = str(record.get("statement", ""))
    return Exact(title=name, holds=known, statement=statement, facts=facts(rest))


def _merged(arguments: Iterable[Exact]) -> tuple[Exact, ...]:
    """The same argument on several models is said once."""
    merged: dict[tuple[str, bool | None, str], Exact] = {}
    for each in arguments:
        key = (each.title, each.holds, each.statement)
        known = merged.get(key)
        merged[key] = each if known is None else replace(known, facts=known.facts + each.facts)
    return tuple(merged.values())


def _noninterference(record: Mapping[str, Any], *, identical: bool) -> Exact:
    counts = [(record.get(key), noun) for key, noun in _COUNTS]
    played = ", ".join(formats.count(n, noun) for n, noun in counts if isinstance(n, int))
    if identical:
        title = "Byte-identical views"
        statement = (
            "With equal coins, everything that the server sees is the same, byte for byte, "
            "whichever candidate is the real one. However clever, no adversary that sees these "
            "views can tell them apart: this is exact, not statistical, for what was run."
        )
    else:
        title = "Views differ"
        statement = (
            "With equal coins, what the server sees depends on which candidate is the real one. "
            "A difference is not yet an attack; the games say what it is worth."
        )
    differing = record.get("differing") or ()
    covered = [fact(f"model {record['model']}" if record.get("model") else "covers", played)]
    covered += [fact("differing", " · ".join(map(str, differing)))] if differing else []
    return Exact(title=title, holds=identical, statement=statement, facts=tuple(covered))


_COUNTS = (("templates", "template"), ("executions", "execution"))
