"""Some contests of a run, from games to findings and cells, whatever fails on the way."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..scenarios.contract import Setting
from .catalog import name_of
from .cells import Cell, failed, load_cells, write_cells
from .config import RunConfig
from .contest import Contest, trials_of
from .failures import Failures
from .folder import RunFolder, write_findings
from .matrix import cells_of
from .report.read import FINDINGS, load_findings
from .verdict import Finding


@dataclass(frozen=True, kw_only=True)
class Part:
    """What became of some contests.

    Attributes:
        findings: Of those that could be audited.
        cells: Of all.
    """

    findings: tuple[Finding, ...]
    cells: tuple[Cell, ...]

    @property
    def failed(self) -> bool:
        """Whether a cell could not be measured."""
        return bool(failed(self.cells))

    def save(self, folder: Path) -> None:
        """Write it as a folder that `load` reads."""
        folder.mkdir(parents=True, exist_ok=True)
        write_cells(folder, self.cells)
        write_findings(folder, self.findings)

    @classmethod
    def load(cls, folder: Path) -> Part | None:
        """What `save` wrote, or None."""
        if not (folder / FINDINGS).exists():
            return None
        return cls(findings=load_findings(folder), cells=load_cells(folder))


def measured(
    every: Sequence[Contest],
    config: RunConfig,
    folder: RunFolder,
    setting: Setting,
    split: Mapping[str, float],
) -> Part:
    """Play, judge and audit contests.

    Args:
        every: All claims of the defences that they are about, and the undefended pipeline.
        config: Of the run.
        folder: Of the run.
        setting: Of the run.
        split: Alpha of each claim.
    """
    failures = Failures(folder.path / "errors")
    setting = replace(setting, failed=failures.adversary)
    trials = trials_of(every, config, folder, setting, failures)
    exact = _exact(every, setting, failures)
    findings = []
    for each in every:
        reference = _reference(each)
        if reference in failures.reasons and each.games not in failures.reasons:
            failures.reasons[each.id] = f"{reference} failed: {failures.reasons[reference]}"
        elif each.games not in failures.reasons:
            with failures.of(each.id):
                finding = each.finding(
                    trials[each.games],
                    trials[reference],
                    config=config,
                    folder=folder,
                    setting=setting,
                    alpha=split.get(each.id, config.alpha),
                    exact=exact[each.games],
                )
                findings.append(finding)
    cells = cells_of(every, trials, findings, failures.reasons)
    return Part(findings=tuple(findings), cells=cells)


def _exact(
    every: Sequence[Contest], setting: Setting, failures: Failures
) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Exact arguments, once for contests that share their games."""
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    for each in every:
        if each.games not in found and each.games not in failures.reasons:
            with failures.of(each.games):
                found[each.games] = each.exact(setting)
    return found


def _reference(contest: Contest) -> str:
    """Games of the undefended pipeline."""
    scenario = contest.scenario
    return f"{scenario.name}/{name_of('defense', scenario.controls[0])}"


def pictures_of(scenario: str, setting: Setting) -> Setting:
    """The setting of one scenario of several: defences play in more than one of them."""
    artifacts = setting.artifacts / scenario
    artifacts.mkdir(parents=True, exist_ok=True)
    return replace(setting, artifacts=artifacts)


def of_scenario(
    name: str,
    every: Sequence[Contest],
    config: RunConfig,
    folder: RunFolder,
    setting: Setting,
    split: Mapping[str, float],
) -> Part:
    """One scenario of several, or what an interrupted run made of it."""
    path = folder.path / "parts" / name
    stored = Part.load(path)
    if stored is not None and not stored.failed:
        return stored
    shutil.rmtree(path, ignore_errors=True)
    own = [each for each in every if each.scenario.name == name]
    part = measured(own, config, folder, pictures_of(name, setting), split)
    part.save(path)
    return part


def lost(name: str, every: Sequence[Contest]) -> Part:
    """A scenario whose process died: no finding, and cells that say so."""
    own = [each for each in every if each.scenario.name == name]
    reasons = {each.games: "its process died; too little memory?" for each in own}
    return Part(findings=(), cells=cells_of(own, {}, (), reasons))
