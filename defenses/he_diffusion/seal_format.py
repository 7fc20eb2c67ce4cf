"""Read what SEAL writes, from bytes: parameters, ciphertexts and secret keys.

A SEAL object is a 16-byte header (magic 0xA15E, header size, major, minor, compression, reserved,
total size) and a body, mostly one zstd frame:

    parameters    scheme u8, degree u64, count u64, one object a prime, one for the plain modulus
    ciphertext    parms_id 32 bytes, in NTT form u8, polynomials u64, degree u64, primes u64,
                  scale f64, correction u64, array object
    secret key    parms_id 32 bytes, count u64, scale f64, array object
    array         count u64, then uint64 residues [polynomial][prime][point], little-endian

Nothing here trusts its input: every size is bounded before memory is taken, every residue is
below its prime, and whatever does not fit is a `SealFormatError`. SEAL 4 only.
"""

from __future__ import annotations

import hashlib
import io
import math
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import zstandard

Residues = npt.NDArray[np.uint64]

CKKS = 2
"""SEAL's number of the scheme."""

MAX_DEGREE = 32768
"""Largest degree of the polynomial modulus."""

MAX_PRIMES = 64
"""Most primes of a coefficient modulus."""

MAX_POLYNOMIALS = 3
"""Most polynomials of a ciphertext: a product before it is relinearized."""

MAX_PRIME_BITS = 61
"""SEAL's largest prime is one bit shorter."""

MAX_MODULUS_BITS = 1000
"""Largest product of all primes: TenSEAL makes none above 881 bits, and floats reach to 1024."""

MAX_SCALE_BITS = 128
"""Largest scale; the smallest is 1."""

MAX_WINDOW = 1 << 27
"""Most memory that a zstd frame may ask for [bytes]."""

_HEADER = struct.Struct("<HBBBBHQ")
_MAGIC = 0xA15E
_PIECE = 1 << 20


class SealFormatError(ValueError):
    """Bytes are not what the library writes; the message says where they stop making sense."""


class ParameterMismatchError(SealFormatError):
    """Bytes are well formed, but belong to other parameters."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What ring the scheme works in.

    Attributes:
        degree: N, a power of two.
        primes: Of the coefficient modulus, the special prime last.
    """

    degree: int
    primes: tuple[int, ...]

    def __post_init__(self) -> None:
        n = self.degree
        if not 2 <= n <= MAX_DEGREE or n & (n - 1):
            raise SealFormatError(f"degree={n} must be a power of two from 2 to {MAX_DEGREE}")
        if not 1 <= len(self.primes) <= MAX_PRIMES or len(set(self.primes)) < len(self.primes):
            raise SealFormatError(
                f"primes: {len(self.primes)} given; they must differ and be 1 to {MAX_PRIMES}"
            )
        for prime in self.primes:
            if not 2 * n < prime < 1 << MAX_PRIME_BITS or prime % (2 * n) != 1:
                raise SealFormatError(
                    f"prime={prime} must be 1 modulo 2 * {n} and below 2^{MAX_PRIME_BITS}"
                )
        if math.prod(self.primes).bit_length() > MAX_MODULUS_BITS:
            raise SealFormatError(f"primes must multiply to at most {MAX_MODULUS_BITS} bits")

    @property
    def slots(self) -> int:
        """Numbers that one ciphertext holds, N / 2."""
        return self.degree // 2

    @cached_property
    def levels(self) -> dict[bytes, int]:
        """From parms_id, BLAKE2b of a level's parameters, to its number of primes."""
        found = {}
        for count in range(1, len(self.primes) + 1):
            words = (CKKS, self.degree, *self.primes[:count], 0)
            text = struct.pack(f"<{len(words)}Q", *words)
            found[hashlib.blake2b(text, digest_size=32).digest()] = count
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Ciphertext:
    """Polynomials c_0, c_1, ... with c_0 + c_1 s + ... = message + noise.

    Attributes:
        residues: Shape (polynomials, primes, degree), in NTT form, bit-reversed order.
        scale: What encoded numbers were multiplied with.
    """

    residues: Residues
    scale: float


def read_parameters(blob: bytes) -> Parameters:
    """Read SEAL's encryption parameters.

    Raises:
        SealFormatError: They are not those of the CKKS scheme.
    """
    body = _Body(_open(blob, at_most=1024 + 64 * MAX_PRIMES))
    scheme, degree, count = body.take("<BQQ")
    if scheme != CKKS:
        raise SealFormatError(f"scheme={scheme} must be {CKKS}, CKKS")
    if not 1 <= count <= MAX_PRIMES:
        raise SealFormatError(f"{count} primes must be 1 to {MAX_PRIMES}")
    primes = tuple(body.word() for _ in range(count))
    if body.word() != 0:
        raise SealFormatError("the plain modulus of CKKS must be 0")
    body.end()
    return Parameters(degree=degree, primes=primes)


def read_ciphertext(blob: bytes, parameters: Parameters) -> Ciphertext:
    """Read a SEAL ciphertext.

    Raises:
        ParameterMismatchError: It belongs to other parameters.
        SealFormatError: It is no ciphertext.
    """
    most = MAX_POLYNOMIALS * len(parameters.primes) * parameters.degree * 8
    body = _Body(_open(blob, at_most=most + 256))
    level = _level(body, parameters)
    in_ntt_form, size, degree, primes, scale, _ = body.take("<BQQQdQ")
    if (degree, primes) != (parameters.degree, level):
        raise SealFormatError(
            f"degree={degree} and {primes} primes must be {parameters.degree} and {level}"
        )
    if in_ntt_form != 1 or not 2 <= size <= MAX_POLYNOMIALS:
        raise SealFormatError(
            f"{size} polynomials must be 2 to {MAX_POLYNOMIALS}, in NTT form ({in_ntt_form})"
        )
    if not 1 <= scale <= 2.0**MAX_SCALE_BITS:
        raise SealFormatError(f"scale={scale:g} must be from 1 to 2^{MAX_SCALE_BITS}")
    return Ciphertext(residues=body.residues(parameters, size, level), scale=scale)


def read_secret_key(blob: bytes, parameters: Parameters) -> Residues:
    """Read a SEAL secret key, shape (primes, degree), in NTT form.

    Raises:
        SealFormatError: It is none, or belongs to other parameters.
    """
    body = _Body(_open(blob, at_most=len(parameters.primes) * parameters.degree * 8 + 256))
    level = _level(body, parameters)
    count, _ = body.take("<Qd")
    if count != level * parameters.degree:
        raise SealFormatError(f"{count} residues must be {level} x {parameters.degree}")
    return np.asarray(body.residues(parameters, 1, level)[0])


class _Body:
    """The content of a SEAL object, read from front to back."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def raw(self, size: int) -> bytes:
        if size > len(self._content) - self._at:
            raise SealFormatError(
                f"content ends after {len(self._content)} bytes, {size} expected at {self._at}"
            )
        self._at += size
        return self._content[self._at - size : self._at]

    def take(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack(layout, self.raw(struct.calcsize(layout)))

    def word(self) -> int:
        """A nested object of one uint64."""
        (value,) = struct.unpack("<Q", _open(self.raw(_HEADER.size + 8), at_most=8))
        return int(value)

    def residues(self, parameters: Parameters, polynomials: int, level: int) -> Residues:
        """The array object at the end, shape (polynomials, level, degree)."""
        shape = (polynomials, level, parameters.degree)
        wanted = _HEADER.size + 8 + 8 * math.prod(shape)
        array = _open(self.raw(wanted), at_most=wanted)
        self.end()
        (count,) = struct.unpack_from("<Q", array)
        if count != math.prod(shape):
            raise SealFormatError(f"{count} residues must be {math.prod(shape)}: a seed is not one")
        values = np.frombuffer(array, dtype="<u8", offset=8).astype(np.uint64).reshape(shape)
        primes = np.array(parameters.primes[:level], dtype=np.uint64)
        if (values >= primes[:, None]).any():
            raise SealFormatError("a residue is not below its prime")
        return values

    def end(self) -> None:
        if self._at != len(self._content):
            raise SealFormatError(f"{len(self._content) - self._at} bytes follow the content")


def _level(body: _Body, parameters: Parameters) -> int:
    parms_id = body.raw(32)
    if parms_id not in parameters.levels:
        raise ParameterMismatchError(
            f"parms_id {parms_id.hex()[:16]}... is no level of N={parameters.degree} with "
            f"{len(parameters.primes)} primes: another context made it"
        )
    return parameters.levels[parms_id]


def _open(blob: bytes, *, at_most: int) -> bytes:
    """The body of one SEAL object, decompressed to `at_most` bytes or refused."""
    if len(blob) < _HEADER.size:
        raise SealFormatError(f"{len(blob)} bytes are no SEAL object: its header has 16")
    magic, header, major, _, mode, _, size = _HEADER.unpack_from(blob)
    if (magic, header) != (_MAGIC, _HEADER.size) or major != 4:
        raise SealFormatError(f"magic {magic:#x}, version {major} must be {_MAGIC:#x}, version 4")
    if size != len(blob):
        raise SealFormatError(f"size={size} in the header must be {len(blob)}")
    body = blob[_HEADER.size :]
    try:
        if mode == 0:
            content = body
        elif mode == 1:
            content = zlib.decompressobj().decompress(body, at_most + 1)
        elif mode == 2:
            content = _zstd(body, at_most)
        else:
            raise SealFormatError(f"compression {mode} must be 0 (none), 1 (zlib) or 2 (zstd)")
    except (zlib.error, zstandard.ZstdError) as error:
        raise SealFormatError(f"compressed content is damaged: {error}") from error
    if len(content) > at_most:
        raise SealFormatError(f"content has more than {at_most} bytes")
    return content


def _zstd(body: bytes, at_most: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(body)
    content = io.BytesIO()
    while content.tell() <= at_most and (piece := reader.read(_PIECE)):
        content.write(piece)
    return content.getvalue()
