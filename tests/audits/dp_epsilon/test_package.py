"""The package as a whole: examples run, exports are complete, imports stay light."""

from __future__ import annotations

import doctest
import importlib
import inspect
import subprocess
import sys

import pytest

from latentleak.audits import dp_epsilon

MODULES = (
    "counting",
    "credible",
    "dispatch",
    "guesses",
    "held_out",
    "likelihood_ratio",
    "looks",
    "measure",
    "noncentral_t",
    "normality",
    "result",
    "scores",
    "search",
    "single_run",
    "single_run_fdp",
    "subsampled",
    "thresholds",
    "trade_off",
    "validate",
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"{dp_epsilon.__name__}.{name}")
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("name", dp_epsilon.__all__)
def test_public_functions_have_an_example(name: str) -> None:
    public = getattr(dp_epsilon, name)
    if inspect.isfunction(public) and public.__module__.rpartition(".")[2] in MODULES:
        assert ">>>" in str(public.__doc__)
        assert "Raises:" in str(public.__doc__)


def test_every_method_is_a_function_of_its_name() -> None:
    assert set(dp_epsilon.METHODS) <= set(dp_epsilon.__all__)


def test_imports_nothing_heavy() -> None:
    code = (
        f"import sys, {dp_epsilon.__name__}; "
        "print(*{'torch', 'scipy.stats', 'sklearn', 'dp_accounting'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""
