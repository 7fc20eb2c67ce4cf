"""From guesses to a verdict.

    >>> from latentleak.audits import run, load_findings  # doctest: +SKIP
    >>> result = run("which-prompt", out="runs/first")    # doctest: +SKIP

Names are imported when first used, so that the command line starts without torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import RunResult
    from .verdict import Finding

__all__ = ["load_findings", "run"]


def run(
    *scenarios: str, out: Path | str = "runs/latest", resume: bool = False, **options: Any
) -> RunResult:
    """Run scenarios and audit their claims: `latentleak run`, from Python.

    Args:
        *scenarios: Ids or paths; `which-prompt` if none is named.
        out: The run folder.
        resume: Complete an interrupted run.
        **options: Fields of `config.RunConfig`, such as `profile`, `defense`, `seed`.

    Returns:
        The findings, with a readable repr and `to_dict()`.

    Raises:
        UsageError: If the options cannot be run; the message says what would do.
    """
    from .config import RunConfig, UsageError
    from .workers import warm

    unknown = sorted(set(options) - set(RunConfig.__dataclass_fields__))
    if unknown:
        valid = ", ".join(RunConfig.__dataclass_fields__)
        raise UsageError(f"{unknown[0]!r} is not an option of run; valid: {valid}")
    names: dict[str, Any] = {"scenarios": scenarios} if scenarios else {}
    config = RunConfig(**names, **options)
    warm(config)
    from .engine import run as start

    return start(config, out=out, resume=resume)


def load_findings(folder: Path | str) -> tuple[Finding, ...]:
    """Read the findings of a run folder.

    Raises:
        RunFolderError: If the folder is not a finished run.
    """
    from .report.read import load_findings as read

    return read(Path(folder))
