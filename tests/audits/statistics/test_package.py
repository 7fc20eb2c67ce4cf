"""The package as a whole: examples run, exports are complete, imports stay light."""

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from latentleak.audits import statistics

MODULES = sorted(m.name for m in pkgutil.iter_modules(statistics.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"{statistics.__name__}.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", statistics.__all__)
def test_public_functions_have_an_example(name: str) -> None:
    public = getattr(statistics, name)
    if callable(public) and not isinstance(public, type):
        assert ">>>" in public.__doc__
        assert "Raises:" in public.__doc__


def test_imports_nothing_heavy() -> None:
    """NumPy and SciPy only; `scipy.stats` alone would cost half a second of start-up."""
    allowed = {"numpy", "scipy", "__future__", *sys.stdlib_module_names}
    for path in Path(statistics.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= allowed, path.name
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert str(node.module).split(".")[0] in allowed, path.name
    code = (
        f"import sys, {statistics.__name__}; "
        "print(*{'torch', 'scipy.stats', 'sklearn'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
