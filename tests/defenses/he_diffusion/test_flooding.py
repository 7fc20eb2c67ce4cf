"""How much noise hides a ciphertext's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tenseal as ts
from scipy.stats import chi2

from latentleak.defenses.he_diffusion.flooding import (
    flooding_ratio,
    gaussian_flood,
    update_noise,
)
from latentleak.defenses.he_diffusion.keys import SystemKeys
from latentleak.defenses.he_diffusion.parameters import PARAMETERS, CkksParameters
from latentleak.defenses.he_diffusion.seal import parameter_bytes
from latentleak.defenses.he_diffusion.seal_format import read_parameters


@pytest.mark.parametrize(("shared", "statistical_bits", "bits"), [(1, 30, 16.79), (128, 40, 25.29)])
def test_published_flooding_cost(shared: int, statistical_bits: float, bits: float) -> None:
    ratio = flooding_ratio(shared=shared, statistical_bits=statistical_bits)
    assert math.log2(ratio) == pytest.approx(bits, abs=5e-3)


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="shared=0 must be >= 1"):
        flooding_ratio(shared=0, statistical_bits=30)


@pytest.mark.parametrize("encrypted_term", [False, True])
@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=list(PARAMETERS))
def test_the_noise_of_an_update_is_as_computed(
    parameters: CkksParameters, *, encrypted_term: bool
) -> None:
    """Against the exact result for the prime that rescaling divides by, in full slots.

    Noise in the slots is Gaussian up to a term of order 1 / N; the formula leaves out the
    rounding of the encodings, a share of 6 / N of the variance. With 16 N / 2 numbers the ratio
    of variances lies in the interval below with probability 1 - 1e-6.
    """
    rng = np.random.default_rng(0)
    prime = read_parameters(parameter_bytes(parameters)).primes[-2]
    keys, factor, errors = SystemKeys(parameters), 1.25, []
    encoded = round(factor * parameters.scale) / prime
    for _ in range(16):
        latent, term = rng.standard_normal((2, parameters.slots))
        vector = ts.ckks_vector(keys.context, latent.tolist()) * factor
        other = ts.ckks_vector(keys.context, term.tolist()) if encrypted_term else term.tolist()
        errors.append(np.array((vector + other).decrypt()) - (encoded * latent + term))
    measured = np.square(errors).mean()
    sigma = update_noise(parameters, factor=factor, encrypted_term=encrypted_term)
    degrees = 16 * parameters.slots
    low, high = chi2.ppf([5e-7, 1 - 5e-7], degrees) / degrees
    assert low * 0.99 < measured / sigma**2 < high * 1.03


def test_flooding_adds_fresh_gaussian_noise() -> None:
    """chi-square bounds; fails with probability 1e-6 on correct code."""
    values = np.linspace(-3, 3, 20000)
    added = gaussian_flood(values, 0.5, np.random.default_rng(1)) - values
    low, high = chi2.ppf([5e-7, 1 - 5e-7], values.size) / values.size
    assert low < np.square(added / 0.5).mean() < high
    other = gaussian_flood(values, 0.5, np.random.default_rng(2)) - values
    assert abs(np.corrcoef(added, other)[0, 1]) < 0.04  # 5.6 standard deviations
