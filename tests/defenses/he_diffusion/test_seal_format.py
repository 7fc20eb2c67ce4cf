"""SEAL's bytes: what the library wrote is read, and anything else is refused."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
import tenseal as ts
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.he_diffusion import seal_format as seal
from latentleak.defenses.he_diffusion.tenseal_format import read_context, read_vector

HEADER = struct.Struct("<HBBBBHQ")


def sealed(content: bytes, mode: int = 0) -> bytes:
    """One SEAL object around `content`."""
    pack = {0: bytes, 1: zlib.compress, 2: zstandard.ZstdCompressor().compress}.get(mode, bytes)
    body = pack(content)
    return HEADER.pack(0xA15E, 16, 4, 3, mode, 0, 16 + len(body)) + body


def opened(blob: bytes) -> bytes:
    return bytes(zstandard.ZstdDecompressor().stream_reader(blob[16:]).read())


@pytest.fixture(scope="module")
def context() -> ts.Context:
    made = ts.context(ts.SCHEME_TYPE.CKKS, 2048, coeff_mod_bit_sizes=[27, 27])
    made.global_scale = 2.0**20
    return made


@pytest.fixture(scope="module")
def parameters(context: ts.Context) -> seal.Parameters:
    return read_context(context.serialize(save_secret_key=False)).parameters


@pytest.fixture(scope="module")
def ciphertext(context: ts.Context) -> bytes:
    ((_, blob),) = read_vector(ts.ckks_vector(context, [1.0, 2.0]).serialize())
    return blob


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_every_compression_reads_the_same(
    mode: int, parameters: seal.Parameters, ciphertext: bytes
) -> None:
    expected = seal.read_ciphertext(ciphertext, parameters)
    again = seal.read_ciphertext(sealed(opened(ciphertext), mode), parameters)
    assert (again.residues == expected.residues).all()
    assert again.scale == expected.scale == 2.0**20
    assert again.residues.shape == (2, 1, 2048)


def test_levels_are_named_as_seal_names_them(parameters: seal.Parameters) -> None:
    assert parameters.degree == 2048
    assert parameters.slots == 1024
    assert [prime.bit_length() for prime in parameters.primes] == [27, 27]
    assert sorted(parameters.levels.values()) == [1, 2]


@given(data=st.data())
def test_damaged_ciphertexts_are_refused_or_read(
    data: st.DataObject, parameters: seal.Parameters, ciphertext: bytes
) -> None:
    content = bytearray(opened(ciphertext))
    inner = data.draw(st.booleans(), "inside the compressed content")
    target = content if inner else bytearray(ciphertext)
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.one_of(st.integers(0, 130), st.integers(0, len(target) - 1)))
        target[where] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(target))))
    damaged = bytes(target[:cut])
    try:
        found = seal.read_ciphertext(sealed(damaged) if inner else damaged, parameters)
    except seal.SealFormatError:
        return
    assert found.residues.shape[1:] == (1, 2048)
    assert 2 <= len(found.residues) <= seal.MAX_POLYNOMIALS
    assert found.scale >= 1
    assert (found.residues < np.uint64(parameters.primes[0])).all()


@given(blob=st.binary(max_size=200))
def test_noise_is_refused(blob: bytes, parameters: seal.Parameters) -> None:
    for content in (blob, sealed(blob)):
        for read in (seal.read_ciphertext, seal.read_secret_key):
            with pytest.raises(seal.SealFormatError):
                read(content, parameters)
        with pytest.raises(seal.SealFormatError):
            seal.read_parameters(content)


@pytest.mark.parametrize("mode", [1, 2])
def test_a_bomb_takes_no_memory(mode: int, parameters: seal.Parameters) -> None:
    bomb = sealed(bytes(1 << 28), mode)
    tracemalloc.start()
    with pytest.raises(seal.SealFormatError, match="more than"):
        seal.read_ciphertext(bomb, parameters)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def replaced(content: bytes, at: int, layout: str, value: float) -> bytes:
    packed = struct.pack(layout, value)
    return content[:at] + packed + content[at + len(packed) :]


@pytest.mark.parametrize(
    ("at", "layout", "value", "words"),
    [
        (0, "<Q", 1, "another context made it"),
        (32, "<B", 0, "in NTT form"),
        (33, "<Q", 1, "1 polynomials must be 2 to 3"),
        (33, "<Q", 2**62, "polynomials must be 2 to 3"),
        (33, "<Q", 3, "content ends after"),
        (41, "<Q", 4096, "degree=4096 and 1 primes must be 2048 and 1"),
        (49, "<Q", 2, "2 primes must be"),
        (57, "<d", float("nan"), "scale=nan must be"),
        (57, "<d", 0.5, "scale=0.5 must be"),
        (73, "<H", 0, "magic 0x0"),
        (76, "<B", 3, "version 3"),
        (78, "<B", 9, "compression 9"),
        (81, "<Q", 2**60, "in the header must be"),
        (89, "<Q", 2048, "2048 residues must be 4096"),
        (97, "<Q", 2**40, "not below its prime"),
    ],
)
def test_errors_say_what_is_wrong(
    at: int,
    layout: str,
    value: float,
    words: str,
    parameters: seal.Parameters,
    ciphertext: bytes,
) -> None:
    damaged = replaced(opened(ciphertext), at, layout, value)
    with pytest.raises(seal.SealFormatError, match=words):
        seal.read_ciphertext(sealed(damaged), parameters)


def test_content_must_end_where_it_ends(parameters: seal.Parameters, ciphertext: bytes) -> None:
    with pytest.raises(seal.SealFormatError, match="1 bytes follow"):
        seal.read_ciphertext(sealed(opened(ciphertext) + b"\0"), parameters)


@pytest.mark.parametrize(
    ("degree", "primes", "words"),
    [
        (1000, (12289,), "degree=1000 must be a power of two"),
        (65536, (12289,), "degree=65536"),
        (1024, (), "0 given"),
        (1024, (12289, 12289), "must differ"),
        (1024, (12287,), "prime=12287 must be 1 modulo"),
        (1024, ((1 << 61) + (1 << 11) + 1,), "below 2"),
        (2, tuple((1 << 60) + 4 * k + 1 for k in range(30)), "at most 1000 bits"),
    ],
)
def test_impossible_parameters_are_refused(
    degree: int, primes: tuple[int, ...], words: str
) -> None:
    with pytest.raises(seal.SealFormatError, match=words):
        seal.Parameters(degree=degree, primes=primes)


def test_another_scheme_is_refused() -> None:
    bfv = ts.context(ts.SCHEME_TYPE.BFV, 4096, 1032193)
    with pytest.raises(seal.SealFormatError, match="scheme=1 must be 2, CKKS"):
        read_context(bfv.serialize(save_secret_key=False))
