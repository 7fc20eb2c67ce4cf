"""Run scenarios against defences, audit the claims, keep everything in one folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..scenarios.contract import Progress, Setting, silent
from ..targets.pipeline import Target, load
from .catalog import name_of
from .config import RunConfig
from .contest import Contest, contests, scenarios_of, trials_of
from .folder import RunFolder, host, versions
from .report.read import load_findings
from .statistics import split_alpha
from .verdict import SCHEMA, Finding, Role, Verdict

Announce = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: The run folder.
        findings: As in `findings.jsonl`.
    """

    folder: Path
    findings: tuple[Finding, ...]

    @property
    def exit_status(self) -> int:
        """1 if a claim is refuted, 3 if one is inconclusive, else 0."""
        verdicts = {f.verdict for f in self.findings if f.role is Role.CLAIM}
        if Verdict.REFUTED in verdicts:
            return 1
        return 3 if Verdict.INCONCLUSIVE in verdicts else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "folder": self.folder.name,
            "exit_status": self.exit_status,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __repr__(self) -> str:
        lines = "\n  ".join(repr(finding) for finding in self.findings)
        return f"<RunResult {self.folder.name}, exit status {self.exit_status}\n  {lines}>"


def run(
    config: RunConfig,
    *,
    out: Path | str,
    resume: bool = False,
    progress: Progress = silent,
    announce: Announce | None = None,
) -> RunResult:
    """Play, attack, audit; write the run folder.

    Args:
        config: What to run.
        out: The run folder; must not exist unless `resume`.
        resume: Complete an interrupted run of the same configuration.
        progress: Shows how far it is.
        announce: Called with the threat model of each claim before any number.

    Raises:
        UsageError: If the configuration cannot be run, or `out` holds another run.
    """
    clock = time.monotonic()
    every = contests(config, scenarios_of(config))
    claims = [each.id for each in every if each.role is Role.CLAIM]
    split = split_alpha(config.alpha, claims=claims) if claims else {}
    folder = RunFolder.start(Path(out), config, resume=resume)
    for each in every:
        if announce is not None:
            announce(each.announcement())
    if folder.complete:
        return RunResult(folder=folder.path, findings=load_findings(folder.path))
    record = _record(config, split)
    folder.write_record(record)
    findings = _findings(every, config, folder, setting_of(config, folder, progress), split)
    result = RunResult(folder=folder.path, findings=findings)
    folder.write_findings(findings)
    seconds = round(time.monotonic() - clock, 1)
    folder.write_record(record | {"seconds": seconds, "exit_status": result.exit_status})
    folder.clean()
    return result


def setting_of(config: RunConfig, folder: RunFolder, progress: Progress) -> Setting:
    """What all arms share; models are opened when first asked for."""
    opened: dict[str, Target] = {}

    def target(name: str) -> Target:
        if name not in opened and name == "chosen":
            opened[name] = load(
                config.model,
                local=config.local_model,
                revision=config.revision,
                dtype=config.dtype,
                device=config.device,
            )
        elif name not in opened:
            opened[name] = load(name, device="cpu")
        return opened[name]

    return Setting(
        target=target,
        seed=config.seed,
        work=folder.work,
        artifacts=folder.artifacts,
        threads=config.threads,
        sealed=config.sealed,
        progress=progress,
    )


def _record(config: RunConfig, split: Mapping[str, float]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": ["latentleak", *sys.argv[1:]],
        "config": config.to_dict(),
        "alpha_split": dict(split),
        "versions": versions(),
        "host": host(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _findings(
    every: tuple[Contest, ...],
    config: RunConfig,
    folder: RunFolder,
    setting: Setting,
    split: Mapping[str, float],
) -> tuple[Finding, ...]:
    trials = trials_of(every, config, folder, setting)
    firsts = {each.games: each for each in reversed(every)}
    exact = {games: each.exact(setting) for games, each in firsts.items()}
    return tuple(
        each.finding(
            trials[each.games],
            trials[f"{each.scenario.name}/{name_of('defense', each.scenario.controls[0])}"],
            config=config,
            folder=folder,
            setting=setting,
            alpha=split.get(each.id, config.alpha),
            exact=exact[each.games],
        )
        for each in every
    )
