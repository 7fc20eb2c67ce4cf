"""The release as a whole: shapes, exact law, batches, claims, certificates, bad records."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from latentleak.defenses.claims import Assumption, DifferentialPrivacy, Neighbours
from latentleak.defenses.dp_adaptation import aggregation
from latentleak.defenses.dp_adaptation.aggregation import Aggregation, Centroid, aggregate
from latentleak.defenses.dp_adaptation.calibration import Accountant
from latentleak.defenses.dp_adaptation.procedure import Procedure
from latentleak.defenses.protocol import Mechanism, Space
from latentleak.defenses.seeds import stream
from latentleak.defenses.spec import Spec

RECORDS = stream(0, "records").normal(size=(12, 8))
EVERY = (
    Aggregation(clip=2.0),
    Aggregation(clip=2.0, sample=5),
    Aggregation(clip=2.0, releases=3),
    Aggregation(clip=2.0, sample=5, releases=2),
    Aggregation(clip=2.0, neighbours=Neighbours.ADD_REMOVE, size=12),
    Centroid(),
)


def test_it_is_a_mechanism() -> None:
    mechanism: Mechanism = Aggregation()
    assert mechanism.release(RECORDS.tolist(), stream(0, "a"), trials=2).shape == (2, 8)
    assert (mechanism.space, Centroid().space) == (Space.TOKEN, Space.IMAGE)


@pytest.mark.parametrize("mechanism", EVERY, ids=lambda m: type(m).__name__ + str(m.sample))
def test_the_terms_are_those_of_the_certificate(mechanism: Aggregation) -> None:
    terms, certificate = mechanism.terms(12), mechanism.certificate(12)
    assert (terms.sigma, terms.rate) == (certificate.sigma, certificate.rate)
    assert (terms.divisor, terms.rounds) == (certificate.sample, mechanism.releases)
    json.dumps(terms.to_dict())


@pytest.mark.parametrize("mechanism", EVERY, ids=lambda m: type(m).__name__ + str(m.sample))
def test_the_release_has_the_law_that_the_certificate_states(mechanism: Aggregation) -> None:
    """Mean, variance and normality of every coordinate, at 1e-6 over all of them."""
    trials = 4000
    out = mechanism.release(RECORDS, stream(1, "law"), trials=trials)
    assert out.shape == (trials, 8 * mechanism.releases)
    certificate = mechanism.certificate(12)
    limited = mechanism.procedure.limit(RECORDS, mechanism.clip, normalize=mechanism.normalize)
    mean, m = limited.mean(axis=0), certificate.sample
    # Variance of the mean of m of n without replacement, plus the noise.
    spread = limited.var(axis=0, ddof=1) / m * (1 - m / 12)
    sd = np.sqrt(spread + certificate.sigma**2)
    level = 1e-6 / (4 * out.shape[1])
    for release in out.reshape(trials, mechanism.releases, 8).transpose(1, 0, 2):
        z = (release.mean(axis=0) - mean) / sd * math.sqrt(trials)
        assert (np.abs(z) < stats.norm.isf(level / 2)).all()
        if m == 12:
            chi = ((release - mean) ** 2).sum(axis=0) / sd**2
            assert (chi < stats.chi2.isf(level, trials)).all()
            assert (chi > stats.chi2.ppf(level, trials)).all()
            assert stats.kstest(((release - mean) / sd).ravel(), "norm").pvalue > level


@given(trials=st.integers(1, 40), rows=st.integers(1, 7), releases=st.integers(1, 3))
def test_batches_join_to_the_release(trials: int, rows: int, releases: int) -> None:
    mechanism = Aggregation(releases=releases)
    whole = mechanism.release(RECORDS, stream(2, "x"), trials=trials)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aggregation, "CHUNK_BYTES", 8 * releases * 24 * rows)
        parts = list(mechanism.batches(RECORDS, stream(2, "x"), trials=trials))
        joined = mechanism.release(RECORDS, stream(2, "x"), trials=trials)
    assert max(len(part) for part in parts) == min(rows, trials)
    assert (np.concatenate(parts) == whole).all()
    assert (joined == whole).all()


def test_a_batch_stays_below_its_limit() -> None:
    batch = next(Aggregation(sample=3).batches(np.ones((500, 16)), stream(0, "b"), trials=10**6))
    assert 3 * batch.nbytes + 3 * 8 * 500 * len(batch) <= aggregation.CHUNK_BYTES


def test_releases_differ_and_trials_differ() -> None:
    out = Aggregation(releases=2).release(RECORDS, stream(3, "y"), trials=50)
    assert np.unique(out).size == out.size


def test_the_vectors_of_one_release_stand_side_by_side() -> None:
    def noise(shape: tuple[int, int, int], sigma: float, rng: np.random.Generator) -> Any:
        return np.broadcast_to(np.arange(shape[1])[:, None] * 100.0, shape)

    mechanism = Aggregation(releases=3, clip=100, procedure=Procedure(draw=noise))
    out = mechanism.release(np.ones((4, 2)), stream(0, "z"), trials=2)
    assert (out == [1, 1, 101, 101, 201, 201]).all()


@pytest.mark.parametrize("mechanism", EVERY, ids=lambda m: type(m).__name__ + str(m.sample))
def test_the_claim_and_the_certificate_agree(mechanism: Aggregation) -> None:
    (claim,) = mechanism.claims
    certificate = mechanism.certificate(12)
    assert isinstance(claim, DifferentialPrivacy)
    assert Assumption.IDEALIZED_NUMERICS in claim.assumptions
    assert (claim.epsilon, claim.delta, claim.neighbours) == (
        certificate.epsilon,
        certificate.delta,
        certificate.neighbours,
    )
    record = json.loads(json.dumps(certificate.to_dict()))
    assert record["neighbours"] == mechanism.neighbours.value
    assert record["mu"] == certificate.mu
    assert (certificate.mu is None) == (mechanism.sample is not None)
    assert f"sigma {certificate.sigma:.4g}" in str(certificate)


def test_it_is_built_from_text() -> None:
    mechanism = Aggregation(epsilon=2.0, neighbours=Neighbours.ADD_REMOVE, size=9, clip=0.4)
    spec = Spec.of(mechanism)
    json.dumps(spec.to_dict())
    assert spec.build() == mechanism
    with pytest.raises(ValueError, match="'nobody' is not a valid Neighbours"):
        Spec(path=spec.path, fields={"neighbours": "nobody"}).build()


def test_guidance_is_the_normalized_centroid() -> None:
    long = np.eye(3) * 7.0
    quiet = Procedure(draw=lambda shape, sigma, rng: np.zeros(shape))
    centroid = Centroid(procedure=quiet).release(long, stream(0, "c"), trials=1)[0]
    assert centroid == pytest.approx(np.full(3, 1 / 3))
    assert Centroid().certificate(3) == Aggregation(normalize=True).certificate(3)


def test_add_remove_divides_by_the_public_size() -> None:
    quiet = Procedure(draw=lambda shape, sigma, rng: np.zeros(shape))
    mechanism = Aggregation(neighbours=Neighbours.ADD_REMOVE, size=4, procedure=quiet)
    for rows in (0, 3, 4, 5):
        out = mechanism.release(np.ones((rows, 1)), stream(0, "r"), trials=2)
        assert out == pytest.approx(np.full((2, 1), rows / 4))
    honest = replace(mechanism, procedure=Procedure())
    both = [honest.certificate(rows) for rows in (3, 4)]
    assert both[0] == both[1]
    assert both[0].sensitivity == 0.25
    assert both[0].mu == pytest.approx(Aggregation().certificate(4).mu)


def test_aggregate() -> None:
    vector, certificate = aggregate(RECORDS, clip=1.0, epsilon=2.0, seed=5)
    again, _ = aggregate(RECORDS, clip=1.0, epsilon=2.0, seed=5)
    assert vector.shape == (8,)
    assert (vector == again).all()
    assert (certificate.delta, certificate.records, certificate.sample) == (1e-5, 12, 12)
    fresh = [aggregate(RECORDS, clip=1.0, epsilon=2.0)[0] for _ in range(2)]
    assert (fresh[0] != fresh[1]).all()
    several, certificate = aggregate(
        RECORDS, clip=1.0, epsilon=0.5, releases=2, sample=4, accountant="rdp", delta=1e-3, seed=1
    )
    assert several.shape == (2, 8)
    assert (certificate.accountant, certificate.delta) == (Accountant.RDP, 1e-3)
    assert aggregate(np.ones((200_000, 1)), clip=1.0, epsilon=1.0)[1].delta == 5e-7


@pytest.mark.parametrize(
    ("records", "says"),
    [
        (np.empty((0, 4)), "records is empty"),
        (np.ones(4), r"shape \(4,\), must be \(n, d\)"),
        (np.ones((2, 3, 4)), "must be"),
        (np.ones((4, 0)), "must be"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "1 rows with NaN or infinity"),
        (np.array([[1.0, np.inf], [np.nan, 1.0]]), "2 rows with NaN or infinity"),
        (np.ones((2, 2), dtype=complex), "dtype complex128"),
        ([["a", "b"]], "dtype <U1"),
    ],
)
def test_bad_records(records: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Aggregation().release(records, stream(0, "bad"), trials=1)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"clip": 0.0}, "clip=0.0 must be finite and > 0"),
        ({"clip": math.inf}, "clip=inf must be"),
        ({"sample": 0}, "sample=0 must be >= 1"),
        ({"releases": 0}, "releases=0 must be >= 1"),
        ({"accountant": "moments"}, "not a valid Accountant"),
        ({"neighbours": "add-remove"}, "size=None must be a public number"),
        ({"neighbours": "add-remove", "size": 5, "sample": 2}, "need neighbours='replace-one'"),
        ({"neighbours": "add-remove", "size": 5, "accountant": "rdp"}, "need neighbours"),
    ],
)
def test_bad_configurations(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Aggregation(**fields)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"sample": 13}, "sample=13 must be at least 1 and at most the 12 records"),
        ({"size": 11}, "size=11 must be the number of records, which is 12"),
        ({"epsilon": -1.0}, "epsilon=-1.0 must be >= 0"),
        ({"delta": 0.0}, "delta=0.0 must be in"),
        ({"epsilon": 4.0, "accountant": "classical"}, "must be in"),
    ],
)
def test_configurations_that_do_not_fit(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Aggregation(**fields).release(RECORDS, stream(0, "bad"), trials=1)
    with pytest.raises(ValueError, match="trials=0"):
        Aggregation().release(RECORDS, stream(0, "bad"), trials=0)
