"""The obliviousness audit catches every broken copy, spares the honest one, measures a leak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from latentleak.audits.selfcheck.broken_obclip import BROKEN, EarlyExit
from latentleak.audits.selfcheck.oblivious import check
from latentleak.audits.statistics import at_most
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.defenses.claims import Obliviousness
from latentleak.defenses.obclip.procedure import Procedure
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.defenses.plain import Plain
from latentleak.defenses.wire import Party, Server
from latentleak.scenarios.contract import Trials
from latentleak.scenarios.which_prompt import WhichPrompt, WhichPromptTimed
from latentleak.targets.pipeline import Target

SMALL = WhichPrompt(full_games=0, cheap_games=64, cheap_shadow=32, sessions=2)
ALPHA = 1e-6
"""Each audit in this file refutes a true claim with at most this probability."""


def test_every_broken_copy_is_refuted_and_the_honest_one_is_not() -> None:
    findings = check(scenario=SMALL, alpha=ALPHA, sealed=False)
    verdicts = {finding.id: finding.verdict for finding in findings}
    for kind in BROKEN:
        assert verdicts[f"selfcheck/{kind.__name__.lower()}"] is Verdict.REFUTED, kind
    assert verdicts["selfcheck/obclip"] is not Verdict.REFUTED
    assert not [f.id for f in findings if f.expected is Verdict.REFUTED and f.surprising]


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
    seeds, alpha = 200, 0.05
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


def test_an_early_exit_is_caught_by_the_servers_own_clock(tmp_path: Path) -> None:
    scenario = WhichPromptTimed(games=60, shadow=24)
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
