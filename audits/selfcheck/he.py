"""Hold the audit of encryption against its broken copies and two honest protocols."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...adversaries.sealed import AT_ONCE
from ...defenses.claims import Indistinguishability
from ...defenses.he_diffusion.protocol import HeDiffusion
from ...defenses.plain import Plain
from ...scenarios.contract import Progress, silent
from ...scenarios.what_did_the_server_see import WhatDidTheServerSee
from ..config import RunConfig
from ..contest import Contest, contests_of, trials_of
from ..engine import setting_of
from ..folder import RunFolder
from ..verdict import Finding, Role, Verdict
from .broken_he import BROKEN, HONEST, Flooded

SCENARIO = WhatDidTheServerSee(games=0, curve=0, latents=8, keys=8)

KEYS = 24
"""Games about the key alone: enough for NOT_REFUTED without an exact argument."""


def check(
    *,
    seed: int = 0,
    alpha: float = 0.01,
    scenario: WhatDidTheServerSee = SCENARIO,
    kinds: tuple[type[HeDiffusion], ...] = (*BROKEN, *HONEST),
    sealed: bool = True,
    at_once: int = AT_ONCE,
    progress: Progress = silent,
) -> tuple[Finding, ...]:
    """Audit "two chosen secrets are not told apart" of every copy, on the tiny model.

    A copy that is not refuted, or an honest protocol that is, makes the audit itself suspect. A
    protocol that hands latents back behind noise is held to its key alone: the latents it shows.

    Args:
        seed: Of every random stream.
        alpha: Of each audit.
        scenario: Sizes of the games.
        kinds: Copies to audit, and honest protocols.
        sealed: Adversaries in processes of their own.
        at_once: Adversaries that play at the same time.
        progress: Shows how far it is.
    """
    config = RunConfig(model="tiny", seed=seed, alpha=alpha, sealed=sealed)
    with tempfile.TemporaryDirectory(prefix="latentleak-") as root:
        folder = RunFolder.start(Path(root) / "run", config, resume=False)
        setting = replace(setting_of(config, folder, progress), at_once=at_once)
        shared: dict[str, Any] = {"config": config, "folder": folder, "setting": setting}
        plain = _contest(scenario, Plain())
        every = [_contest(_sized(scenario, kind), kind()) for kind in kinds]
        trials = trials_of([plain, *every], config, folder, setting)
        reference = trials[plain.games]
        findings = []
        for kind, each in zip(kinds, every, strict=True):
            own, exact = trials[each.games], each.exact(setting)
            found = each.finding(own, reference, alpha=alpha, exact=exact, **shared)
            findings.append(_expected(found, kind))
    return tuple(findings)


def _sized(scenario: WhatDidTheServerSee, kind: type[HeDiffusion]) -> WhatDidTheServerSee:
    """It takes fewer games to find a mistake than to say that there is none."""
    if not issubclass(kind, Flooded):
        return scenario
    return replace(scenario, latents=0, keys=KEYS if kind in HONEST else scenario.keys)


def _contest(scenario: WhatDidTheServerSee, defense: Any) -> Contest:
    name, adversaries = type(defense).__name__.lower(), scenario.adversaries()
    every = contests_of(scenario, name, defense, adversaries)
    return next(each for each in every if isinstance(each.claim, Indistinguishability))


def _expected(finding: Finding, kind: type[HeDiffusion]) -> Finding:
    effect = getattr(kind, "effect", "The honest protocol.")
    return replace(
        finding,
        id=f"selfcheck/{kind.__name__.lower()}",
        role=Role.CONTROL,
        expected=Verdict.NOT_REFUTED if kind in HONEST else Verdict.REFUTED,
        reason=f"{effect} {finding.reason}",
    )
