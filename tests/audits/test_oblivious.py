"""The obliviousness audit catches every broken copy, spares the honest one, measures a leak."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from latentleak.audits.case import Case
from latentleak.audits.config import RunConfig
from latentleak.audits.contest import contests_of
from latentleak.audits.engine import setting_of
from latentleak.audits.folder import RunFolder
from latentleak.audits.obliviousness.audit import audit
from latentleak.audits.selfcheck import broken_obclip
from latentleak.audits.selfcheck.broken_obclip import BROKEN, EarlyExit
from latentleak.audits.selfcheck.oblivious import check
from latentleak.audits.statistics import at_most
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.defenses.claims import Obliviousness
from latentleak.defenses.obclip.procedure import Procedure
from latentleak.defenses.obclip.protocol import ObClip, ObClipServer
from latentleak.defenses.plain import Plain
from latentleak.defenses.wire import Party, Server
from latentleak.scenarios.contract import Trials
from latentleak.scenarios.which_prompt import WhichPrompt, WhichPromptTimed
from latentleak.targets.pipeline import Target

SMALL = WhichPrompt(
    full_games=0,
    cheap_games=64,
    cheap_shadow=32,
    sessions=2,
    follow_ups=0,
    accelerated=0,
    skewed=0,
    mentions=0,
)
ALPHA = 1e-6
"""Each audit in this file refutes a true claim with at most this probability."""


def test_every_broken_copy_is_refuted_and_the_honest_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before a server that does not denoise: no mistake of these shows in the latents."""
    monkeypatch.setattr(ObClipServer, "generate", _undenoised)
    few = replace(SMALL, cheap_games=48, cheap_shadow=24)
    for finding in check(scenario=few, alpha=1e-2, kinds=BROKEN, sealed=False):
        assert finding.verdict is Verdict.REFUTED, finding.id
        assert not finding.surprising
    (honest,) = check(scenario=few, alpha=ALPHA, kinds=(ObClip,), sealed=False)
    assert honest.verdict is not Verdict.REFUTED


def _undenoised(self: ObClipServer, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return tensors["noise"].repeat(int((tensors["prompts"] == 0).sum()), 1, 1, 1)


class _NoModel:
    """Returns the noise: what text adversaries read does not depend on the latents."""

    def handle(self, kind: str, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        if kind == "acknowledge":
            return {}
        rows = int((tensors["prompts"] == 0).sum())
        return {"latents": tensors["noise"].repeat(rows, 1, 1, 1).half()}


@dataclass(frozen=True, kw_only=True)
class Fast(ObClip):
    """The honest client before a server that does not denoise."""

    steps: int = 2
    k: int = 1

    def server(self, me: Party, target: Target, seed: int) -> Server:
        return _NoModel()


def _sometimes_first(rows: list[str], real: str) -> list[str]:
    """In one game of two, by the rows' own coin, the real prompt comes first."""
    coin = int.from_bytes(real.encode()[:1], "big") + len(real)
    return [real, *(r for r in rows if r != real)] if coin % 2 else rows


@dataclass(frozen=True, kw_only=True)
class Planted(Fast):
    """Puts the real prompt first exactly where its text has an odd code: a known leak."""

    procedure: Procedure = field(default_factory=lambda: Procedure(order=_sometimes_first))


def _trials(defense: ObClip, seed: int, folder: Path, games: int) -> Sequence[Trials]:
    scenario = replace(SMALL, cheap_games=games, cheap_shadow=8, sessions=1)
    adversaries = scenario.adversaries()
    config = RunConfig(model="tiny", seed=seed, sealed=False)
    run = RunFolder.start(folder, config, resume=False)
    from latentleak.scenarios.contract import silent

    return contests_of(scenario, "fast", defense, adversaries)[0].trials(
        config, run, setting_of(config, run, silent)
    )


def _audit(trials: Sequence[Trials], alpha: float, seed: int = 0) -> Finding:
    case = Case(
        id="test/fast",
        scenario="test",
        question="?",
        defense={"name": "Fast"},
        claim=Obliviousness(),
        role=Role.CLAIM,
        trials=trials,
        reference=(),
    )
    return audit(case, alpha=alpha, profile="quick", seed=seed)


def test_the_honest_protocol_is_refuted_no_more_often_than_alpha(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H0: the audit is valid at alpha = 0.05. Fails on correct code with probability 1e-6."""
    monkeypatch.setattr(ObClip, "_finish", lambda self, local, latents, real: latents)
    seeds, alpha = 30, 0.05
    refuted = 0
    for seed in range(seeds):
        trials = _trials(Fast(), seed, tmp_path / str(seed), games=12)
        refuted += _audit(trials, alpha, seed).verdict is Verdict.REFUTED
    assert refuted <= at_most(seeds, alpha, failure=1e-6)


def test_a_planted_leak_is_recovered_within_its_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ObClip, "_finish", lambda self, local, latents, real: latents)
    trials = _trials(Planted(), 1, tmp_path / "run", games=200)[0]
    finding = _audit([trials], ALPHA)
    row = next(r for r in finding.rows if r.adversary == "position")
    # Position wins where the real prompt was moved first, or stands first anyway.
    sets = [ObClip().candidates(p) for p in SMALL.arms(ObClip(), "quick")[0].prompts]
    truth = np.mean(
        [
            np.mean([_sometimes_first(list(c), real)[0] == real for real in c]) - 1 / len(c)
            for c in sets
        ]
    )
    assert row.interval[0] <= truth <= row.interval[1]
    assert finding.verdict is Verdict.REFUTED


def test_a_control_that_misses_makes_the_claim_inconclusive(tmp_path: Path) -> None:
    n = 400
    rng = np.random.default_rng(0)
    truth, counts = rng.integers(0, 6, n), np.full(n, 6)
    blind = {"position": np.zeros((n, 6))}
    cheat = {"position": np.eye(6)[truth]}

    def verdict(scores: dict[str, np.ndarray], swapped: dict[str, np.ndarray]) -> Finding:
        trials = Trials(arm="cheap", truth=truth, counts=counts, scores=scores, swapped=swapped)
        return _audit([trials], 0.01)

    assert verdict(blind, blind).verdict is Verdict.NOT_REFUTED
    assert verdict(cheat, blind).verdict is Verdict.REFUTED
    broken = verdict(blind, cheat)
    assert broken.verdict is Verdict.INCONCLUSIVE
    assert "swapped views" in broken.reason
    assert verdict(cheat, cheat).verdict is Verdict.INCONCLUSIVE


def test_success_that_depends_on_the_seed_makes_the_claim_inconclusive() -> None:
    n = 200
    truth, counts = np.arange(n) % 2, np.full(n, 2)
    blind = {"position": np.zeros((n, 2))}
    right = {"position": np.eye(2)[truth]}

    def finding(again: dict[str, np.ndarray]) -> Finding:
        base = Trials(arm="cheap", truth=truth, counts=counts, scores=blind, swapped=blind)
        control = Trials(
            arm="re-keyed",
            truth=truth,
            counts=counts,
            scores=again,
            swapped=blind,
            facts={"control_of": "cheap"},
        )
        return _audit([base, control], 0.01)

    assert finding(blind).verdict is Verdict.NOT_REFUTED
    assert {row.arm for row in finding(blind).rows} == {"cheap"}
    assert finding(right).verdict is Verdict.INCONCLUSIVE
    assert "re-keyed games" in finding(right).reason


def test_too_few_games_are_inconclusive() -> None:
    truth = np.arange(12) % 6
    blind = {"position": np.zeros((12, 6))}
    trials = Trials(arm="cheap", truth=truth, counts=np.full(12, 6), scores=blind, swapped=blind)
    finding = _audit([trials], 0.01)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "play more games" in finding.reason


@pytest.mark.clock
def test_an_early_exit_is_caught_by_the_servers_own_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look takes a fixed time, not a processor's: real clocks, and no matter what else runs."""
    monkeypatch.setattr(broken_obclip, "examine_until_found", _look_until_found)
    scenario = WhichPromptTimed(games=30, shadow=12)
    config = RunConfig(model="tiny", seed=3, sealed=False)
    folder = RunFolder.start(tmp_path / "run", config, resume=False)
    from latentleak.scenarios.contract import silent

    setting = setting_of(config, folder, silent)
    adversaries = scenario.adversaries()
    early = contests_of(scenario, "early", EarlyExit(), adversaries)[0]
    plain = contests_of(scenario, "plain", Plain(), adversaries)[0].trials(config, folder, setting)
    finding = early.finding(
        early.trials(config, folder, setting),
        plain,
        config=config,
        folder=folder,
        setting=setting,
        alpha=ALPHA,
        exact=early.exact(setting),
    )
    assert finding.timed
    assert finding.verdict is Verdict.REFUTED
    assert finding.rows[0].games["timed"]


def _look_until_found(real: int, preview: Callable[[int], object]) -> None:
    time.sleep(0.05 * (real + 1))


def _skewed(scores: np.ndarray, best: float, swapped: np.ndarray | None = None) -> Trials:
    n = len(scores)
    return Trials(
        arm="skewed prior",
        truth=np.zeros(n, dtype=np.int64),
        counts=np.full(n, 6),
        scores={"plausibility": scores},
        swapped={"plausibility": scores if swapped is None else swapped},
        facts={"prior": "measured", "best_guess": best},
    )


def _under(prior: str, trials: Sequence[Trials]) -> Finding:
    case = Case(
        id="test/fast",
        scenario="test",
        question="?",
        defense={"name": "Fast"},
        claim=Obliviousness(prior=prior),
        role=Role.CLAIM,
        trials=trials,
        reference=(),
    )
    return audit(case, alpha=0.01, profile="quick", seed=0)


def test_two_priors_are_two_claims_and_the_finding_says_by_how_much() -> None:
    n = 400
    rng = np.random.default_rng(0)
    blind = np.zeros((n, 6))
    uniform = Trials(
        arm="cheap",
        truth=rng.integers(0, 6, n),
        counts=np.full(n, 6),
        scores={"plausibility": blind},
        swapped={"plausibility": blind},
    )
    guess = np.eye(6)[(rng.random(n) < 0.5).astype(int) * 3]  # the likeliest, half of the time
    both = [uniform, _skewed(guess, best=0.5)]
    assert _under("uniform", both).verdict is Verdict.NOT_REFUTED
    found = _under("measured", both)
    assert found.verdict is Verdict.REFUTED
    assert {row.arm for row in found.rows} == {"skewed prior"}
    assert "the best guess without any view wins 0.500" in found.reason
    gained = next(m for m in found.measures if m["name"] == "advantage over the best prior guess")
    assert gained["interval"][0] < 0 < gained["interval"][1]
    assert gained["detectable"] > 0
    with pytest.raises(ValueError, match="no arm was played"):
        _under("measured", [uniform])


def test_swapped_views_may_win_what_the_prior_wins_and_no_more() -> None:
    n = 400
    always = np.eye(6)[np.zeros(n, dtype=int)]
    never = np.eye(6)[np.ones(n, dtype=int)]
    assert _under("measured", [_skewed(never, 0.5, swapped=always)]).controls[0].holds is False
    half = np.where(np.arange(n)[:, None] % 2 == 0, always, never)
    assert _under("measured", [_skewed(never, 0.5, swapped=half)]).controls[0].holds is True


def test_two_tries_leak_what_one_may_not() -> None:
    n = 600
    truth = np.random.default_rng(0).integers(0, 6, n)
    near = np.eye(6)[truth] + 2 * np.eye(6)[(truth + 1) % 6]  # the real one is always second
    trials = Trials(
        arm="cheap",
        truth=truth,
        counts=np.full(n, 6),
        scores={"plausibility": near},
        swapped={"plausibility": np.zeros((n, 6))},
    )
    measured = {m["name"]: m for m in _under("uniform", [trials]).measures}
    assert measured["min-entropy leakage"]["interval"][0] == 0
    assert measured["g-leakage, two tries"]["estimate"] == pytest.approx(np.log2(3))


def test_survivors_stand_beside_their_closed_form() -> None:
    n = 12
    blind = np.zeros((n, 6))
    trials = Trials(
        arm="cheap",
        truth=np.zeros(n, dtype=np.int64),
        counts=np.full(n, 6),
        scores={"nearest neighbor": blind},
        swapped={"nearest neighbor": blind},
        facts={"survival": {"decoys": [2.0, 1.0], "sets": [[6, 3, 12]]}},
    )
    finding = _under("uniform", [trials])
    measured = {m["name"]: m for m in finding.measures}
    assert measured["decoys left after 2 sessions"]["estimate"] == 1.0
    assert measured["decoys left after 2 sessions"]["closed form"] == pytest.approx(5 * 0.4**2)
    assert "survival" not in finding.rows[0].games
    assert any("Cover and Hart" in name for name in measured)
