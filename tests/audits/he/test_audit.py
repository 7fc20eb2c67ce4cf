"""When is "hidden" refuted, when not, and when does the audit say nothing?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from latentleak.audits.case import Case
from latentleak.audits.he.audit import audit
from latentleak.audits.hiding import gain
from latentleak.audits.statistics import at_most
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.defenses.claims import (
    Claim,
    Hidden,
    Indistinguishability,
    Obliviousness,
    SecurityLevel,
)
from latentleak.defenses.he_diffusion.protocol import TABLES
from latentleak.scenarios.contract import Trials

IMAGE = Hidden(what="image", metric="pixel similarity")
PROMPT = Hidden(what="prompt", metric="prompt retrieval")
GAMES, CANDIDATES = 120, 100
COVERED = {"name": "simulated view", "holds": True}
Scores = np.ndarray[Any, np.dtype[np.float64]]


def distances(rng: np.random.Generator, truth: Scores, error: float) -> Scores:
    """Minus MSE to 100 pictures: about 1 to all but the original, which is `error` away."""
    scores = -1 - 0.1 * rng.random((len(truth), CANDIDATES))
    scores[np.arange(len(truth)), truth] = -error * (1 + 0.1 * rng.random(len(truth)))
    return scores


def images(error: float, *, swapped: float = 1.05, seed: int = 0, **facts: Any) -> Trials:
    """An arm in which one adversary's pictures are `error` away from the originals."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CANDIDATES, GAMES)
    blind, own = distances(rng, truth, 1.05), distances(rng, truth, error)
    return Trials(
        arm="full",
        truth=truth,
        counts=np.full(GAMES, CANDIDATES),
        scores={
            "image/nothing seen": blind,
            "image/attack": own,
            "LPIPS/nothing seen": blind[:, :1],
            "LPIPS/attack": own[:, :1],
            "CLIP/nothing seen": blind,
            "CLIP/attack": own,
        },
        swapped={"image/attack": distances(rng, truth, swapped)},
        facts={"encrypted": 0.5, "parameters": None, **facts},
    )


def named(right: float, part: str = "prompt", *, games: int = GAMES, seed: int = 0) -> Trials:
    """An arm in which one adversary names the real candidate with probability `right`."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CANDIDATES, games)
    scores, blind = rng.random((games, CANDIDATES)), rng.random((games, CANDIDATES))
    won = rng.random(games) < right
    scores[won, truth[won]] = 2.0
    return Trials(
        arm="full",
        truth=truth,
        counts=np.full(games, CANDIDATES),
        scores={f"{part}/attack": scores},
        swapped={f"{part}/attack": blind},
        facts={"parameters": None},
    )


def judged(
    claim: Claim,
    trials: Sequence[Trials],
    reference: Sequence[Trials],
    *,
    exact: Sequence[dict[str, Any]] = (),
    alpha: float = 0.01,
    profile: str = "quick",
) -> Finding:
    case = Case(
        id="test/he",
        scenario="test",
        question="?",
        defense={"name": "He"},
        claim=claim,
        role=Role.CLAIM,
        trials=trials,
        reference=reference,
        exact=exact,
    )
    return audit(case, alpha=alpha, profile=profile, seed=0)


def test_a_picture_that_is_seen_is_refuted_with_leakage_one() -> None:
    found = judged(IMAGE, [images(0.0)], [images(0.0)])
    assert found.verdict is Verdict.REFUTED
    leak = next(row for row in found.rows if row.wins is None)
    assert leak.estimate == pytest.approx(1.0)
    assert leak.refutes
    assert {m["name"] for m in found.measures} >= {"LPIPS (AlexNet, v0.1)"}


def test_half_of_the_picture_is_half_the_leakage_and_refuted_without_retrieval() -> None:
    half = images(0.0)
    own = half.scores["image/attack"]
    own[:] = -1.0  # every candidate alike: retrieval stays at chance
    own[np.arange(GAMES), half.truth] = (
        0.5 * half.scores["image/nothing seen"][np.arange(GAMES), half.truth]
    )
    own[np.arange(GAMES), (half.truth + 1) % CANDIDATES] = 0.0
    found = judged(IMAGE, [half], [images(0.0)])
    leak, retrieval = sorted(found.rows, key=lambda row: row.wins is not None)
    assert leak.estimate == pytest.approx(0.5, abs=1e-6)
    assert leak.refutes
    assert not retrieval.refutes
    assert found.verdict is Verdict.REFUTED


def test_what_is_hidden_is_not_refuted_where_the_games_would_have_shown_it() -> None:
    found = judged(IMAGE, [images(1.05)], [images(0.0)])
    assert found.verdict is Verdict.NOT_REFUTED
    assert found.detectable is not None
    assert 0 < found.detectable <= 0.25
    assert all(0.5 < row.ceiling <= 1 for row in found.rows)


def test_full_asks_for_more_games_than_quick() -> None:
    assert judged(IMAGE, [images(1.05)], [images(0.0)], profile="full").verdict is (
        Verdict.INCONCLUSIVE
    )


def test_a_view_that_can_be_simulated_needs_fewer_games() -> None:
    few, plain = named(0.01, games=10), named(1.0)
    assert judged(PROMPT, [few], [plain]).verdict is Verdict.INCONCLUSIVE
    assert judged(PROMPT, [few], [plain], exact=[COVERED]).verdict is Verdict.NOT_REFUTED
    failed = {**COVERED, "holds": False}
    assert judged(PROMPT, [few], [plain], exact=[failed]).verdict is Verdict.INCONCLUSIVE


def test_the_exact_argument_does_not_save_a_claim_that_games_refute() -> None:
    found = judged(PROMPT, [named(1.0)], [named(1.0)], exact=[COVERED])
    assert found.verdict is Verdict.REFUTED


def test_controls_that_miss_make_it_inconclusive() -> None:
    weak = judged(PROMPT, [named(0.01)], [named(0.5)])
    assert weak.verdict is Verdict.INCONCLUSIVE
    assert "undefended pipeline" in weak.reason
    cheat = judged(IMAGE, [images(1.05, swapped=0.0)], [images(0.0)])
    assert cheat.verdict is Verdict.INCONCLUSIVE
    assert "swapped views" in cheat.reason


def test_an_attack_that_also_works_on_swapped_views_refutes_nothing() -> None:
    found = judged(IMAGE, [images(0.0, swapped=0.0)], [images(0.0)])
    assert found.verdict is Verdict.INCONCLUSIVE


def test_arms_of_a_curve_are_measured_and_not_judged() -> None:
    curve = images(0.0, measured=True)
    found = judged(IMAGE, [images(1.05), curve], [images(0.0)])
    assert found.verdict is Verdict.NOT_REFUTED
    shares = [m for m in found.measures if m["name"] == "normalized pixel similarity"]
    assert [m["estimate"] > 0.9 for m in shares] == [False, True]


def test_prompt_and_attributes_are_measured_along_the_curve_too() -> None:
    stated = {"tone": ["light"] * 70 + ["dark"] * 30}
    arms = [images(0.0, encrypted=x, measured=x < 1, attributes=stated) for x in (0.2, 1.0)]
    found = judged(IMAGE, arms, [images(0.0)])
    for what, floor in (("prompt", 0.01), ("tone", 0.7)):
        along = [m for m in found.measures if m["name"] == f"{what} of the nearest picture"]
        assert [m["along"][1] for m in along] == [0.2, 1.0]
        assert {(m["estimate"], m["floor"], m["ceiling"]) for m in along} == {(1.0, floor, 1.0)}


def test_nothing_played_is_inconclusive() -> None:
    assert judged(IMAGE, [], []).verdict is Verdict.INCONCLUSIVE
    assert judged(Indistinguishability(advantage=0.02), [], []).verdict is Verdict.INCONCLUSIVE


def test_the_leakage_is_paired_with_the_first_games_of_the_undefended_pipeline() -> None:
    plain = images(0.0)
    few = Trials(
        arm="full",
        truth=plain.truth[:10],
        counts=plain.counts[:10],
        scores={k: v[:10] for k, v in plain.scores.items()},
        swapped={k: v[:10] for k, v in plain.swapped.items()},
        facts=plain.facts,
    )
    found = judged(IMAGE, [few], [plain])
    leak = next(row for row in found.rows if row.wins is None)
    assert leak.estimate == pytest.approx(1.0)
    assert gain(plain, plain.scores["image/attack"], 10).shape == (10,)


@pytest.mark.parametrize(("right", "refuted"), [(1.0, True), (0.01, False)])
def test_indistinguishability_counts_latents_named(right: float, refuted: bool) -> None:
    claim = Indistinguishability(advantage=0.02)
    found = judged(claim, [named(right, "latent")], [named(1.0, "latent")])
    assert (found.verdict is Verdict.REFUTED) is refuted
    assert {row.metric for row in found.rows} == {"advantage over 1/N"}


@pytest.mark.parametrize(
    ("table", "bits", "verdict"),
    [
        (TABLES[0], (31, 26, 26, 26, 26, 26, 26, 31), Verdict.NOT_REFUTED),
        (TABLES[1], (31, 26, 26, 26, 26, 26, 26, 31), Verdict.REFUTED),
        (TABLES[1], (60, 40, 60), Verdict.NOT_REFUTED),
    ],
)
def test_the_security_level_is_looked_up(
    table: str, bits: tuple[int, ...], verdict: Verdict
) -> None:
    arm = named(0.0)
    facts = {"parameters": {"degree": 8192, "modulus_bits": list(bits)}, "steps": 10}
    arm = Trials(arm="full", truth=arm.truth, counts=arm.counts, scores={}, swapped={}, facts=facts)
    found = judged(SecurityLevel(bits=128, table=table), [arm], [])
    assert found.verdict is verdict
    assert str(sum(bits)) in found.reason
    assert found.exact[0]["modulus_bits"] == sum(bits)
    assert "precision lost if every hand-back were flooded" in {m["name"] for m in found.measures}


def test_without_encryption_there_are_no_bits() -> None:
    found = judged(SecurityLevel(bits=128, table=TABLES[0]), [named(0.0)], [])
    assert found.verdict is Verdict.REFUTED
    assert found.estimate == 0


def test_unknown_tables_and_other_claims_are_errors() -> None:
    facts = {"parameters": {"degree": 8192, "modulus_bits": [60, 40, 60]}}
    arm = Trials(
        arm="a", truth=np.zeros(2, int), counts=np.full(2, 100), scores={}, swapped={}, facts=facts
    )
    with pytest.raises(ValueError, match="editions 2018 and 2024"):
        judged(SecurityLevel(bits=128, table="mine"), [arm], [])
    with pytest.raises(TypeError, match="must be Hidden"):
        judged(Obliviousness(), [arm], [])


def test_a_true_claim_is_refuted_no_more_often_than_alpha() -> None:
    """At the edge of the claim, success 1/100 + 0.05. Fails on correct code with p = 1e-6."""
    seeds, alpha = 300, 0.05
    plain = named(1.0)
    refuted = sum(
        judged(PROMPT, [named(0.05, seed=s)], [plain], alpha=alpha).verdict is Verdict.REFUTED
        for s in range(seeds)
    )
    assert refuted <= at_most(seeds, alpha, failure=1e-6)
