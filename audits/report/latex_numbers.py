r"""Every number of a run as a macro, so that no paper copies one by hand.

Two ways to name a number. `\LatentLeakEpsilonDPAggTI` is one of a few names a finding;
`\LatentLeakValue{was-my-image-used/dpagg-ti/likelihood ratio/canaries}{ceiling}` reaches all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import formats
from .cards import Card
from .latex_tables import leading
from .latex_text import camel, escape, number
from .page import Page

PREFIX = "LatentLeak"
QUANTITIES = {
    "Obliviousness": "Advantage",
    "Indistinguishability": "Advantage",
    "DifferentialPrivacy": "Epsilon",
    "Hidden": "Leakage",
    "SecurityLevel": "Bits",
    "Fidelity": "Fidelity",
    "Offload": "Offload",
}
"""Type of claim to what its estimate is called in a macro."""

AT_HOME = (
    *("which-prompt", "was-my-image-used"),
    *("what-did-the-server-see", "what-do-colluding-servers-see"),
)
"""Scenarios that a macro does not name: a defence plays in one of them."""

_KEY = re.compile(r"[^A-Za-z0-9 /:.=+@,()-]")
_LOOKUP = r"""\makeatletter
\newcommand{\LatentLeakValue}[2]{%
  \ifcsname latentleak@#1@#2\endcsname\csname latentleak@#1@#2\endcsname
  \else\@latex@error{This run has no value '#2' of '#1'}\@ehc\fi}
\newcommand{\LatentLeak@set}[3]{\expandafter\def\csname latentleak@#1@#2\endcsname{#3}}
"""


def to_numbers(page: Page, seed: str) -> str:
    """The file of macros.

    Args:
        page: Of the run.
        seed: Of the run.
    """
    named = {f"{PREFIX}Seed": escape(seed), f"{PREFIX}Command": _command(page)}
    keyed: dict[tuple[str, str], str] = {}
    doubled: set[str] = set()
    for card in page.cards:
        for name, value in names_of(card):
            doubled |= {name} & set(named)
            named[name] = value
        for record, values in _records(card):
            keyed |= {(record, field): value for field, value in values.items()}
    lines = [f"\\newcommand{{\\{n}}}{{{v}}}" for n, v in named.items() if n not in doubled]
    lines += [f"% \\{name} would name two things: use \\LatentLeakValue" for name in doubled]
    settings = [f"\\LatentLeak@set{{{r}}}{{{f}}}{{{v}}}" for (r, f), v in keyed.items()]
    return "\n".join([*lines, _LOOKUP + "\n".join(settings), r"\makeatother", ""])


def names_of(card: Card) -> Iterator[tuple[str, str]]:
    """Macros of one finding: name without backslash, and value."""
    f, subject = card.finding, subject_of(card.finding.id)
    quantity = QUANTITIES.get(str(f.claim.get("type")), "Estimate")
    low, high = f.interval or (None, None)
    row = leading(card)
    values = {
        quantity: number(_estimate(card)),
        f"{quantity}Lower": number(formats.signed(low)),
        f"{quantity}Upper": number(formats.signed(high)),
        f"Claimed{quantity}": number(_claimed(card)),
        "Verdict": escape(card.label),
        "Ceiling": number(formats.signed(f.ceiling)),
        "Detectable": number(card.detectable),
        "Games": number(f"{f.n:,}"),
        "Alpha": number(formats.level(f.alpha)),
        "PValue": number(formats.p_value(row.p_adjusted if row else None)),
    }
    for name, value in values.items():
        yield f"{PREFIX}{name}{subject}", value


def subject_of(finding: str) -> str:
    """The part of a macro that names a finding.

    >>> subject_of("was-my-image-used/dpagg-ti"), subject_of("which-prompt-timed/obclip")
    ('DPAggTI', 'ObCLIPWhichPromptTimed')
    """
    scenario, *rest = finding.split("/")
    where = "" if scenario in AT_HOME else camel(scenario)
    return "".join(map(camel, rest)) + where


def key(*parts: str) -> str:
    r"""How `\LatentLeakValue` spells what it looks up."""
    return _KEY.sub("-", "/".join(parts))


def _estimate(card: Card) -> str:
    unsigned = card.finding.claim.get("type") == "DifferentialPrivacy"
    return (formats.share if unsigned else formats.signed)(card.finding.estimate)


def _claimed(card: Card) -> str:
    return formats.UNMEASURED if card.limit is None else f"{card.limit:g}"


def _records(card: Card) -> Iterator[tuple[str, Mapping[str, str]]]:
    f = card.finding
    yield key(f.id), {"reason": escape(f.reason), "claim": escape(str(f.claim.get("statement")))}
    yield key(f.id), {name: number(value) for name, value in _finding_values(card).items()}
    for line in card.lines:
        row = line.row
        values = {
            "estimate": formats.signed(row.estimate),
            "interval": formats.interval(row.interval),
            "p": formats.p_value(row.p_adjusted),
            "n": f"{row.n:,}",
            "wins": formats.UNMEASURED if row.wins is None else f"{row.wins:,}",
            "chance": formats.share(row.chance),
            "detectable": formats.signed(row.detectable),
            "ceiling": formats.signed(row.ceiling),
        }
        yield key(f.id, row.adversary, row.arm), {k: number(v) for k, v in values.items()}
    yield from _measures(f.id, f.measures)


def _finding_values(card: Card) -> dict[str, str]:
    f = card.finding
    return {
        "estimate": formats.signed(f.estimate),
        "interval": formats.interval(f.interval),
        "strongest": card.strongest,
        "detectable": card.detectable,
        "ceiling": formats.signed(f.ceiling),
        "resolution": formats.signed(f.resolution),
        "alpha": formats.level(f.alpha),
        "n": f"{f.n:,}",
        "limit": _claimed(card),
    }


def _measures(
    finding: str, measures: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    for record in measures:
        value = record.get("estimate", record.get("value"))
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        where = [str(record[name]) for name in ("name", "adversary", "arm") if record.get(name)]
        if "along" in record:
            where.append("{}={:.3g}".format(*record["along"]))
        values = {"estimate": formats.share(value)}
        if (pair := record.get("interval")) is not None:
            values["interval"] = f"[{', '.join(map(formats.share, pair))}]"
        yield key(finding, *where), {name: number(text) for name, text in values.items()}


def _command(page: Page) -> str:
    command = next((fact.full for fact in page.run if fact.label == "command"), "")
    return f"\\texttt{{{escape(command)}}}"
