"""From the numbers in a ciphertext's slots to the polynomial that they were read from.

Slot j of a polynomial p is p(zeta^(3^j)) / scale, zeta = exp(i pi / N). TenSEAL hands back real
parts, which fix the integer polynomial t(X) = p(X) + p(1/X), not p. With all N / 2 slots known, t
is their inverse transform, rounded.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SLOT_ERROR = 2.5 * 2.0**-53
"""Error of slots of size one, decoding and transforms together [root mean square]."""


def slot_points(degree: int) -> Integers:
    """3^j mod 2N for each slot j, shape (N / 2,)."""
    points = np.ones(1, dtype=np.int64)
    while len(points) < degree // 2:
        points = np.concatenate([points, points * pow(3, len(points), 2 * degree) % (2 * degree)])
    return points


def trace_coefficients(slots: Reals) -> Reals:
    """Coefficients of the polynomial that is fixed by X -> 1/X and has these values in its slots.

    Args:
        slots: Real values at zeta^(3^j), shape (N / 2,).

    Returns:
        Shape (N,); coefficient N - i is minus coefficient i.
    """
    degree = 2 * len(slots)
    points = slot_points(degree)
    values = np.empty(degree)
    values[points >> 1] = slots
    values[(2 * degree - points) >> 1] = slots
    twist = np.exp(-1j * np.pi * np.arange(degree) / degree)
    return np.asarray((np.fft.fft(values) * twist).real / degree)


def decode(coefficients: Reals, scale: float) -> Reals:
    """Real parts of the slots of a polynomial, shape (N / 2,)."""
    degree = len(coefficients)
    twist = np.exp(1j * np.pi * np.arange(degree) / degree)
    values = np.fft.ifft(coefficients * twist) * degree
    return np.asarray(values[slot_points(degree) >> 1].real / scale)


def rounding_error(slots: Reals) -> float:
    """Expected error of a coefficient that was computed from these slots, root mean square."""
    size = float(np.sqrt(np.mean(np.square(slots)))) if len(slots) else 0.0
    return coefficient_error(SLOT_ERROR * size, 2 * len(slots))


def coefficient_error(slot_error: float, degree: int) -> float:
    """Error of a coefficient if each slot has an independent error of this size."""
    return slot_error / float(np.sqrt(degree))
