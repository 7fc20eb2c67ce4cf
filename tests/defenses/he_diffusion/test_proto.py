"""Protocol Buffers as TenSEAL writes them."""

from __future__ import annotations

import pytest
import tenseal as ts
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.codec import ProtocolError
from latentleak.defenses.he_diffusion.proto import (
    check_vector,
    context_bytes,
    parameters_field,
    refusing,
    vector_bytes,
)
from latentleak.defenses.he_diffusion.tenseal_format import read_context, read_vector


@pytest.fixture(scope="module")
def context() -> ts.Context:
    made = ts.context(ts.SCHEME_TYPE.CKKS, 4096, coeff_mod_bit_sizes=[38, 28, 38], n_threads=1)
    made.global_scale = 2.0**28
    return made


def test_a_vector_is_written_as_tenseal_does(context: ts.Context) -> None:
    message = ts.ckks_vector(context, [1.0] * 300).serialize()
    ((size, ciphertext),) = read_vector(message)
    assert vector_bytes(size=size, ciphertext=ciphertext, scale=2.0**28) == message
    check_vector(message, size=300, scale=2.0**28)


def test_a_context_opens_in_tenseal(context: ts.Context) -> None:
    message = context.serialize(save_secret_key=True, save_galois_keys=False, save_relin_keys=False)
    parts = _bytes_fields(message)
    public, private = _bytes_fields(parts[2]), _bytes_fields(parts[3])
    made = context_bytes(
        parameters=parts[1], public_key=public[1], secret_key=private[1], scale=2.0**28
    )
    assert made == message
    assert made.startswith(parameters_field(parts[1]))
    assert read_context(made).secret_key is not None


def _bytes_fields(message: bytes) -> dict[int, bytes]:
    """Length-delimited fields of a message, read the plain way."""
    fields, at = {}, 0
    while at < len(message):
        tag, at = message[at], at + 1
        if tag & 7 == 1:
            at += 8
            continue
        value = shift = 0
        while True:
            byte, at = message[at], at + 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if tag & 7 == 2:
            fields[tag >> 3] = message[at : at + value]
            at += value
    return fields


@given(
    size=st.integers(1, 40000),
    ciphertext=st.binary(max_size=300),
    scale=st.sampled_from([2.0**26, 2.0**40]),
)
def test_only_the_canonical_form_passes(size: int, ciphertext: bytes, scale: float) -> None:
    message = vector_bytes(size=size, ciphertext=ciphertext, scale=scale)
    check_vector(message, size=size, scale=scale)
    wrong = (
        (message, size + 1, scale),
        (message, size, 2 * scale),
        (message + b"\0", size, scale),
        (message[:-1], size, scale),
        (message + vector_bytes(size=size, ciphertext=b"", scale=scale), size, scale),
        (b"", size, scale),
    )
    for other, count, factor in wrong:
        with pytest.raises(ProtocolError, match="must be a CKKS vector"):
            check_vector(other, size=count, scale=factor)


def test_library_errors_become_protocol_errors() -> None:
    with pytest.raises(ProtocolError, match="it fails: so it does"), refusing("it fails"):
        raise RuntimeError("so it does")
