"""The threat model behind findings, in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from . import formats, words
from .cards import Card
from .facts import text
from .words import released


@dataclass(frozen=True, kw_only=True)
class Threat:
    """One game and its threat model, which stands before any measured number.

    Attributes:
        question: The game in one sentence.
        scenario: Its name.
        who: Who is curious, and how they behave.
        sees: What they see.
        knows: What else they know.
        assumes: Names and explanations of what the claims take for granted.
        coalition: The parties.
        worst: The finding that speaks for the group: the worst claim, else the worst control.
        repeats: Whether all but what they see is as in the first one of the page.
    """

    question: str
    scenario: str
    who: str
    sees: tuple[str, ...]
    knows: tuple[tuple[str, str], ...]
    assumes: tuple[tuple[str, str], ...]
    coalition: tuple[str, ...]
    worst: Card
    repeats: bool = False


def threats(cards: Sequence[Card]) -> tuple[Threat, ...]:
    """One a game and threat model; what repeats the first one's is left out."""
    groups: dict[str, list[Card]] = {}
    for each in cards:
        f = each.finding
        key = json.dumps([f.scenario, f.question, f.threat_model], sort_keys=True, default=str)
        groups.setdefault(key, []).append(each)
    found = [threat(group) for group in groups.values()]
    return (*found[:1], *(_unlike(each, found[0]) for each in found[1:]))


def threat(group: Sequence[Card]) -> Threat:
    """What findings about one game and one threat model have in common, worst first."""
    model, finding = group[0].finding.threat_model, group[0].finding
    coalition = tuple(map(str, model.get("coalition", ())))
    behavior = str(model.get("behavior", "behaviour not recorded"))
    named = [a for c in group for a in c.finding.claim.get("assumptions", ())]
    assumptions = dict.fromkeys(map(str, named))
    who = formats.joined(coalition) or "not recorded"
    return Threat(
        question=finding.question,
        scenario=finding.scenario,
        who="Anyone who holds what was published."
        if released(coalition)
        else f"{who} {words.BEHAVIORS.get(behavior, behavior)}.",
        sees=_sees(coalition, group),
        knows=tuple((str(k), words.KNOWLEDGE.get(str(k), "")) for k in model.get("knows", ())),
        assumes=tuple((a, words.ASSUMPTIONS.get(a, "")) for a in assumptions),
        coalition=coalition,
        worst=group[0],
    )


def _unlike(other: Threat, first: Threat) -> Threat:
    """What differs from the first game's threat model; the rest is said once."""
    if (other.who, other.knows, other.assumes) != (first.who, first.knows, first.assumes):
        return other
    return replace(other, repeats=True)


def _sees(coalition: Sequence[str], group: Sequence[Card]) -> tuple[str, ...]:
    who = words.party(coalition)
    if released(coalition):
        return (
            "what the curator published, byte for byte: a vector, or pictures drawn with it",
            "never the records, the noise or the seed of the run",
        )
    lines = [f"every message that {who} sends or receives, byte for byte, and its own coins"]
    timed = any(c.finding.timed for c in group)
    lines.append(
        "the time of each, by its own clock (real processes over TCP)"
        if timed
        else "no clock: a count of the work asked for stands in for time"
    )
    records = [r for c in group for r in (c.finding.provenance, *(x.games for x in c.finding.rows))]
    taps = dict.fromkeys(text(r["tap"]) for r in records if r.get("tap"))
    lines += [f"kept of these messages: {tap}; all others were dropped unread" for tap in taps]
    lines.append("never the secret, the client's coins or the seed of the run")
    return tuple(lines)
