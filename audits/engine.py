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
from ..targets.pipeline import BUILT_IN, Target, load
from .ahead import do_ahead
from .cells import Cell, failed, load_cells, write_cells
from .config import RunConfig
from .contest import Contest, contests, scenarios_of
from .folder import RunFolder, host, versions, write_findings
from .matrix import absent
from .part import Part, lost, measured, of_scenario
from .report.read import load_findings
from .source import digests
from .statistics import split_alpha
from .verdict import SCHEMA, Finding, Role, Verdict

Announce = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: The run folder.
        findings: As in `findings.jsonl`.
        cells: As in `cells.jsonl`.
    """

    folder: Path
    findings: tuple[Finding, ...]
    cells: tuple[Cell, ...] = ()

    @property
    def exit_status(self) -> int:
        """1 if a claim is refuted, 4 if a cell failed, 3 if a claim is inconclusive, else 0."""
        verdicts = {f.verdict for f in self.findings if f.role is Role.CLAIM}
        if Verdict.REFUTED in verdicts:
            return 1
        if failed(self.cells):
            return 4
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
    fresh = config.model not in BUILT_IN and not Path(out).exists()
    model = _chosen(config) if fresh else None  # one that is not found leaves no folder behind
    folder = RunFolder.start(Path(out), config, resume=resume)
    for each in every:
        if announce is not None:
            announce(each.announcement())
    if folder.complete:
        return _result(folder)
    record = _record(config, split)
    folder.write_record(record)
    parts = _parts(every, config, folder, setting_of(config, folder, progress, model), split)
    write_findings(folder.path, (f for part in parts for f in part.findings))
    cells = (*(c for part in parts for c in part.cells), *absent(every))
    write_cells(folder.path, cells)
    result = _result(folder)
    seconds = round(time.monotonic() - clock, 1)
    folder.write_record(record | {"seconds": seconds, "exit_status": result.exit_status})
    if not failed(cells):
        folder.clean()
    return result


def _result(folder: RunFolder) -> RunResult:
    findings, cells = load_findings(folder.path), load_cells(folder.path)
    return RunResult(folder=folder.path, findings=findings, cells=cells)


def setting_of(
    config: RunConfig, folder: RunFolder, progress: Progress, model: Target | None = None
) -> Setting:
    """What all arms share; models are opened when first asked for.

    Args:
        config: Of the run.
        folder: Of the run.
        progress: Shows how far it is.
        model: The chosen one, if it was looked up before.
    """
    opened: dict[str, Target] = {} if model is None else {"chosen": model}

    def target(name: str) -> Target:
        if name not in opened:
            opened[name] = _chosen(config) if name == "chosen" else load(name, device="cpu")
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


def _chosen(config: RunConfig) -> Target:
    return load(
        config.model,
        local=config.local_model,
        revision=config.revision,
        dtype=config.dtype,
        device=config.device,
    )


def _record(config: RunConfig, split: Mapping[str, float]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "command": ["latentleak", *sys.argv[1:]],
        "config": config.to_dict(),
        "alpha_split": dict(split),
        "versions": versions(),
        "code": digests(),
        "host": host(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _parts(
    every: tuple[Contest, ...],
    config: RunConfig,
    folder: RunFolder,
    setting: Setting,
    split: Mapping[str, float],
) -> list[Part]:
    """A single scenario here; several side by side, each with a folder until all are done."""
    names = tuple(dict.fromkeys(each.scenario.name for each in every))
    if len(scenarios_of(config)) == 1:
        return [measured(every, config, folder, setting, split)]
    died = do_ahead(every, config, folder, setting.progress, split)
    return [
        lost(name, every)
        if name in died
        else of_scenario(name, every, config, folder, setting, split)
        for name in names
    ]
