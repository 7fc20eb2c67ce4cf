"""A third-party package adds an adversary through an entry point, and it runs sealed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from latentleak.audits import load_findings

PLUGIN = Path(__file__).parents[1] / "plugin"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the plug-in installed on top of this one."""
    folder = tmp_path_factory.mktemp("plugin") / "venv"
    venv.create(folder, with_pip=False)
    paths = {"base": str(folder), "platbase": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=paths))
    parent = sysconfig.get_path("purelib")
    (site / "parent.pth").write_text(f"import site; site.addsitedir({parent!r})\n")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "example_leak.py"):
        (source / name).write_text((PLUGIN / name).read_text())
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(site), str(source)],
        check=True,
        capture_output=True,
    )
    return folder / "bin" / "python"


def test_it_is_listed_conforms_and_plays_sealed(python: Path, tmp_path: Path) -> None:
    def latentleak(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(python), "-m", "latentleak.audits.cli", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"},
            check=False,
        )

    assert "last-row" in latentleak("list").stdout
    conforms = latentleak("conformance", "adversary", "last-row")
    assert conforms.returncode == 0, conforms.stderr
    done = latentleak(
        "run",
        "which-prompt",
        "--adversary=last-row",
        "--model=tiny",
        "--trials=120",
        "--set=scenario.full_games=0",
        "--set=scenario.cheap_shadow=2",
        "--set=scenario.sessions=1",
        "--set=scenario.skewed=0",
        "--set=scenario.accelerated=0",
        "--set=scenario.mentions=0",
        "--set=scenario.published=0",
        "--out=out",
    )
    assert done.returncode == 0, done.stderr
    rows = [r for f in load_findings(tmp_path / "out") for r in f.rows if r.adversary == "last-row"]
    assert rows
    assert all(row.games["sealed"] for row in rows)
