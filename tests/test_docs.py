"""What the documentation shows is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _code(page: str) -> str:
    found = re.search(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found.group(1)


def _python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_python_of_the_readme(tmp_path: Path) -> None:
    done = _python("-W", "ignore", "-c", _code("README.md"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "<Finding which-prompt/obclip (claim): NOT_REFUTED" in done.stdout
    assert "byte-identical views: True" in done.stdout


def test_the_defense_of_the_guide_conforms_and_is_refuted(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(_code("docs/adding-a-defense.md"))
    latentleak = ("-W", "ignore", "-m", "latentleak.audits.cli")
    checked = _python(*latentleak, "conformance", "defense", "mine.py:Sorted", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    done = _python(
        *latentleak,
        "run",
        "which-prompt",
        "--defense=mine.py:Sorted",
        "--model=tiny",
        "--trials=40",
        "--set=scenario.full_games=0",
        "--set=scenario.sessions=1",
        "--set=scenario.skewed=0",
        "--set=scenario.accelerated=0",
        "--set=scenario.mentions=0",
        "--set=scenario.published=0",
        "--out=out",
        cwd=tmp_path,
    )
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_and_pictures_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target
