"""What a run could not measure, and why: noted, never dropped, and never taken for a good sign."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..defenses.spec import SpecError
from ..scenarios.contract import Trials
from ..targets.errors import TargetError
from .config import UsageError
from .verdict import Control, Finding, Verdict

FAILED = "failed"
"""Fact of an arm: adversaries that did not play it, and why."""


class Failures:
    """Reasons by the games or the finding that they concern.

    Args:
        folder: Where tracebacks are written; None keeps nothing: every failure is raised.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.keeps = folder is not None
        self.reasons: dict[str, str] = {}
        self.adversaries: list[tuple[Any, str, str]] = []
        self._folder = folder

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Note what goes wrong inside; mistakes of the caller are raised all the same."""
        try:
            yield
        except (UsageError, SpecError, TargetError):
            raise
        except Exception as error:  # a stranger's defence or scenario fails in any way it likes
            if not self.keeps:
                raise
            self.reasons.setdefault(name, self._noted(name, error))

    def adversary(self, name: str, arm: Any, error: Exception) -> None:
        """Note that an adversary did not play an arm."""
        reason = self._noted(f"{name}-{arm.name}", error)
        self.adversaries.append((arm, name, reason))

    def noted(self, trials: Trials, played: Any, mark: int) -> Trials:
        """Trials that say which adversaries failed.

        Args:
            trials: Of an arm.
            played: The arm as played, or the arm itself.
            mark: Failures before this one concern other judgements.
        """
        arm = getattr(played, "arm", played)
        mine = {who: why for which, who, why in self.adversaries[mark:] if which is arm}
        return replace(trials, facts={**trials.facts, FAILED: mine}) if mine else trials

    def _noted(self, name: str, error: Exception) -> str:
        lines = str(error).strip().splitlines()
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            slug = "".join(letter if letter.isalnum() else "-" for letter in name)
            text = "".join(traceback.format_exception(error))
            (self._folder / f"{slug}.txt").write_text(text, encoding="utf-8")
        return f"{type(error).__name__}: {lines[-1] if lines else 'no message'}"


def failed_in(trials: Iterable[Trials]) -> Mapping[str, str]:
    """Adversaries that did not play some of these arms, and why."""
    return {who: why for each in trials for who, why in each.facts.get(FAILED, {}).items()}


def without(finding: Finding, failed: Mapping[str, str]) -> Finding:
    """The finding, which cannot speak for the defence where an adversary did not play."""
    if not failed:
        return finding
    control = Control(
        name="every adversary played",
        expected="all of them, in every arm",
        observed="failed: " + ", ".join(sorted(failed)),
        holds=False,
    )
    found = replace(finding, controls=(*finding.controls, control))
    if found.verdict is not Verdict.NOT_REFUTED:
        return found
    reason = f"controls that do not hold: {control.name} ({control.observed})"
    return replace(found, verdict=Verdict.INCONCLUSIVE, reason=reason)
