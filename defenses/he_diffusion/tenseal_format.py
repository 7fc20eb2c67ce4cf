"""Read what TenSEAL writes, from bytes: contexts and CKKS vectors.

TenSEAL puts Protocol Buffers around SEAL's objects (`tensealcontext.proto`, `tensors.proto`).
Nothing here trusts its input: whatever does not fit is a `SealFormatError`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .seal_format import (
    MAX_DEGREE,
    Ciphertext,
    Parameters,
    Residues,
    SealFormatError,
    read_ciphertext,
    read_parameters,
    read_secret_key,
)

_Value = int | float | bytes


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """What a serialized TenSEAL context holds.

    Attributes:
        parameters: Degree and primes.
        public_key: Encryption of zero, if it is there.
        secret_key: Shape (primes, degree), in NTT form, if it is there: then nothing is secret.
        scale: At which vectors without a scale of their own are encoded, if set.
    """

    parameters: Parameters
    public_key: Ciphertext | None
    secret_key: Residues | None
    scale: float | None


def read_context(message: bytes) -> Context:
    """Read a serialized TenSEAL context; relinearization and Galois keys are passed over.

    Raises:
        SealFormatError: It is no TenSEAL context of the CKKS scheme.
    """
    outer = _fields(message, {1: bytes, 2: bytes, 3: bytes, 4: int})
    public = _fields(_last(outer, 2), {1: bytes, 2: int, 3: float, 4: bytes, 5: bytes})
    private = _fields(_last(outer, 3), {1: bytes, 2: int, 3: int})
    parameters = read_parameters(_last(outer, 1))
    key, secret = _last(public, 1), _last(private, 1)
    # TenSEAL writes -1 for a scale that was never set.
    scales = [
        value for number, value in public if number == 3 and isinstance(value, float) and value > 0
    ]
    return Context(
        parameters=parameters,
        public_key=read_ciphertext(key, parameters) if key else None,
        secret_key=read_secret_key(secret, parameters) if secret else None,
        scale=scales[-1] if scales else None,
    )


def read_vector(message: bytes) -> tuple[tuple[int, bytes], ...]:
    """Read a serialized CKKSVector: used slots and SEAL bytes of each of its ciphertexts.

    TenSEAL cuts a vector into pieces of N / 2 numbers, one ciphertext each; the last may be
    shorter.

    Raises:
        SealFormatError: It is no CKKSVector.
    """
    sizes: list[int] = []
    blobs: list[bytes] = []
    for number, value in _fields(message, {1: (int, bytes), 2: bytes, 3: float}):
        if number == 1 and isinstance(value, int):
            sizes.append(value)
        elif number == 1 and isinstance(value, bytes):
            sizes += _packed(value)
        elif number == 2 and isinstance(value, bytes):
            blobs.append(value)
    if len(sizes) != len(blobs) or not blobs:
        raise SealFormatError(f"{len(sizes)} sizes and {len(blobs)} ciphertexts must be as many")
    if min(sizes) < 1 or max(sizes) > MAX_DEGREE // 2:
        raise SealFormatError(f"sizes={sizes[:8]} must be from 1 to {MAX_DEGREE // 2}")
    return tuple(zip(sizes, blobs, strict=True))


def _fields(message: bytes, known: dict[int, type | tuple[type, ...]]) -> list[tuple[int, _Value]]:
    """Number and value of each field of a message that may hold these fields only."""
    found = []
    for number, value in _walk(message):
        if number not in known or not isinstance(value, known[number]):
            raise SealFormatError(
                f"field {number} of type {type(value).__name__} is not part of the message"
            )
        found.append((number, value))
    return found


def _walk(message: bytes) -> Iterator[tuple[int, _Value]]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire_type not in (1, 2):
            raise SealFormatError(f"protobuf wire type {wire_type} must be 0, 1 or 2")
        size, at = (8, at) if wire_type == 1 else _varint(message, at)
        if size > len(message) - at:
            raise SealFormatError(f"field {number} of {size} bytes ends after the message")
        raw = message[at : at + size]
        at += size
        yield number, raw if wire_type == 2 else struct.unpack("<d", raw)[0]


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and where the next field starts."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise SealFormatError("the message ends inside a number")
        byte = message[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise SealFormatError("a number has more than ten bytes")


def _packed(raw: bytes) -> list[int]:
    values, at = [], 0
    while at < len(raw):
        value, at = _varint(raw, at)
        values.append(value)
    return values


def _last(fields: list[tuple[int, _Value]], number: int) -> bytes:
    found = [value for key, value in fields if key == number and isinstance(value, bytes)]
    return found[-1] if found else b""
