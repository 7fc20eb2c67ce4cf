"""What ships is what is on disk, under its installed name."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("targets", "defenses", "adversaries", "scenarios", "audits")


def _sources() -> list[Path]:
    return [p for layer in LAYERS for p in sorted((ROOT / layer).rglob("*.py"))]


def test_the_wheel_holds_every_file(tmp_path: Path) -> None:
    command = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        inside = {name for name in wheel.namelist() if name.startswith("latentleak/")}
    on_disk = {
        f"latentleak/{path.relative_to(ROOT).as_posix()}"
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == on_disk


@pytest.mark.parametrize("path", _sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_imports_itself_relatively(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        banned = {*LAYERS, "latentleak", "pickle"}
        if path.name == "lpips_backbone.py":
            banned -= {"pickle"}  # reads one published pickle, once, with arrays alone allowed
        for name in names:
            assert name.partition(".")[0] not in banned, name


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_is_typed(layer: str) -> None:
    assert (ROOT / layer / "py.typed").is_file()


def test_importing_the_layers_does_not_import_torch() -> None:
    code = (
        "import sys;"
        + ";".join(f"import latentleak.{layer}" for layer in LAYERS)
        + ";import latentleak.audits.cli, latentleak.audits.catalog"
        + ";assert not {'torch', 'diffusers', 'scipy', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_modules_stay_small() -> None:
    sizes = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in _sources()}
    assert max(sizes.values()) <= 400, max(sizes, key=lambda p: sizes[p])
    assert sorted(sizes.values())[len(sizes) // 2] < 120
