"""Partly encrypted latents: the mixed update against the plaintext one."""

from __future__ import annotations

import numpy as np
import pytest
import tenseal as ts
from hypothesis import given, settings
from hypothesis import strategies as st

from latentleak.defenses.he_diffusion.keys import (
    Keys,
    SystemKeys,
    load_vectors,
    public_context,
)
from latentleak.defenses.he_diffusion.parameters import PARAMETERS, CkksParameters
from latentleak.defenses.he_diffusion.selection import Latent, Mask, min_distortion
from latentleak.defenses.he_diffusion.sparse import (
    EncryptedLatent,
    Sealed,
    cleared,
    merge,
    seal,
)

BOUND = {"repository": 1e-2, "lean": 1e-6, "small": 2e-3}
"""Largest error of one update of a unit-Gaussian latent."""


class Pair:
    """Keys, and a server's context without the secret one."""

    def __init__(self, parameters: CkksParameters) -> None:
        self.parameters = parameters
        self.keys: Keys = SystemKeys(parameters)
        self.public = ts.context_from(public_context(self.keys.context), n_threads=1)

    def opened(self, sealed: Sealed) -> EncryptedLatent:
        count = len(sealed.indices)
        return EncryptedLatent(
            rest=sealed.rest,
            indices=sealed.indices,
            vectors=tuple(load_vectors(self.public, sealed.messages, count, self.parameters)),
            parameters=self.parameters,
        )

    def dense(self, sealed: Sealed) -> Latent:
        values = self.keys.decrypt(sealed.messages, len(sealed.indices))
        return merge(sealed.rest, sealed.indices, values)


@pytest.fixture(scope="module", params=PARAMETERS.values(), ids=list(PARAMETERS))
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


def gaussian(seed: int, shape: tuple[int, ...]) -> Latent:
    return np.random.default_rng(seed).standard_normal(shape)


def test_one_full_size_update(pair: Pair) -> None:
    """f, the latent and the term as in the first step of Stable Diffusion."""
    latent, term = gaussian(0, (1, 4, 64, 64)), 0.2 * gaussian(1, (1, 4, 64, 64))
    sealed = seal(latent, np.ones(latent.shape, dtype=np.bool_), pair.keys)
    assert len(sealed.messages) == pair.parameters.ciphertexts(latent.size)
    updated = pair.dense((1.25 * pair.opened(sealed) + term).seal())
    assert abs(updated - (1.25 * latent + term)).max() < BOUND[pair.parameters.name]


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 9), st.integers(2, 9)),
    factor=st.floats(1, 1.3),
    share=st.floats(0, 1),
)
@settings(max_examples=12)
def test_any_update(
    pair: Pair, seed: int, shape: tuple[int, ...], factor: float, share: float
) -> None:
    latent, term = gaussian(seed, shape), gaussian(seed + 1, shape)
    mask: Mask = np.random.default_rng(seed).random(shape) < share
    sealed, own = seal(latent, mask, pair.keys), seal(term, mask, pair.keys)
    exact = factor * latent + term
    bound = 2 * BOUND[pair.parameters.name]
    known = pair.dense((factor * pair.opened(sealed) + term).seal())
    hidden = pair.dense((factor * pair.opened(sealed) + pair.opened(own)).seal())
    assert abs(known - exact).max() < bound
    assert abs(hidden - exact).max() < bound
    assert (known[~mask] == exact[~mask]).all()


def test_what_is_sealed_is_absent_from_the_rest(pair: Pair) -> None:
    latent = gaussian(5, (1, 4, 8, 8))
    mask = min_distortion(latent, 0.2)
    sealed = seal(latent, mask, pair.keys)
    assert (sealed.rest[mask] == 0).all()
    assert (sealed.rest[~mask] == latent[~mask]).all()
    assert sealed.indices.tolist() == np.flatnonzero(mask).tolist()
    assert (merge(sealed.rest, sealed.indices, latent.ravel()[sealed.indices]) == latent).all()
    assert (cleared(latent, sealed.indices) == sealed.rest).all()


def test_nothing_encrypted_is_plain_arithmetic(pair: Pair) -> None:
    latent = gaussian(6, (1, 2, 4, 4))
    sealed = seal(latent, np.zeros(latent.shape, dtype=np.bool_), pair.keys)
    assert sealed.messages == ()
    updated = (1.5 * pair.opened(sealed) + latent).seal()
    assert (pair.dense(updated) == 1.5 * latent + latent).all()
