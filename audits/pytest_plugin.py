"""Gate a test suite on findings: `addopts = "-p latentleak.audits.pytest_plugin"`.

def test_prompt_stays_hidden(latentleak_run):
    assert latentleak_run("which-prompt", defense="mine:Mine").exit_status == 0
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import run


@pytest.fixture
def latentleak_run(tmp_path: Path) -> Callable[..., Any]:
    """`latentleak.audits.run` with a run folder of the test's own."""

    def start(*scenarios: str, **options: Any) -> Any:
        return run(*scenarios, out=tmp_path / "run", **options)

    return start
