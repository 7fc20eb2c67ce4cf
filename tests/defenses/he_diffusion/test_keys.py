"""Who can decrypt, and what repeats."""

from __future__ import annotations

import numpy as np
import pytest
import tenseal as ts
from hypothesis import given, settings
from hypothesis import strategies as st

from latentleak.defenses.codec import ProtocolError
from latentleak.defenses.he_diffusion.keys import (
    Keys,
    SeededKeys,
    SystemKeys,
    chunks,
    load_vectors,
    public_context,
)
from latentleak.defenses.he_diffusion.parameters import LEAN, REPOSITORY, SMALL, CkksParameters
from latentleak.defenses.he_diffusion.seal import parameter_bytes
from latentleak.defenses.he_diffusion.seal_format import read_ciphertext, read_parameters
from latentleak.defenses.he_diffusion.tenseal_format import read_context, read_vector

VALUES = np.random.default_rng(0).standard_normal(3000)


@pytest.fixture(scope="module")
def keys() -> Keys:
    return SeededKeys(SMALL, 7)


@pytest.fixture(scope="module")
def message(keys: Keys) -> bytes:
    return keys.encrypt(VALUES[:5])[0]


@pytest.mark.parametrize("make", [lambda: SeededKeys(SMALL, 7), lambda: SystemKeys(SMALL)])
def test_round_trip(make: type[Keys]) -> None:
    own = make()
    messages = own.encrypt(VALUES)
    assert len(messages) == 2
    assert abs(own.decrypt(messages, len(VALUES)) - VALUES).max() < 1e-4
    assert own.encrypt(np.empty(0)) == []
    assert own.decrypt([], 0).size == 0


@pytest.mark.parametrize("parameters", [REPOSITORY, LEAN], ids=lambda p: p.name)
def test_a_seed_fixes_every_byte(parameters: CkksParameters) -> None:
    first, second = SeededKeys(parameters, 3), SeededKeys(parameters, 3)
    other = SeededKeys(parameters, 4)
    assert public_context(first.context) == public_context(second.context)
    assert public_context(first.context) != public_context(other.context)
    for _ in range(2):
        assert first.encrypt(VALUES[:5]) == second.encrypt(VALUES[:5])


def test_no_two_encryptions_share_randomness(keys: Keys) -> None:
    """Under shared randomness c1 would repeat, and c0 would differ by the plaintexts alone."""
    parameters = read_parameters(parameter_bytes(SMALL))
    messages = [*keys.encrypt(VALUES), *keys.encrypt(VALUES)]
    seconds = {
        read_ciphertext(blob, parameters).residues[1].tobytes()
        for message in messages
        for _, blob in read_vector(message)
    }
    assert len(seconds) == len(messages) == 4


@pytest.mark.parametrize("parameters", [REPOSITORY, LEAN, SMALL], ids=lambda p: p.name)
def test_the_public_context_is_small_and_holds_no_secret(parameters: CkksParameters) -> None:
    content = public_context(SystemKeys(parameters).context)
    opened = ts.context_from(content, n_threads=1)
    assert opened.is_public()
    assert not opened.has_secret_key()
    assert not opened.has_galois_keys()
    assert not opened.has_relin_keys()
    assert read_context(content).secret_key is None
    assert len(content) < {"repository": 600e3, "lean": 400e3, "small": 150e3}[parameters.name]


def test_making_a_context_public_in_place_would_not_do(keys: Keys) -> None:
    """The reason why `public_context` serializes: the decryptor keeps the key."""
    held = ts.context_from(keys.context.serialize(save_secret_key=True), n_threads=1)
    held.make_context_public()
    assert held.is_public()
    assert held.decryptor() is not None


def test_foreign_ciphertexts_do_not_open(keys: Keys) -> None:
    other = SystemKeys(LEAN).encrypt(VALUES[:5])
    with pytest.raises(ProtocolError):
        keys.decrypt(other, 5)
    with pytest.raises(ProtocolError, match="3000 numbers take 2 ciphertexts, not 1"):
        keys.decrypt(keys.encrypt(VALUES)[:1], 3000)


@given(position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
@settings(max_examples=60)
def test_damaged_ciphertexts_are_refused_or_numbers(
    keys: Keys, message: bytes, position: float, value: int
) -> None:
    damaged = bytearray(message)
    damaged[int(position * len(message))] = value
    try:
        vectors = load_vectors(keys.context, [bytes(damaged)], 5, SMALL)
    except ProtocolError:
        return
    assert len(vectors[0].decrypt()) == 5


@given(count=st.integers(0, 50), slots=st.integers(1, 20))
def test_chunks(count: int, slots: int) -> None:
    parts = chunks(np.arange(float(count)), slots)
    assert np.concatenate([np.empty(0), *parts]).tolist() == list(range(count))
    assert all(len(part) == slots for part in parts[:-1])
