"""Keys from real TenSEAL transcripts: where the attack must work, and where it must not.

Keys and encryption noise come from the operating system, so a test states how often it fails on
correct code where that is not zero. Two equations are singular in a point with probability N / 2q;
where q has 31 bits, a third ciphertext makes that 4e-12.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import tenseal as ts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentleak.adversaries import ckks_ring as ring
from latentleak.adversaries.ckks_equations import Equation, solve
from latentleak.adversaries.ckks_key_recovery import (
    KeyNotRecovered,
    Reason,
    average_pairs,
    decrypt,
    recover_secret_key,
)
from latentleak.defenses.he_diffusion.seal_format import SealFormatError
from latentleak.defenses.he_diffusion.tenseal_format import read_context

Pair = tuple[bytes, np.ndarray]
Chain = tuple[int, tuple[int, ...], int]

LEAN: Chain = (8192, (60, 40, 60), 40)
REPOSITORY: Chain = (8192, (31, 26, 26, 26, 26, 26, 26, 31), 26)
SMALL: Chain = (4096, (38, 28, 38), 28)


class Client:
    """Holds the key, and hands back what it decrypts."""

    def __init__(self, chain: Chain, seed: int = 0) -> None:
        degree, bits, scale = chain
        self.slots = degree // 2
        self.context = ts.context(ts.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=list(bits))
        self.context.global_scale = 2.0**scale
        self.public = self.context.serialize(save_secret_key=False)
        self.rng = np.random.default_rng(seed)

    @property
    def key(self) -> np.ndarray:
        found = read_context(self.context.serialize(save_secret_key=True))
        assert found.secret_key is not None
        ntt = ring.Ntt.of(found.parameters.degree, found.parameters.primes[0])
        return ring.centered(ntt.inverse(found.secret_key[0]), ntt.prime)

    def step(self, used: int | None = None) -> ts.CKKSVector:
        """One sampler update f ct + a."""
        used = self.slots if used is None else used
        latent, term = self.rng.standard_normal((2, used))
        return ts.ckks_vector(self.context, latent.tolist()) * 0.97 + term.tolist()

    def pair(self, used: int | None = None) -> Pair:
        vector = self.step(used)
        return vector.serialize(), np.array(vector.decrypt())

    def pairs(self, count: int, used: int | None = None) -> list[Pair]:
        return [self.pair(used) for _ in range(count)]


@pytest.fixture(scope="module")
def small() -> Client:
    return Client(SMALL)


@pytest.fixture(scope="module")
def lean() -> Client:
    return Client(LEAN)


def reason_of(public: bytes, pairs: list[Pair]) -> Reason:
    with pytest.raises(KeyNotRecovered) as caught:
        recover_secret_key(public, pairs)
    assert str(caught.value).startswith(caught.value.reason.value)
    return caught.value.reason


def with_noise(pairs: list[Pair], noise: Callable[[int], np.ndarray]) -> list[Pair]:
    return [(message, values + noise(len(values))) for message, values in pairs]


@pytest.mark.parametrize(
    ("chain", "steps"),
    [
        (LEAN, 2),
        (REPOSITORY, 3),
        (SMALL, 2),
        ((8192, (60, 45, 60), 45), 2),
        ((16384, (60, 40, 40, 40, 40, 60), 40), 2),
        ((32768, (60, 45, 45, 60), 45), 2),
    ],
)
def test_the_key_is_recovered_and_opens_the_rest(chain: Chain, steps: int) -> None:
    client = Client(chain)
    pairs = client.pairs(steps)
    start = time.process_time()
    key = recover_secret_key(client.public, pairs)
    assert time.process_time() - start < 2
    assert key.dtype == np.int8
    assert (key == client.key).all()
    fresh = ts.ckks_vector(client.context, client.rng.standard_normal(100).tolist())
    for vector in (fresh, client.step(7)):
        opened = decrypt(client.public, vector.serialize(), key)
        np.testing.assert_allclose(opened, vector.decrypt(), rtol=0, atol=1e-11)


def test_products_open_too_also_before_they_are_relinearized(small: Client) -> None:
    key = recover_secret_key(small.public, small.pairs(2))
    small.context.auto_relin = False
    one, two = (ts.ckks_vector(small.context, [x] * small.slots) for x in (1.5, -2.0))
    product = one * two
    small.context.auto_relin = True
    assert abs(decrypt(small.public, product.serialize(), key) + 3).max() < 1e-2
    assert reason_of(small.public, [(product.serialize(), -3.0 * np.ones(small.slots))]) is (
        Reason.PARAMETERS
    )


def test_one_vector_that_fills_two_ciphertexts_is_enough(small: Client) -> None:
    message, values = small.pair(2 * small.slots + 5)
    key = recover_secret_key(small.public, [(message, values)])
    assert (key == small.key).all()
    np.testing.assert_allclose(decrypt(small.public, message, key), values, rtol=0, atol=1e-11)


def test_a_key_for_every_step_does_not_help_a_vector_of_two_ciphertexts() -> None:
    for _ in range(2):
        client = Client(SMALL)
        key = recover_secret_key(client.public, client.pairs(1, 2 * client.slots))
        assert (key == client.key).all()


def test_the_public_context_need_not_hold_a_public_key(small: Client) -> None:
    bare = small.context.serialize(save_public_key=False, save_secret_key=False)
    assert (recover_secret_key(bare, small.pairs(2)) == small.key).all()


@pytest.mark.parametrize(("chain", "missing", "steps"), [(REPOSITORY, 64, 3), (LEAN, 12, 2)])
def test_a_few_slots_may_be_missing(chain: Chain, missing: int, steps: int) -> None:
    client = Client(chain)
    key = recover_secret_key(client.public, client.pairs(steps, client.slots - missing))
    assert (key == client.key).all()


def test_partly_filled_vectors_are_passed_over(small: Client) -> None:
    pairs = small.pairs(3, small.slots // 2)
    assert reason_of(small.public, pairs) is Reason.PARTIAL_SLOTS
    enough = [*pairs, *small.pairs(1, small.slots + 9), *pairs, *small.pairs(1)]
    assert (recover_secret_key(small.public, enough) == small.key).all()


def test_one_pair_is_too_few_however_often_it_comes(small: Client) -> None:
    vector = small.step()
    one = (vector.serialize(), np.array(vector.decrypt()))
    double = vector + vector
    assert reason_of(small.public, []) is Reason.TOO_FEW_PAIRS
    assert reason_of(small.public, [one]) is Reason.TOO_FEW_PAIRS
    assert reason_of(small.public, [one, one]) is Reason.TOO_FEW_PAIRS
    multiple = (double.serialize(), np.array(double.decrypt()))
    assert reason_of(small.public, [one, multiple]) is Reason.TOO_FEW_PAIRS


def test_a_fresh_key_for_every_ciphertext_stops_it(small: Client) -> None:
    others = [Client(SMALL, seed).pair() for seed in (1, 2, 3)]
    assert reason_of(small.public, [small.pair(), *others]) is Reason.KEYS
    assert (recover_secret_key(small.public, [*others, *small.pairs(2)]) == small.key).all()


def test_the_key_must_fit_the_public_key(small: Client) -> None:
    assert reason_of(small.public, Client(SMALL).pairs(2)) is Reason.KEYS


def test_numbers_of_other_ciphertexts_do_not_fit(small: Client) -> None:
    (one, first), (two, second) = small.pairs(2)
    assert reason_of(small.public, [(one, second), (two, first)]) is Reason.KEYS


def test_flooding_stops_it(lean: Client) -> None:
    # Six standard deviations of half an integer: all 4,096 coefficients of one polynomial are
    # within 0.45 of integers, of which 10 % are not, with probability below 1e-180.
    sigma = 3 * np.sqrt(2 * lean.slots) / lean.context.global_scale / 2
    noise = np.random.default_rng(1)
    pairs = with_noise(lean.pairs(4), lambda n: sigma * noise.standard_normal(n))
    assert reason_of(lean.public, pairs) is Reason.NOISE


def test_small_noise_does_not(lean: Client) -> None:
    # 0.05 on a coefficient: one of 8,192 is off by 0.45, nine deviations, with probability 2e-15.
    sigma = 0.05 * np.sqrt(2 * lean.slots) / lean.context.global_scale / 2
    noise = np.random.default_rng(2)
    pairs = with_noise(lean.pairs(2), lambda n: sigma * noise.standard_normal(n))
    assert (recover_secret_key(lean.public, pairs) == lean.key).all()


def test_averaged_decryptions_undo_fresh_noise(lean: Client) -> None:
    # 0.8 on a coefficient, 0.05 after 256 decryptions: see above.
    sigma = 0.8 * np.sqrt(2 * lean.slots) / lean.context.global_scale / 2
    noise = np.random.default_rng(3)
    pairs = [
        (message, values + sigma * noise.standard_normal(len(values)))
        for message, values in lean.pairs(2)
        for _ in range(256)
    ]
    assert len(average_pairs(pairs)) == 2
    assert reason_of(lean.public, pairs[::256]) is Reason.NOISE
    assert (recover_secret_key(lean.public, pairs) == lean.key).all()


def test_noise_that_repeats_cancels(lean: Client) -> None:
    flood = 0.1 * np.random.default_rng(4).standard_normal(lean.slots)
    pairs = with_noise(lean.pairs(3), lambda _: flood)
    assert reason_of(lean.public, pairs[:2]) is Reason.NOISE
    assert (recover_secret_key(lean.public, pairs) == lean.key).all()


def test_single_precision_holds_small_scales_only(lean: Client) -> None:
    client = Client(REPOSITORY)
    rounded = [(m, v.astype(np.float32)) for m, v in client.pairs(3)]
    assert (recover_secret_key(client.public, rounded) == client.key).all()
    rounded = [(m, v.astype(np.float32)) for m, v in lean.pairs(3)]
    assert reason_of(lean.public, rounded) is Reason.PRECISION


@pytest.mark.parametrize("scale", [55, 59])
def test_too_large_a_scale_exceeds_double_precision(scale: int) -> None:
    client = Client((8192, (60, scale, 60), scale))
    assert reason_of(client.public, client.pairs(2)) is Reason.PRECISION


def test_other_parameters_are_told_apart(small: Client, lean: Client) -> None:
    other = Client((4096, (36, 30, 36), 28))
    for stranger in (other, lean):
        assert reason_of(small.public, stranger.pairs(2)) is Reason.PARAMETERS
        with pytest.raises(SealFormatError, match="another context made it"):
            decrypt(small.public, stranger.pair()[0], np.zeros(2 * small.slots))


def test_numbers_must_fit_their_ciphertexts(small: Client) -> None:
    (message, values), other = small.pairs(2)
    for wrong in (values[:-1], values * np.nan, values * 1e200, values.reshape(2, -1)):
        assert reason_of(small.public, [(message, wrong), other]) is Reason.PARAMETERS
    assert reason_of(small.public, [(message, values), (message, values[1:])]) is (
        Reason.PARAMETERS
    )


@pytest.mark.parametrize("key", [np.zeros(5), np.full(4096, 2), np.zeros((2, 2048))])
def test_a_key_must_be_ternary(key: np.ndarray, small: Client) -> None:
    with pytest.raises(ValueError, match=r"must hold -1, 0, 1, shape \(4096,\)"):
        decrypt(small.public, small.pair()[0], key)


@given(seed=st.integers(0, 2**32), count=st.integers(2, 6))
def test_singular_points_wait_for_another_equation(seed: int, count: int) -> None:
    degree, prime = 32, 193
    rng = np.random.default_rng(seed)
    secret = rng.integers(0, prime, degree, dtype=np.uint64)
    equations = []
    for _ in range(count):
        linear = rng.integers(0, prime, degree, dtype=np.uint64)
        linear[rng.integers(0, degree, 12)] = 0
        value = ((linear * secret) + (linear * secret)[::-1])[: degree // 2] % prime
        equations.append(Equation(linear=linear, value=value))
    found = solve(equations, prime)
    matrix = np.array([[e.linear, e.linear[::-1]] for e in equations]).astype(np.int64)
    minors = [
        matrix[i, 0] * matrix[j, 1] - matrix[i, 1] * matrix[j, 0]
        for i in range(count)
        for j in range(i)
    ]
    if all((np.array(minors) % prime != 0).any(axis=0)):
        assert found is not None
        assert (found == secret).all()
    else:
        assert found is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data())
def test_damaged_transcripts_end_in_a_clear_error(data: st.DataObject, small: Client) -> None:
    (one, first), second = small.pairs(2)
    in_context = data.draw(st.booleans())
    damaged = bytearray(small.public if in_context else one)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.one_of(st.integers(0, 130), st.integers(0, 80_000))) % len(damaged)
        damaged[where] = data.draw(st.integers(0, 255))
    public, message = (bytes(damaged), one) if in_context else (small.public, bytes(damaged))
    try:
        key = recover_secret_key(public, [(message, first), second])
    except (KeyNotRecovered, SealFormatError):
        pass
    else:
        assert (key == small.key).all()
