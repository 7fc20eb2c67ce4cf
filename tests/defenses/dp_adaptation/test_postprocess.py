"""Free post-processing: lengths, public subspaces, and how much noise they take away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.dp_adaptation.postprocess import (
    Subspace,
    median_norm,
    principal_subspace,
    project,
    rescale,
)
from latentleak.defenses.seeds import stream

PUBLIC = stream(0, "public").normal(size=(30, 6)) * [5, 3, 1, 0, 0, 0] + 2.0


def test_rescale_sets_the_length_and_keeps_the_direction() -> None:
    vectors = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, -0.1]])
    assert rescale(vectors, norm=2.0) == pytest.approx(np.array([[1.2, 1.6], [0, 0], [0, -2]]))
    assert rescale([3.0, 4.0], norm=5.0) == pytest.approx([3, 4])
    assert median_norm(vectors) == pytest.approx(0.1)


@given(rank=st.integers(1, 6), seed=st.integers(0, 100))
def test_projection_is_idempotent_nearest_and_keeps_public_points(rank: int, seed: int) -> None:
    subspace = principal_subspace(PUBLIC, rank=rank)
    vectors = stream(seed, "v").normal(size=(4, 6))
    inside = project(vectors, subspace)
    assert project(inside, subspace) == pytest.approx(inside, abs=1e-12)
    assert (vectors - inside) @ subspace.basis.T == pytest.approx(np.zeros((4, rank)), abs=1e-12)
    if rank >= 3:
        assert project(PUBLIC, subspace) == pytest.approx(PUBLIC, abs=1e-9)


def test_the_principal_subspace_holds_the_most_variance() -> None:
    basis = principal_subspace(PUBLIC, rank=2).basis
    kept = ((PUBLIC - PUBLIC.mean(axis=0)) @ basis.T).var(axis=0).sum()
    eigenvalues = np.linalg.eigvalsh(np.cov(PUBLIC.T, bias=True))
    assert kept == pytest.approx(eigenvalues[-2:].sum())


def test_projection_keeps_the_share_k_over_d_of_the_noise() -> None:
    """Chi-square with 3 x 4,000 degrees of freedom: within 8 % but for probability 1e-9."""
    noise = stream(1, "noise").normal(size=(4000, 6))
    subspace = principal_subspace(PUBLIC, rank=3)
    kept = project(noise + subspace.center, subspace) - subspace.center
    assert (kept**2).sum() / 4000 == pytest.approx(3.0, rel=0.08)


@pytest.mark.parametrize("rank", [0, 7, 30])
def test_ranks_that_do_not_fit(rank: int) -> None:
    with pytest.raises(ValueError, match=f"rank={rank} must be in"):
        principal_subspace(PUBLIC, rank=rank)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="norm=0"):
        rescale([1.0], norm=0.0)
    with pytest.raises(ValueError, match="must have that of the subspace"):
        project(np.ones((2, 5)), principal_subspace(PUBLIC, rank=1))
    with pytest.raises(ValueError, match="orthonormal"):
        Subspace(basis=np.ones((2, 3)), center=np.zeros(3))
    with pytest.raises(ValueError, match="basis has shape"):
        Subspace(basis=np.eye(3), center=np.zeros(2))
    with pytest.raises(ValueError, match="must be"):
        median_norm(np.full((2, 2), np.nan))
