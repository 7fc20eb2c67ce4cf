"""Latents from their differences: what masks leave that are the same at every step.

With one mask for all steps a coalition knows z_t 2^b_t - r for each: the differences of latents
from the first one, an initial noise that stays unknown. But a sampler's latents lie close to a
plane, z_t = a_t x0 + s_t e with x0 and e almost constant, so two differences tell both. The
attacker has executions of its own and learns the best linear map from differences to the last
latent. Scales 2^b_t follow from a latent's largest entry; of the sequences that own executions
show, the likeliest is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from ..defenses.ppidm.ring import fractional_bits
from ..defenses.seeds import torch_stream
from ..targets import sampling
from ..targets.pipeline import Target
from .share_inputs import public_captions
from .share_model import ShareModel

Floats = npt.NDArray[np.float64]
Scales = tuple[int, ...]

OWN = 64
"""Executions of the attacker's own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Paths:
    """Latents on their way through the sampler, in the attacker's own executions.

    Attributes:
        before: Before each step, shape (steps, executions * entries).
        last: After the last, shape (executions * entries,).
        scales: Sequences of b that occurred.
    """

    before: Floats
    last: Floats
    scales: tuple[Scales, ...]

    def last_latent(self, differences: Floats) -> Floats:
        """The latent that the client ended with.

        Args:
            differences: From the first step's, of all later ones, in the client's units; shape
                (steps - 1, entries).

        Returns:
            Shape (entries,).
        """
        fits = [self._fit(scales, differences) for scales in self.scales]
        return max(fits, key=lambda fit: fit[0])[1]

    def _fit(self, scales: Scales, differences: Floats) -> tuple[float, Floats]:
        """Log-likelihood under Gaussian entries, and the least-squares guess."""
        scaled = self.before * np.exp2(np.array(scales, dtype=np.float64))[:, None]
        own = scaled[1:] - scaled[0]
        noise = 1e-6 * np.trace(own @ own.T) / own.size
        covariance = own @ own.T / own.shape[1] + noise * np.eye(len(own))
        solved = np.linalg.solve(covariance, differences)
        _, size = np.linalg.slogdet(covariance)
        likelihood = -0.5 * (float((differences * solved).sum()) + differences.shape[1] * size)
        return likelihood, np.asarray((own @ self.last / own.shape[1]) @ solved)


def paths(model: ShareModel, input_bits: int) -> Paths:
    """Own executions on public captions, made once a process.

    Args:
        model: The public side.
        input_bits: Of the ring, sign included.
    """
    return _paths(model.target, model.steps, model.guidance, input_bits)


@lru_cache(maxsize=4)
def _paths(target: Target, steps: int, guidance: float, input_bits: int) -> Paths:
    pipe = sampling.open_denoiser(target)
    captions: Sequence[str] = public_captions()
    chosen = [captions[i] for i in np.linspace(0, len(captions) - 1, OWN).astype(int)]
    noise = sampling.initial_noise(pipe, OWN, torch_stream(0, "own executions"))
    seen = [noise.clone()]
    sampling.denoise(
        pipe,
        noise,
        sampling.encode_prompts(pipe, chosen),
        steps=steps,
        guidance=guidance,
        callback=lambda _, latents: seen.append(latents.clone()),
    )
    every = torch.stack(seen).double()
    scales = {tuple(fractional_bits(z, input_bits) for z in every[:-1, row]) for row in range(OWN)}
    flat = every.flatten(1).numpy()
    return Paths(before=flat[:-1], last=flat[-1], scales=tuple(sorted(scales)))
