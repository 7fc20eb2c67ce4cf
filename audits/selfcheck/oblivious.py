"""Hold the obliviousness audit against its broken copies and the honest original."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...adversaries.contract import Adversary
from ...adversaries.sealed import AT_ONCE
from ...defenses.obclip.protocol import ObClip
from ...defenses.plain import Plain
from ...scenarios.contract import Progress, silent
from ...scenarios.which_prompt import WhichPrompt
from ..config import RunConfig
from ..contest import Contest, contests_of, trials_of
from ..engine import setting_of
from ..folder import RunFolder
from ..verdict import Finding, Role, Verdict
from .broken_obclip import BROKEN

SCENARIO = WhichPrompt(
    full_games=0,
    cheap_games=120,
    cheap_shadow=48,
    follow_ups=0,
    accelerated=0,
    skewed=0,
    mentions=0,
)
"""Cheap games under the uniform prior, which the claim is about."""


def check(
    *,
    seed: int = 0,
    alpha: float = 0.01,
    scenario: WhichPrompt = SCENARIO,
    kinds: tuple[type[ObClip], ...] = (*BROKEN, ObClip),
    share: float = 0.5,
    sealed: bool = True,
    at_once: int = AT_ONCE,
    progress: Progress = silent,
) -> tuple[Finding, ...]:
    """Audit every copy on the tiny model; each finding is a control with its expected verdict.

    A copy that is not refuted, or an honest protocol that is, makes the audit itself suspect.

    Args:
        seed: Of every random stream.
        alpha: Of each audit.
        scenario: Sizes of the games that the honest protocol plays.
        kinds: Copies to audit; `ObClip` itself is the honest one.
        share: Of these games, how many a broken copy plays; of the labelled ones, also how many
            the undefended pipeline does.
        sealed: Adversaries in processes of their own.
        at_once: Adversaries that play at the same time.
        progress: Shows how far it is.
    """
    config = RunConfig(model="tiny", seed=seed, alpha=alpha, sealed=sealed)
    adversaries = scenario.adversaries()
    with tempfile.TemporaryDirectory(prefix="latentleak-") as root:
        folder = RunFolder.start(Path(root) / "run", config, resume=False)
        setting = replace(setting_of(config, folder, progress), at_once=at_once)
        shared: dict[str, Any] = {"config": config, "folder": folder, "setting": setting}
        fewer = replace(scenario, cheap_shadow=_part(scenario.cheap_shadow, share))
        plain = _contest(fewer, Plain(), adversaries)
        every = [_contest(_sized(scenario, kind, share), kind(), adversaries) for kind in kinds]
        trials = trials_of([plain, *every], config, folder, setting)
        reference = trials[plain.games]
        findings = []
        for kind, each in zip(kinds, every, strict=True):
            finding = each.finding(trials[each.games], reference, alpha=alpha, exact=(), **shared)
            findings.append(_expected(finding, kind))
    return tuple(findings)


def _sized(scenario: WhichPrompt, kind: type[ObClip], share: float) -> WhichPrompt:
    """It takes fewer games to find a mistake than to say that there is none."""
    if kind is ObClip:
        return scenario
    games, shadow = (_part(n, share) for n in (scenario.cheap_games, scenario.cheap_shadow))
    return replace(scenario, cheap_games=games, cheap_shadow=shadow)


def _part(games: int, share: float) -> int:
    return max(2, round(share * games))


def _contest(scenario: WhichPrompt, defense: Any, adversaries: Mapping[str, Adversary]) -> Contest:
    name = type(defense).__name__.lower()
    return contests_of(scenario, name, defense, adversaries)[0]


def _expected(finding: Finding, kind: type[ObClip]) -> Finding:
    honest = kind is ObClip
    effect = getattr(kind, "effect", "The honest protocol.")
    return replace(
        finding,
        role=Role.CONTROL,
        id=f"selfcheck/{kind.__name__.lower()}",
        expected=Verdict.NOT_REFUTED if honest else Verdict.REFUTED,
        reason=f"{effect} {finding.reason}",
    )
