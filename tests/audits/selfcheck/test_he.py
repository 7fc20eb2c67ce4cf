"""The audit of encryption catches every broken copy, and spares the honest protocols."""

from __future__ import annotations

import numpy as np
import pytest

from latentleak.audits.selfcheck.broken_he import BROKEN, Flooded, FloodReused, flood_alike
from latentleak.audits.selfcheck.he import check
from latentleak.audits.verdict import Role, Verdict
from latentleak.defenses.he_diffusion.protocol import HeDiffusion
from latentleak.defenses.he_diffusion.variants import FullyHardened
from latentleak.scenarios.what_did_the_server_see import WhatDidTheServerSee

SMALL = WhatDidTheServerSee(games=0, curve=0, latents=3, keys=3)
ALPHA = 1e-3
"""Three games of three refute; guessing among 100 wins them with probability 1e-6."""


def verdict(kind: type[HeDiffusion], monkeypatch: pytest.MonkeyPatch) -> Verdict:
    monkeypatch.setattr("latentleak.audits.selfcheck.he.KEYS", 3)
    (found,) = check(scenario=SMALL, alpha=ALPHA, kinds=(kind,), sealed=False)
    assert found.role is Role.CONTROL
    assert all(control.holds for control in found.controls)
    return found.verdict


@pytest.mark.parametrize("kind", BROKEN)
def test_every_broken_copy_is_refuted(
    kind: type[HeDiffusion], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert verdict(kind, monkeypatch) is Verdict.REFUTED


def test_the_hardened_protocol_is_covered_by_the_exact_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert verdict(FullyHardened, monkeypatch) is Verdict.NOT_REFUTED


def test_flooding_keeps_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    # Three games cannot show more than this; 24 say NOT_REFUTED.
    assert verdict(Flooded, monkeypatch) is Verdict.INCONCLUSIVE


def test_reused_noise_is_the_same_at_every_step_and_as_strong() -> None:
    values, rng = np.zeros(1000), np.random.default_rng(1)
    first, second = (flood_alike(values, sigma, rng) for sigma in (0.3, 0.4))
    assert np.array_equal(first, second)
    assert first.std() > 0.4
    assert FloodReused().flooding_bits == Flooded().flooding_bits
