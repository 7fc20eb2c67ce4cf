"""Hand the jobs of all arms to the adversaries, as the run is set up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..adversaries.contract import Adversary, Guesses
from ..adversaries.jobs import Job
from ..adversaries.sealed import guess
from .contract import NamedArm, Setting


def ask(
    players: Mapping[str, tuple[Adversary, Sequence[Job]]],
    arms: Mapping[str, NamedArm],
    setting: Setting,
) -> dict[str, dict[str, Guesses]]:
    """Let every adversary play its jobs.

    Args:
        players: Techniques by name, each with its jobs; a control is named after its job.
        arms: Name of a job to the arm that it belongs to.
        setting: Of the run. Where it is told of failures, what failed is left out, and what was
            guessed is remembered in `work` for a run that is taken up again.

    Returns:
        Adversary's name to job's name to what was guessed.

    Raises:
        AdversaryError: If an adversary fails and `setting.failed` is None.
    """
    told = setting.failed

    def failed(who: str, job: str, error: Exception) -> None:
        assert told is not None
        told(who, arms[job], error)

    return guess(
        players,
        sealed=setting.sealed,
        threads=setting.threads,
        at_once=setting.at_once,
        done=lambda played, total: setting.progress("adversaries", played, total),
        failed=None if told is None else failed,
        kept=None if told is None else setting.work / "guesses",
    )
