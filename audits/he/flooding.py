"""What noise flooding costs: bits of precision for bits of security."""

from __future__ import annotations

import math


def flooding_bits(shared: int, statistical_bits: float) -> float:
    """Bits by which flooding noise must exceed the noise of the ciphertext.

    Gaussian noise of standard deviation `sqrt(12 tau) 2^(s / 2)` times the ciphertext's noise makes
    tau shared decryptions safe to s bits. A decryption loses as many bits of precision.

    Args:
        shared: tau, decryptions that are handed out under one key, >= 1.
        statistical_bits: s, bits of statistical security, >= 0 and finite.

    Raises:
        ValueError: An argument is out of range.

    References:
        Li, Micciancio, Schultz, Sorrell, Securing Approximate Homomorphic Encryption Using
        Differential Privacy (CRYPTO 2022), https://eprint.iacr.org/2022/816.

    >>> round(flooding_bits(1, 30), 2), round(flooding_bits(128, 40), 2)
    (16.79, 25.29)
    """
    if shared < 1:
        raise ValueError(f"shared={shared} must be >= 1; what is not handed out needs no noise")
    if not 0 <= statistical_bits < math.inf:
        raise ValueError(f"statistical_bits={statistical_bits} must be >= 0 and finite")
    return math.log2(12 * shared) / 2 + statistical_bits / 2
