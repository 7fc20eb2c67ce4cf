"""Does another prompt give the same view? An exact argument for masks that are uniform.

One execution records its inputs x. Another, on another prompt and other noise, takes the same
masks, but for those of one server, which are translated by the difference of the two inputs,
x' - x mod 2^k. Inputs do not depend on masks, so if these are uniform and independent, translated
ones are so too; and if everything that the other servers saw is the same in both executions, byte
for byte, each view is as likely under one prompt as under the other. That masks are uniform is
what `uniformity` tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from ...defenses.ppidm.fixed_point import to_ring
from ...defenses.ppidm.procedure import Procedure, Split
from ...defenses.ppidm.protocol import Ppidm
from ...defenses.protocol import execute
from ...defenses.seeds import derive
from ...defenses.transcript import Transcript
from ...defenses.wire import Message, Party
from ...targets.pipeline import Target

NAME = "coupled views"
PROMPTS = ("woman firefighter: dark skin tone, noto style", "man judge: light skin tone")


def coupled(defense: Ppidm, target: Target, seed: int) -> dict[str, Any]:
    """Compare the views of every coalition of all servers but one.

    Args:
        defense: In mode `ring`.
        target: The model.
        seed: Of the executions.

    Returns:
        `holds`: whether every coalition's two views are the same.
    """
    inputs: list[Tensor] = []
    first = _executed(defense, target, 0, seed, _recording(defense.procedure.split, inputs))
    differing = []
    for number, missing in enumerate(defense.servers):
        split = _translating(defense.procedure.split, inputs, number, defense.modulus_bits)
        second = _executed(defense, target, 1, seed, split)
        members = [party for party in defense.servers if party != missing]
        if _seen(first, members) != _seen(second, members):
            differing.append(missing)
        second.close()
    first.close()
    return {
        "name": NAME,
        "statement": (
            "with the missing server's masks translated, another prompt gives the same view to "
            "all other servers, byte for byte"
        ),
        "holds": not differing,
        "coalitions": defense.n,
        "executions": defense.n + 1,
        "steps": defense.steps,
        "model": target.to_dict()["spec"],
    }


def _executed(defense: Ppidm, target: Target, number: int, seed: int, split: Split) -> Transcript:
    """Own prompt and noise, the first execution's stream of masks."""
    stream, masks = defense.procedure.stream, derive(seed, "masks")
    procedure = Procedure(
        stream=lambda _, place: stream(masks, place), split=split, reduce=defense.procedure.reduce
    )
    twin = replace(defense, procedure=procedure)
    return execute(twin, target, PROMPTS[number], derive(seed, "coupled", number))[1]


def _recording(split: Split, inputs: list[Tensor]) -> Split:
    def record(x: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
        inputs.append(x)
        return split(x, masks)

    return record


def _translating(split: Split, inputs: Sequence[Tensor], missing: int, k: int) -> Split:
    """The rest is no mask: for the last server nothing is translated."""
    earlier = iter(inputs)

    def translate(x: Tensor, masks: Sequence[Tensor]) -> list[Tensor]:
        shift = x - next(earlier)
        moved = [to_ring(m + shift, k) if i == missing else m for i, m in enumerate(masks)]
        return split(x, moved)

    return translate


def _seen(transcript: Transcript, members: Sequence[Party]) -> list[Message]:
    return list(transcript.view(members).messages)
