"""Copies of HE-Diffusion with one mistake each: what the audit of encryption must refute.

Each replaces one step of the client; `effect` says what the server gains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ...defenses.he_diffusion.procedure import Procedure
from ...defenses.he_diffusion.selection import Latent, Mask, min_distortion
from ...defenses.he_diffusion.variants import AsReleased, FullyHardened

FOLLOWED = 0.01
"""Threshold of the selection that `IndicesFollow` uses."""


def whole_context(context: Any) -> bytes:
    """The context as it is, secret key included."""
    return bytes(
        context.serialize(save_secret_key=True, save_galois_keys=False, save_relin_keys=False)
    )


def flood_alike(
    values: npt.NDArray[np.float64], sigma: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """One draw for all steps, its scale rounded up to a power of two; `rng` is not used."""
    scale = 2.0 ** np.ceil(np.log2(sigma))
    drawn = np.random.default_rng(0).standard_normal(values.shape)
    return np.asarray(values + scale * drawn)


def cover_by_distortion(latent: Latent, fraction: float, rng: np.random.Generator) -> Mask:
    """The entries that distort the picture, whatever share was asked for."""
    return min_distortion(latent, FOLLOWED)


@dataclass(frozen=True, kw_only=True)
class Flooded(AsReleased):
    """Honest: latents are handed back, behind noise that 30 bits of security ask for.

    What it keeps is the key, not the latent, which the server sees to three digits.
    """

    parameters: str = "lean"
    flooding_bits: float | None = 30.0


@dataclass(frozen=True, kw_only=True)
class SecretKeyShared(FullyHardened):
    """The context that is sent holds the secret key."""

    effect: ClassVar[str] = "Whoever opens the context decrypts."
    procedure: Procedure = field(default_factory=lambda: Procedure(export=whole_context))


@dataclass(frozen=True, kw_only=True)
class FloodReused(Flooded):
    """Every decryption that goes back carries the same noise."""

    effect: ClassVar[str] = "The difference of two decryptions has no noise: the key follows."
    procedure: Procedure = field(default_factory=lambda: Procedure(flood=flood_alike))


@dataclass(frozen=True, kw_only=True)
class IndicesFollow(FullyHardened):
    """The index set follows the latent where everything was to be encrypted."""

    effect: ClassVar[str] = "The encrypted positions are a function of the latent."
    procedure: Procedure = field(default_factory=lambda: Procedure(cover=cover_by_distortion))


BROKEN = (SecretKeyShared, FloodReused, IndicesFollow)
"""Every broken copy, each with its `effect`."""

HONEST = (FullyHardened, Flooded)
"""What must not be refuted."""
