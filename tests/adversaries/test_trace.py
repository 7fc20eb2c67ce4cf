"""The affine trajectory under observed terms, and the zeros of its residual."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.adversaries.trace import Fit, traces_of
from latentleak.defenses.he_diffusion.variants import (
    AsReleased,
    ClientUnet,
    EncryptedTerm,
    FullEncryption,
)
from latentleak.targets.pipeline import Target


def test_plaintext_entries_fix_entries_of_the_initial_latent(tiny: Target, play_he) -> None:
    played = play_he(ClientUnet(steps=6, threshold=0.3), tiny, 1)
    grid = played.model.grid
    games, trace = traces_of(played.views, grid)
    assert games == [0]
    assert trace is not None
    assert 0.3 < trace.known.mean() <= 1
    final = trace.latent(grid, trace.values, len(grid))
    assert np.abs(final - played.latents)[trace.known].max() < 1e-4
    one = trace.latent(grid, trace.start(grid, trace.latent(grid, trace.values, 3), 3), 3)
    assert np.allclose(one, trace.latent(grid, trace.values, 3))


@pytest.mark.parametrize(("method", "steps"), [("ddim", 5), ("plms", 5), ("plms", 8)])
def test_the_residual_of_the_first_step_is_zero_at_the_truth(
    tiny: Target, play_he, method: str, steps: int
) -> None:
    played = play_he(FullEncryption(steps=steps, method=method), tiny, 2)
    model = played.model
    _, trace = traces_of(played.views, model.grid)
    assert trace is not None
    zero = np.zeros(trace.values.shape)
    factor = np.sqrt(model.grid.after[-1] / model.grid.before[0])
    truth = (played.latents - trace.latent(model.grid, zero, steps)) / factor
    prompts = [r[i] for r, i in zip(played.aux.candidates, played.labels, strict=True)]
    fit = Fit.of(model, trace, prompts)
    assert np.abs(fit.residual(truth, 0)).max() < 1e-4
    if method == "ddim":
        assert np.abs(fit.residual(truth, 3)).max() < 1e-4
        assert fit.misfits(truth).max() < 1e-4
    found = fit.improved(fit.first(), 20)
    assert np.abs(found - truth).max() < (1e-3 if method == "ddim" else 0.1)


def test_terms_that_are_encrypted_or_not_sent_leave_no_trace(tiny: Target, play_he) -> None:
    for config in (EncryptedTerm(steps=2), AsReleased(steps=2)):
        played = play_he(config, tiny, 1)
        assert traces_of(played.views, played.model.grid) == ([], None)
