"""Where a run goes that is not told where."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentleak.audits.config import RunConfig
from latentleak.audits.folder import default_folder


@pytest.mark.parametrize(
    ("scenarios", "name"),
    [
        (("which-prompt",), "which-prompt-quick-7"),
        (("which-prompt", "was-it-in-training"), "which-prompt-was-it-in-training-quick-7"),
        (("all",), "all-quick-7"),
        (("games/mine.py:WhoAsked",), "whoasked-quick-7"),
        (("/srv/games/mine.py:WhoAsked",), "whoasked-quick-7"),
        (("../mine.py:WhoAsked", "which-prompt"), "whoasked-which-prompt-quick-7"),
        (("my.games:WhoAsked",), "whoasked-quick-7"),
    ],
)
def test_a_run_goes_to_one_folder_below_runs(scenarios: tuple[str, ...], name: str) -> None:
    """Whatever path names the scenario, also an absolute one."""
    assert default_folder(RunConfig(scenarios=scenarios, seed=7)) == Path("runs", name)
