"""Noise on decryptions that leave the client.

A CKKS decryption carries the ciphertext's noise, and that noise is a linear function of the
secret key: whoever sees exact decryptions of ciphertexts he knows solves for the key. Gaussian
noise that drowns it makes the decryption safe to share.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .parameters import CkksParameters


def flooding_ratio(*, shared: int, statistical_bits: float) -> float:
    """Flooding noise over ciphertext noise: sqrt(12 tau) 2^(s / 2).

    Args:
        shared: Tau, decryptions shared under one key, at least 1.
        statistical_bits: s, bits of statistical security.

    References:
        Li, Micciancio, Schultz, Sorrell, Securing approximate homomorphic encryption using
        differential privacy (CRYPTO 2022), https://eprint.iacr.org/2022/816.

    >>> round(math.log2(flooding_ratio(shared=1, statistical_bits=30)), 2)
    16.79
    """
    if shared < 1 or statistical_bits < 0:
        raise ValueError(
            f"shared={shared} must be >= 1 and statistical_bits={statistical_bits:g} >= 0"
        )
    return math.sqrt(12 * shared) * 2 ** (statistical_bits / 2)


def update_noise(parameters: CkksParameters, *, factor: float, encrypted_term: bool) -> float:
    """Standard deviation of one decrypted number of f * ct + a, around its exact value.

    SEAL encrypts under all primes and divides by the special one, so a fresh ciphertext carries
    little but the rounding: uniform in (-1/2, 1/2) on one polynomial, and on the other, times a
    ternary key with N 2/3 non-zero coefficients; in sum (1 + 2N/3) / 12 a coefficient. Rescaling
    rounds once more. A slot sums N coefficients, half of that in its real part.

    Args:
        parameters: CKKS parameters.
        factor: f.
        encrypted_term: Whether a is a ciphertext too.
    """
    rounding = (1 + 2 * parameters.degree / 3) / 12
    coefficient = rounding * (factor**2 + 1 + encrypted_term)
    return math.sqrt(coefficient * parameters.degree / 2) / parameters.scale


def gaussian_flood(
    values: npt.NDArray[np.float64], sigma: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """`values` with fresh Gaussian noise of standard deviation `sigma` on each."""
    return values + sigma * rng.standard_normal(values.shape)
