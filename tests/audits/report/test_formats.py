"""Numbers read alike everywhere."""

from __future__ import annotations

import doctest
import math

import pytest

from latentleak.audits.report import formats, markdown, svg, words


@pytest.mark.parametrize("module", [formats, markdown, svg, words])
def test_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0126, "+0.013"),
        (-0.05, "\N{MINUS SIGN}0.050"),
        (-1e-9, "+0.000"),
        (math.nan, "not measured"),
        (None, "not measured"),
        (math.inf, "unbounded"),
        (-math.inf, "unbounded below"),
    ],
)
def test_signed(value: float | None, text: str) -> None:
    assert formats.signed(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.0312, "0.031"), (2.1e-14, "2e-14"), (3e-5, "3e-5"), (0.0, "< 1e-300")],
)
def test_p_values(value: float, text: str) -> None:
    assert formats.p_value(value) == text


def test_only_hashes_are_shortened() -> None:
    assert formats.short("a" * 64) == "a" * 12 + "…"
    assert formats.short("a" * 39) == "a" * 39


def test_durations() -> None:
    assert [formats.seconds(s) for s in (0.04, 59.9, 61, 7320)] == [
        "0.0 s",
        "59.9 s",
        "1 min 1 s",
        "2 h 2 min",
    ]
