"""The few bytes that TenSEAL puts around what SEAL serializes.

TenSEAL's messages are Protocol Buffers (`tensealcontext.proto`, `tensors.proto`). Two of them are
written here, so that keys and ciphertexts made by `tenseal.sealapi` become TenSEAL objects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from ..codec import ProtocolError

_VARINT, _FIXED64, _BYTES = 0, 1, 2
_AUTO_FLAGS = 0b111
"""Relinearize, rescale and switch the modulus automatically, as TenSEAL's contexts do."""


def context_bytes(
    *, parameters: bytes, public_key: bytes, secret_key: bytes, scale: float
) -> bytes:
    """A `TenSEALContextProto` with both keys.

    Args:
        parameters: SEAL's encryption parameters.
        public_key: SEAL's public key.
        secret_key: SEAL's secret key.
        scale: Scale at which numbers are encoded.
    """
    public = (
        _field(1, _BYTES, public_key)
        + _field(2, _VARINT, _varint(_AUTO_FLAGS))
        + _field(3, _FIXED64, struct.pack("<d", scale))
    )
    private = _field(1, _BYTES, secret_key)
    return parameters_field(parameters) + _field(2, _BYTES, public) + _field(3, _BYTES, private)


def parameters_field(parameters: bytes) -> bytes:
    """How every `TenSEALContextProto` under these parameters begins."""
    return _field(1, _BYTES, parameters)


def vector_bytes(*, size: int, ciphertext: bytes, scale: float) -> bytes:
    """A `CKKSVectorProto` with one ciphertext.

    Args:
        size: Numbers that it holds.
        ciphertext: SEAL's ciphertext.
        scale: Scale at which the numbers are encoded.
    """
    head, tail = _around(size, scale)
    return head + _field(2, _BYTES, ciphertext) + tail


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Turn what SEAL and TenSEAL raise on a stranger's bytes into `ProtocolError`.

    Args:
        what: Subject of the message, such as `a ciphertext does not open`.
    """
    try:
        yield
    except (ValueError, RuntimeError, IndexError) as error:
        raise ProtocolError(f"{what}: {error}") from None


def check_vector(message: bytes, *, size: int, scale: float) -> None:
    """Refuse all but a `CKKSVectorProto` with exactly one ciphertext of `size` numbers.

    TenSEAL itself trusts the counts in its messages, so nothing else may reach it.

    Raises:
        ProtocolError: If `message` is not what `vector_bytes` would have written.
    """
    head, tail = _around(size, scale)
    body = message[len(head) + 1 : len(message) - len(tail)]
    lengths = range(1, 6)  # bytes that the ciphertext's own length may take
    if all(vector_bytes(size=size, ciphertext=body[n:], scale=scale) != message for n in lengths):
        raise ProtocolError(
            f"a ciphertext of {len(message)} bytes must be a CKKS vector of {size} numbers at "
            f"scale {scale:g} in one piece"
        )


def _around(size: int, scale: float) -> tuple[bytes, bytes]:
    return _field(1, _BYTES, _varint(size)), _field(3, _FIXED64, struct.pack("<d", scale))


def _field(number: int, wire_type: int, payload: bytes) -> bytes:
    length = _varint(len(payload)) if wire_type == _BYTES else b""
    return _varint(number << 3 | wire_type) + length + payload


def _varint(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + [groups[-1]])
