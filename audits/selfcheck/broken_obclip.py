"""Copies of ObCLIP with one mistake each: what the obliviousness audit must refute.

Each replaces one step; `effect` says what the server gains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ...adversaries.singled_out import WARM
from ...defenses.codec import ProtocolError, encode_texts
from ...defenses.obclip.lexicon import AttributeSpace
from ...defenses.obclip.procedure import Procedure
from ...defenses.obclip.protocol import SERVER, ObClip, ObClipServer
from ...defenses.obclip.template import Template, template_of
from ...defenses.seeds import torch_stream
from ...defenses.wire import Party, Server, Wire
from ...targets.pipeline import Target

if TYPE_CHECKING:
    from torch import Generator, Tensor


def real_first(prompts: list[str], real: str) -> list[str]:
    """The real prompt, then its variants."""
    return [real, *(prompt for prompt in prompts if prompt != real)]


def nearest_first(prompts: list[str], real: str) -> list[str]:
    """Rows rotated so that the batch starts after the real prompt."""
    start = prompts.index(real) + 1
    return prompts[start:] + prompts[:start]


def real_row(prompts: list[str], real: str) -> int:
    """The real prompt's row."""
    return prompts.index(real)


def real_lead(prompts: list[str], real: str) -> list[float]:
    """All weight on the real prompt."""
    return [float(prompt == real) for prompt in prompts]


def noise_of_row(prompts: list[str], real: str, seed: int) -> Generator:
    """Coins that follow from the real prompt's row, so that it can be drawn again."""
    return torch_stream(0, "noise of row", prompts.index(real))


def choose_half(template: Template, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """The real combination and a fresh random half of the others, in canonical order."""
    others = [values for values in template.combinations() if values != template.real]
    kept = rng.permutation(len(others))[: max(1, len(others) // 2)]
    return sorted([template.real, *(others[i] for i in kept)])


@dataclass(frozen=True, kw_only=True)
class NotSentLast:
    """A chooser with a memory: the real combination, and some that the last request did not hold.

    Attributes:
        last: What was sent last, by the candidates of the prompt.
    """

    last: dict[tuple[str, ...], list[tuple[int, ...]]] = field(default_factory=dict, compare=False)

    def __call__(self, template: Template, rng: np.random.Generator) -> list[tuple[int, ...]]:
        """Half of the combinations, in canonical order."""
        name, every = template.candidates(), template.combinations()
        sent = self.last.get(name, [])
        fresh = [values for values in every if values != template.real and values not in sent]
        kept = rng.permutation(len(fresh))[: max(1, len(every) // 2 - 1)]
        self.last[name] = sorted([template.real, *(fresh[i] for i in kept)])
        return self.last[name]


def leave_out_the_next(template: Template, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Every combination but one: an off-by-one in a loop that starts at the real prompt."""
    every = template.combinations()
    missing = (every.index(template.real) + 1) % len(every)
    return [values for number, values in enumerate(every) if number != missing]


def substitute_nouns(prompt: str, space: AttributeSpace) -> Template:
    """Nouns and adjectives are substituted, pronouns are left as they are."""
    return template_of(prompt, space, pronouns=False)


def examine_until_found(real: int, preview: Callable[[int], object]) -> None:
    """Denoise the rows one after the other until the real one has been seen."""
    for row in range(real + 1):
        preview(row)


@dataclass(frozen=True, kw_only=True)
class RealFirst(ObClip):
    """The client appends the variants to the real prompt."""

    effect: ClassVar[str] = "Row 0 is the real prompt: every prompt is known."
    procedure: Procedure = field(default_factory=lambda: Procedure(order=real_first))


@dataclass(frozen=True, kw_only=True)
class OrderFollows(ObClip):
    """The batch order is a rotation that depends on the real prompt."""

    effect: ClassVar[str] = "The last row is the real prompt: every prompt is known."
    procedure: Procedure = field(default_factory=lambda: Procedure(order=nearest_first))


@dataclass(frozen=True, kw_only=True)
class PivotFollows(ObClip):
    """The pivot of batch reuse is the real prompt's row."""

    effect: ClassVar[str] = "The request names the real row: every prompt is known."
    procedure: Procedure = field(default_factory=lambda: Procedure(pivot=real_row))


@dataclass(frozen=True, kw_only=True)
class RandomSubset(ObClip):
    """Each session sends a fresh random subset of the candidates."""

    effect: ClassVar[str] = "The real prompt is in every set: a few sessions intersect to it."
    procedure: Procedure = field(default_factory=lambda: Procedure(choose=choose_half))


@dataclass(frozen=True, kw_only=True)
class HistorySubset(ObClip):
    """Each session avoids the candidates that the last one on the same prompt sent."""

    effect: ClassVar[str] = "Only the real prompt is in two sets in a row: two sessions name it."
    procedure: Procedure = field(default_factory=lambda: Procedure(choose=NotSentLast()))


@dataclass(frozen=True, kw_only=True)
class MissingCombination(ObClip):
    """One combination is never enumerated, and which one depends on the real prompt."""

    effect: ClassVar[str] = "The hole in the set is the real prompt's neighbor: every prompt known."
    procedure: Procedure = field(default_factory=lambda: Procedure(choose=leave_out_the_next))


@dataclass(frozen=True, kw_only=True)
class PronounLeft(ObClip):
    """Nouns are substituted, their pronouns are not."""

    effect: ClassVar[str] = "A pronoun that is the same in every row shows the gender."
    procedure: Procedure = field(default_factory=lambda: Procedure(substitute=substitute_nouns))


@dataclass(frozen=True, kw_only=True)
class EarlyExit(ObClip):
    """The client looks through the rows until it finds its own, then acknowledges."""

    effect: ClassVar[str] = "The time before the acknowledgement is proportional to the real row."
    procedure: Procedure = field(default_factory=lambda: Procedure(examine=examine_until_found))


@dataclass(frozen=True, kw_only=True)
class OnlyChosen(ObClip):
    """The client downloads its own latent only."""

    effect: ClassVar[str] = "The download names the real row: every prompt is known."

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """A server that keeps the latents until a row is fetched."""
        return _KeepingServer(ObClipServer(config=self, target=target))

    def _request(self, wire: Wire, rows: list[str], real: str, noise: Tensor) -> Tensor:
        import torch

        latents = super()._request(wire, rows, real, noise)
        row = torch.tensor(rows.index(real))
        latents[row] = wire.call(SERVER, "fetch", {"row": row})["latents"].float()[0]
        return latents


class _KeepingServer:
    def __init__(self, server: ObClipServer) -> None:
        self._server = server
        self._latents: Tensor | None = None

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if kind == "generate":
            import torch

            self._latents = self._server.generate(tensors).half()
            return {"latents": torch.zeros_like(self._latents)}
        if kind == "fetch":
            if self._latents is None:
                raise ProtocolError("kind='fetch' must follow 'generate'")
            row = int(tensors["row"])
            return {"latents": self._latents[row : row + 1]}
        return self._server.handle(kind, tensors)


@dataclass(frozen=True, kw_only=True)
class CacheWarmed(ObClip):
    """The steps that all rows share, and that fill the cache, run under the real prompt."""

    effect: ClassVar[str] = "The weights of the shared steps name the real row."
    lead_until: int = 1
    procedure: Procedure = field(default_factory=lambda: Procedure(lead=real_lead))


@dataclass(frozen=True, kw_only=True)
class CacheAhead(ObClip):
    """The client has the server fill its attention cache with the real prompt first."""

    effect: ClassVar[str] = "The request that fills the cache holds the real prompt alone."

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """A server that takes such requests."""
        return _WarmServer(ObClipServer(config=self, target=target))

    def _request(self, wire: Wire, rows: list[str], real: str, noise: Tensor) -> Tensor:
        wire.call(SERVER, WARM, {"prompts": encode_texts([real]), "noise": noise})
        return super()._request(wire, rows, real, noise)


class _WarmServer:
    def __init__(self, server: ObClipServer) -> None:
        self._server = server

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {} if kind == WARM else self._server.handle(kind, tensors)


@dataclass(frozen=True, kw_only=True)
class RetryReal(ObClip):
    """The client asks for its own row again, in case something was lost."""

    effect: ClassVar[str] = "The second request holds the real row alone: every prompt is known."

    def _request(self, wire: Wire, rows: list[str], real: str, noise: Tensor) -> Tensor:
        latents = super()._request(wire, rows, real, noise)
        row = rows.index(real)
        latents[row] = super()._request(wire, [real], real, noise)[0]
        return latents


@dataclass(frozen=True, kw_only=True)
class NoiseFollows(ObClip):
    """The initial noise is seeded by the index of the row of interest."""

    effect: ClassVar[str] = "Equal rows of interest send equal noise: it names the row."

    procedure: Procedure = field(default_factory=lambda: Procedure(noise=noise_of_row))


BROKEN = (
    RealFirst,
    OrderFollows,
    PivotFollows,
    RandomSubset,
    HistorySubset,
    MissingCombination,
    PronounLeft,
    CacheWarmed,
    CacheAhead,
    EarlyExit,
    OnlyChosen,
    RetryReal,
    NoiseFollows,
)
"""Every broken copy, each with its `effect`."""
