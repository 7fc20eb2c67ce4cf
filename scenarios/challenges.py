"""Latents that a game about ciphertexts chooses from: the real one among its shuffles.

All candidates of a game agree wherever the latent is in the clear, and hold the same numbers
elsewhere, in another order. So neither the plaintext rest nor any average tells them apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..adversaries.candidate_latent import first_request
from ..defenses.codec import Array
from ..defenses.seeds import derive, stream, torch_stream
from ..defenses.wire import CLIENT
from .contract import Setting
from .drawn import STEP_KINDS, Drawn, seed_of

Reals = npt.NDArray[np.float64]

WIDTH = 64
"""Numbers of the last ciphertext that a candidate names."""


def candidates(played: Drawn, setting: Setting) -> dict[str, Array]:
    """The fact that is granted: shape (games, candidates, entries)."""
    make = _of_the_start if played.arm.challenge == "start" else _of_the_end
    rows = []
    for game, secret in enumerate(played.secrets):
        rng = stream(setting.seed, "candidates", played.arm.name, game)
        rows.append(make(played, setting, game, secret.real, rng))
    return {"candidates": np.stack(rows)}


def _of_the_start(
    played: Drawn, setting: Setting, game: int, real: int, rng: np.random.Generator
) -> Reals:
    """The client's initial latents, and shuffles of their encrypted entries."""
    own = initial(played, setting, game)
    sent = first_request(played.views, game)
    hidden = np.asarray(sent.get("indices", np.arange(own.size)), dtype=np.int64)
    rows = np.repeat(own[None], played.arm.candidates, axis=0)
    for column, row in enumerate(rows):
        if column != real:
            row[hidden] = rng.permutation(own[hidden])
    return rows


def _of_the_end(
    played: Drawn, setting: Setting, game: int, real: int, rng: np.random.Generator
) -> Reals:
    """The first numbers of the last ciphertext, and others that it holds in their place."""
    asked = [a for kind in STEP_KINDS for a in played.views.arrays(game, kind, sender=CLIENT)]
    numbers = played.latents[game].astype(np.float64).ravel()[asked[-1]["indices"]]
    width = min(WIDTH, len(numbers))
    rows = np.stack([rng.permutation(numbers)[:width] for _ in range(played.arm.candidates)])
    rows[real] = numbers[:width]
    return np.asarray(rows, dtype=np.float64)


def initial(played: Drawn, setting: Setting, game: int) -> Reals:
    """The noise that the client started from, as it draws it from its seed; flattened."""
    from ..targets import sampling

    pipe: Any = sampling.open_denoiser(setting.target(played.arm.model))
    coins = torch_stream(derive(seed_of(played.arm, setting, game), "client"), "noise")
    samples = played.latents.shape[1]
    noise = sampling.initial_noise(pipe, samples, coins)
    return np.asarray(noise.double().cpu().numpy().ravel())
