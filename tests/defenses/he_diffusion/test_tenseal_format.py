"""TenSEAL's messages: what the library wrote is read, and anything else is refused."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
import tenseal as ts
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.he_diffusion.seal_format import SealFormatError, read_ciphertext
from latentleak.defenses.he_diffusion.tenseal_format import read_context, read_vector


@pytest.fixture(scope="module")
def context() -> ts.Context:
    made = ts.context(ts.SCHEME_TYPE.CKKS, 2048, coeff_mod_bit_sizes=[27, 27])
    made.global_scale = 2.0**20
    return made


@pytest.fixture(scope="module")
def public(context: ts.Context) -> bytes:
    return context.serialize(save_secret_key=False)


@pytest.fixture(scope="module")
def message(context: ts.Context) -> bytes:
    return ts.ckks_vector(context, np.arange(1500) / 1500).serialize()


def test_a_public_context_holds_no_secret_key(context: ts.Context, public: bytes) -> None:
    found = read_context(public)
    assert found.secret_key is None
    assert found.scale == 2.0**20
    assert found.public_key is not None
    assert found.public_key.residues.shape == (2, 2, 2048)
    whole = read_context(context.serialize(save_secret_key=True))
    assert whole.secret_key is not None
    assert whole.secret_key.shape == (2, 2048)
    bare = read_context(context.serialize(save_public_key=False, save_secret_key=False))
    assert bare.public_key is None
    assert bare.parameters == found.parameters


def test_every_key_that_a_context_may_carry_is_passed_over() -> None:
    made = ts.context(ts.SCHEME_TYPE.CKKS, 4096, coeff_mod_bit_sizes=[38, 28, 38])
    made.generate_galois_keys()
    made.generate_relin_keys()
    found = read_context(made.serialize(save_secret_key=True))
    assert found.parameters.degree == 4096
    assert found.secret_key is not None
    assert found.scale is None


def test_large_vectors_come_in_pieces(message: bytes, public: bytes) -> None:
    pieces = read_vector(message)
    assert [size for size, _ in pieces] == [1024, 476]
    parameters = read_context(public).parameters
    one, two = (read_ciphertext(blob, parameters) for _, blob in pieces)
    assert (one.residues != two.residues).any()


def field(number: int, wire_type: int, payload: bytes) -> bytes:
    return bytes([number << 3 | wire_type]) + payload


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"", "0 sizes and 0 ciphertexts"),
        (field(1, 2, b"\1\5"), "1 sizes and 0 ciphertexts"),
        (field(1, 0, b"\0") + field(2, 2, b"\1x"), r"sizes=\[0\]"),
        (field(1, 0, b"\xff\xff\x7f") + field(2, 2, b"\1x"), "must be from 1 to 16384"),
        (field(2, 2, b"\xff\xff\xff\xff\x7f"), "ends after the message"),
        (field(2, 2, b"\x80"), "ends inside a number"),
        (field(1, 0, b"\xff" * 11), "more than ten bytes"),
        (field(3, 1, b"short"), "ends after the message"),
        (field(3, 5, b"1234"), "wire type 5"),
        (field(9, 0, b"\1"), "field 9 of type int is not part"),
        (field(2, 0, b"\1"), "field 2 of type int is not part"),
    ],
)
def test_errors_say_what_is_wrong(message: bytes, words: str) -> None:
    with pytest.raises(SealFormatError, match=words):
        read_vector(message)


def test_unpacked_sizes_are_read_too() -> None:
    message = field(1, 0, b"\5") + field(2, 2, b"\2ab") + field(3, 1, struct.pack("<d", 4.0))
    assert read_vector(message) == ((5, b"ab"),)


@given(data=st.data())
def test_damaged_messages_are_refused_or_read(
    data: st.DataObject, public: bytes, message: bytes
) -> None:
    parameters = read_context(public).parameters
    target = bytearray(data.draw(st.sampled_from([public, message])))
    for _ in range(data.draw(st.integers(1, 4))):
        where = data.draw(st.one_of(st.integers(0, 130), st.integers(0, len(target) - 1)))
        target[where] = data.draw(st.integers(0, 255))
    damaged = bytes(target[: data.draw(st.one_of(st.none(), st.integers(0, len(target))))])
    with suppress(SealFormatError):
        read_context(damaged)
    with suppress(SealFormatError):
        for _, blob in read_vector(damaged):
            read_ciphertext(blob, parameters)


@given(blob=st.binary(max_size=300))
def test_noise_is_refused(blob: bytes) -> None:
    with pytest.raises(SealFormatError):
        read_context(blob)
    try:
        pieces = read_vector(blob)
    except SealFormatError:
        return
    assert sum(len(piece) for _, piece in pieces) < len(blob)
