"""All servers together: what they recover of what left. An exact argument, not a game.

Additive shares hide from all but one of their holders; all of them have the secret. The referee
records the integers that the client divides; the shares of every request are added up mod 2^k and
compared with its record, number by number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from ..defenses.codec import decode
from ..defenses.ppidm.fixed_point import to_ring
from ..defenses.ppidm.layers import PRESETS
from ..defenses.ppidm.masks import Coins
from ..defenses.ppidm.procedure import Place, Procedure
from ..defenses.protocol import execute
from ..defenses.seeds import derive
from ..defenses.wire import CLIENT, Message
from ..targets.pipeline import BUILT_IN, Target
from .contract import Setting, adjusted
from .games import threads_for

NAME = "inputs recovered"
PROMPT = "woman firefighter: dark skin tone, noto style"

At = tuple[int, int]
"""Step, and number of the request group."""


@dataclass(kw_only=True)
class Record:
    """The referee's own record of one execution.

    Attributes:
        procedure: The client's steps.
        inputs: Integers that were divided, as residues mod 2^k, by place.
    """

    procedure: Procedure
    inputs: dict[At, Tensor] = field(default_factory=dict)
    _at: At = (0, 0)

    @property
    def recording(self) -> Procedure:
        """The same steps, looked at."""
        return replace(self.procedure, stream=self._stream, split=self._split)

    def _stream(self, seed: int, place: Place) -> Coins:
        self._at = place.step, place.layer
        return self.procedure.stream(seed, place)

    def _split(self, x: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
        self.inputs[self._at] = x.clone()
        return self.procedure.split(x, masks)


def recovered(defense: Any, setting: Setting) -> dict[str, Any]:
    """One step under each preset, on the chosen model if it ships with the package.

    Args:
        defense: PPIDM in mode `ring`.
        setting: Of the run.

    Returns:
        `holds`: whether the shares of every request add up to its input, bit for bit.
    """
    chosen = setting.target("chosen")
    target = chosen if chosen.spec in BUILT_IN else setting.target("tiny")
    requests, numbers, equal = 0, 0, []
    with threads_for(target, BUILT_IN):
        for preset in PRESETS:
            own = adjusted(defense, steps=1, preset=preset)
            inputs, opened = _played(own, target, derive(setting.seed, NAME, preset))
            same = (torch.equal(opened[at], x) for at, x in inputs.items())
            equal.append(opened.keys() == inputs.keys() and all(same))
            requests += len(inputs)
            numbers += sum(x.numel() for x in inputs.values())
    return {
        "name": NAME,
        "statement": "all servers together recover every offloaded input bit for bit",
        "presets": list(PRESETS),
        "requests": requests,
        "numbers": numbers,
        "holds": all(equal),
        "model": target.to_dict()["spec"],
    }


def _played(defense: Any, target: Target, seed: int) -> tuple[dict[At, Tensor], dict[At, Tensor]]:
    """The referee's record of one execution, and what its shares add up to."""
    record = Record(procedure=defense.procedure)
    own = replace(defense, procedure=record.recording)
    transcript = execute(own, target, PROMPT, seed)[1]
    opened = sums(transcript, defense.modulus_bits)
    transcript.close()
    return record.inputs, opened


def sums(messages: Iterable[Message], k: int) -> dict[At, Tensor]:
    """Sums mod 2^k of the shares of every request that fits in one message."""
    found: dict[At, Tensor] = {}
    for message in messages:
        if message.sender != CLIENT:
            continue
        asked = decode(message.payload)
        at = int(asked["step"]), int(message.kind.rpartition("-")[2])
        share = asked["share"].long()
        found[at] = to_ring(found[at] + share if at in found else share, k)
    return found
