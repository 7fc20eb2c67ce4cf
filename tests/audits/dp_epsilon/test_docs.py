"""The page about the bounds shows what the code does, and names every public bound."""

from __future__ import annotations

import doctest
from pathlib import Path

from latentleak.audits.dp_epsilon import (
    bayesian,
    clopper_pearson,
    gaussian_likelihood_ratio,
    gdp,
    one_run,
    one_run_fdp,
)

PAGE = Path(__file__).parents[3] / "docs" / "dp-bounds.md"


def test_examples() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 0
    assert found.failed == 0


def test_every_bound_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")
    bounds = (clopper_pearson, gdp, gaussian_likelihood_ratio, one_run, one_run_fdp, bayesian)
    for bound in bounds:
        assert f"| `{bound.__name__}`" in text
