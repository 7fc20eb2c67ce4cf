"""A release of learned tokens as a protocol: the curator publishes, everybody reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..defenses.claims import Claim, Hidden
from ..defenses.codec import Array, ProtocolError
from ..defenses.dp_adaptation.aggregation import Aggregation
from ..defenses.dp_adaptation.baselines import PlainMean
from ..defenses.protocol import Mechanism, Output
from ..defenses.seeds import stream
from ..defenses.wire import PUBLIC, Party, Server, Wire
from ..targets import private_sets, sampling
from ..targets.pipeline import Target

if TYPE_CHECKING:
    from torch import Tensor

RELEASE = "release"
CANDIDATES = 100


@dataclass(frozen=True, kw_only=True)
class ReleasedToken:
    """The mean of learned tokens of some images, one of which shows what the secret names.

    The secret is the name of one of the first 100 images of a collection. The curator holds its
    embedding and those of `images` - 1 further ones from beyond the 100, and publishes their
    mean under (epsilon, delta)-DP; the public part answers nothing.

    Attributes:
        epsilon: Of the release, at delta 1e-5; 0 publishes the mean as it is.
        images: Records in the mean.
        collection: Whose images are private.
        steps: Sampling steps with which a recovered name is drawn.
        guidance: Scale of guidance in that.
    """

    epsilon: float = 1.0
    images: int = 50
    collection: private_sets.Name = "stickies"
    steps: int = 4
    guidance: float = 4.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ValueError(f"epsilon={self.epsilon} must be finite and >= 0")
        most = len(private_sets.load(self.collection)) - CANDIDATES + 1
        if not 1 <= self.images <= most:
            raise ValueError(f"images={self.images} must be from 1 to {most}")

    @property
    def mechanism(self) -> Mechanism:
        """What is published of the records."""
        return Aggregation(epsilon=self.epsilon) if self.epsilon else PlainMean()

    @property
    def prompts(self) -> tuple[str, ...]:
        """Names that the secret is one of."""
        return tuple(map(str, private_sets.load(self.collection).label[:CANDIDATES]))

    @property
    def servers(self) -> tuple[Party, ...]:
        """Everybody."""
        return (PUBLIC,)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What differential privacy implies: worlds of 100 that pairwise differ in one record.

        Whoever names the record is right with probability at most
        e^epsilon / (e^epsilon + 99) + delta. Nothing without noise.
        """
        if not self.epsilon:
            return ()
        odds = math.exp(self.epsilon)
        most = odds / (odds + CANDIDATES - 1) + Aggregation().delta
        return (Hidden(what="prompt", metric="prompt retrieval", retrieval_at_most=most),)

    @property
    def public(self) -> dict[str, Any]:
        """The terms of the release."""
        return self.mechanism.terms(self.images).to_dict()

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """The curator: draw the other records, publish, and keep the image itself."""
        collection, place = private_sets.load(self.collection), self.prompts.index(secret)
        records, rng = _records(target, self.collection), stream(seed, "release")
        rest = np.arange(CANDIDATES, len(records))
        others = rng.choice(rest, size=self.images - 1, replace=False)
        vector = self.mechanism.release(records[[place, *others]], rng, trials=1)
        wire.call(PUBLIC, RELEASE, {"vector": torch.from_numpy(np.asarray(vector))})
        pixels = torch.from_numpy(collection.images[place : place + 1].copy())
        scaled = pixels.permute(0, 3, 1, 2).float() / 255
        return Output(latents=sampling.encode(target.open("vae"), scaled))

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """The public: it reads."""
        return _Reader()


@dataclass(frozen=True, kw_only=True)
class _Reader:
    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if kind != RELEASE or set(tensors) != {"vector"}:
            raise ProtocolError(f"kind={kind!r} must be {RELEASE!r} with a vector")
        return {}


@lru_cache(maxsize=2)
def _records(target: Target, name: private_sets.Name) -> Array:
    """Learned tokens of a collection's images, shape (n, d): those that ship, where they do."""
    from ..defenses.dp_adaptation.inversion import invert

    return np.asarray(invert(target, private_sets.load(name).images), dtype=np.float64)
