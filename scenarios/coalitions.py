"""Games that one execution serves for every coalition: each sees its part of the same messages."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..defenses.views import Rule, Views
from ..defenses.wire import CLIENT, Message, Party
from .contract import Setting
from .drawn import Drawn, DrawnArm, play
from .games import Secret, slug

SERVERS = tuple(Party(f"server/{i}") for i in range(4))
"""Of the largest coalition; a defence may have fewer."""


@dataclass(frozen=True, kw_only=True)
class CoalitionArm(DrawnArm):
    """Games as some of the servers saw them.

    Attributes:
        members: Servers that pool what they saw.
        seen: Steps after which they stop looking; 0 for never.
    """

    members: tuple[Party, ...]
    seen: int = 0

    @property
    def own(self) -> bool:
        """Whether it is played, and not read off an arm that was: everybody sees everything."""
        return set(self.members) == set(self.defense.servers) and not self.seen


_OTHERS = ("encrypted", "parameters", "samples")
"""Facts about ciphertexts, of which there are none here."""

Part = CoalitionArm
"""An arm that is read off another one's executions once these have been played."""


def play_once(
    arm: CoalitionArm, secrets: Sequence[Secret], tap: frozenset[str], setting: Setting
) -> Drawn | Part:
    """Play an arm in which all servers collude; the others follow from it.

    Args:
        arm: What is played.
        secrets: One a game.
        tap: Message kinds that any adversary reads.
        setting: Of the run.
    """
    if not arm.own:
        return arm
    return play(arm, secrets, frozenset(arm.members), setting, tap)


def resolved(played: Sequence[Drawn | Part], work: Path) -> list[Drawn]:
    """Every arm with the views of its coalition, in the given order.

    Args:
        played: Arms of any number of defences.
        work: Folder in which views are written, once for all adversaries.

    Raises:
        ValueError: If the executions that an arm looks at were not played.
    """
    wholes = {
        _executions(each.arm): _Whole(each)
        for each in played
        if isinstance(each, Drawn) and isinstance(each.arm, CoalitionArm)
    }
    found = []
    for each in played:
        arm = each.arm if isinstance(each, Drawn) else each
        if isinstance(arm, CoalitionArm):
            if (whole := wholes.get(_executions(arm))) is None:
                raise ValueError(
                    f"arm {arm.name!r} looks at games that no arm of all servers plays"
                )
            found.append(whole.part(arm, work))
        elif isinstance(each, Drawn):
            found.append(each)
    return found


class _Whole:
    """Executions, and what was read off them before."""

    def __init__(self, played: Drawn) -> None:
        self._played = played
        self._facts = {k: v for k, v in played.facts.items() if k not in _OTHERS}
        self._facts["tap"] = tap_of(played.views)
        self._seen: dict[tuple[Party, ...], Views] = {}

    def part(self, arm: CoalitionArm, work: Path) -> Drawn:
        """The first games as a coalition saw them."""
        if arm.members not in self._seen:
            self._seen[arm.members] = seen_of(self._played.views, arm)
        views = self._seen[arm.members].take(range(arm.games))
        if arm.seen:
            views = views.select(until(arm.seen))
        path = work / f"{slug(arm)}.views"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():  # by a run that was interrupted
            views.save(path)
        return replace(
            self._played,
            arm=arm,
            secrets=self._played.secrets[: arm.games],
            latents=self._played.latents[: arm.games],
            views=Views.load(path),
            facts={**self._facts, **_facts(arm)},
        )


def _executions(arm: CoalitionArm) -> tuple[Any, ...]:
    """What decides the messages of an arm's first games."""
    return arm.defense, arm.model, arm.pairs or arm.name


def _facts(arm: CoalitionArm) -> dict[str, Any]:
    return {
        "preset": arm.defense.preset,
        "coalition": list(arm.members),
        "servers": len(arm.defense.servers),
        "steps seen": arm.seen or arm.defense.steps,
        "measured": arm.measured,
    }


def seen_of(views: Views, arm: CoalitionArm) -> Views:
    """What a coalition keeps of what all servers saw: its own messages that were tapped.

    Messages have the numbers that they have in the coalition's whole view (`Transcript.view`); of
    the others it knows no more than how many there were.
    """
    if set(arm.members) != set(arm.defense.servers):
        views = views.seen_by(arm.members)
    return views.select(tapped)


def tapped(messages: Sequence[Message]) -> Iterator[tuple[int, Message]]:
    """Requests that a tap kept; replies follow from them and public weights."""
    for i, message in enumerate(messages):
        if message.sender == CLIENT and not message.digest:
            yield i, message


def until(steps: int) -> Rule:
    """Of requests that a tap kept, those of the first steps.

    A layer is asked for once a step: a server's requests of one kind are counted. Where large
    inputs are cut into several messages, so many belong to fewer steps.
    """

    def rule(messages: Sequence[Message]) -> Iterator[tuple[int, Message]]:
        counts: Counter[tuple[str, Party]] = Counter()
        for i, message in enumerate(messages):
            counts[message.kind, message.receiver] += 1
            if counts[message.kind, message.receiver] <= steps:
                yield i, message

    return rule


def tap_of(views: Views) -> dict[str, Any]:
    """What was kept of the messages of all games, and the digest of what was dropped."""
    kinds, kept, total, dropped = set(), 0, 0, hashlib.sha256()
    executions = [(g, s) for g in range(len(views)) for s in range(views.sessions(g))]
    for game, session in executions:
        messages = views.view(game, session).messages
        chosen = dict(tapped(messages))
        total, kept = total + len(messages), kept + len(chosen)
        kinds |= {message.kind for message in chosen.values()}
        for message in messages:
            dropped.update(message.digest.encode())
    return {
        "requests": sorted(kinds),
        "messages": total,
        "kept": kept,
        "dropped": dropped.hexdigest(),
    }
