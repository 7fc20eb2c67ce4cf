"""Both tables as published, sums in exact integers, and no row that is not there."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.audits.he.parameters import (
    GUIDELINES_2024,
    LEVELS,
    STANDARD_2018,
    TABLES,
    check_parameters,
    security_level,
)
from latentleak.audits.verdict import Verdict

REPOSITORY = [31, 26, 26, 26, 26, 26, 26, 31]
DEGREES = sorted(STANDARD_2018.limits)


def test_the_released_parameters_pass_2018_without_margin_and_fail_2024_by_4() -> None:
    old, new = security_level(poly_modulus_degree=8192, coeff_mod_bits=REPOSITORY)
    assert (old.modulus_bits, old.limit, old.margin) == (218, 218, 0)
    assert (old.level, old.accepts) == (128, True)
    assert (new.modulus_bits, new.limit, new.margin) == (218, 214, -4)
    assert (new.level, new.accepts) == (0, False)
    assert "2018" in old.edition
    assert "2024" in new.edition
    assert {old.secret, new.secret} == {"ternary"}
    assert check_parameters(poly_modulus_degree=8192, coeff_mod_bits=REPOSITORY) is Verdict.REFUTED


@pytest.mark.parametrize(
    ("degree", "sizes", "levels", "verdict"),
    [
        (8192, [60, 40, 60], (128, 128), Verdict.NOT_REFUTED),
        (8192, [38, 38, 38], (256, 256), Verdict.NOT_REFUTED),
        (4096, [38, 28, 38], (128, 128), Verdict.NOT_REFUTED),
        (4096, [40, 29, 40], (128, 0), Verdict.REFUTED),
        (16384, [60, 40, 40, 40, 40, 60], (192, 192), Verdict.NOT_REFUTED),
        (1024, [27], (128, 0), Verdict.REFUTED),
        (1024, [14], (256, 128), Verdict.NOT_REFUTED),
        (65536, [60] * 15 + [29], (256, 256), Verdict.NOT_REFUTED),
        (65536, [60] * 30, (0, 0), Verdict.REFUTED),
    ],
)
def test_levels(degree: int, sizes: list[int], levels: tuple[int, int], verdict: Verdict) -> None:
    entries = security_level(poly_modulus_degree=degree, coeff_mod_bits=sizes)
    assert tuple(entry.level for entry in entries) == levels
    assert check_parameters(poly_modulus_degree=degree, coeff_mod_bits=sizes) is verdict


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.edition[-5:])
def test_limits_grow_with_the_degree_and_shrink_with_the_level(table: object) -> None:
    assert table in (STANDARD_2018, GUIDELINES_2024)
    limits = STANDARD_2018.limits if table is STANDARD_2018 else GUIDELINES_2024.limits
    assert sorted(limits) == [1024 * 2**k for k in range(7)]
    for degree, row in limits.items():
        given_ = [limit for limit in row if limit is not None]
        assert given_ == sorted(given_, reverse=True)
        for small, large in zip(row, limits.get(2 * degree, row), strict=True):
            assert small is None or (large is not None and large >= small)
    for degree in DEGREES:
        pairs = zip(GUIDELINES_2024.limits[degree], STANDARD_2018.limits[degree], strict=True)
        assert all(new is None or (old is not None and new <= old) for new, old in pairs)


@given(
    degree=st.sampled_from(DEGREES),
    sizes=st.lists(st.integers(2, 61), min_size=1, max_size=40),
    required=st.sampled_from(LEVELS),
)
def test_a_level_is_reached_exactly_where_its_limit_is_kept(
    degree: int, sizes: list[int], required: int
) -> None:
    entries = security_level(poly_modulus_degree=degree, coeff_mod_bits=sizes, required=required)
    for table, entry in zip(TABLES, entries, strict=True):
        limit = table.limits[degree][LEVELS.index(required)]
        assert entry.limit == limit
        assert entry.accepts == (limit is not None and sum(sizes) <= limit)
        assert entry.accepts == (entry.level >= required)
        assert entry.margin == (None if limit is None else limit - sum(sizes))
    verdict = check_parameters(poly_modulus_degree=degree, coeff_mod_bits=sizes, required=required)
    assert (verdict is Verdict.REFUTED) == (not all(entry.accepts for entry in entries))


@pytest.mark.parametrize("degree", [0, 512, 1000, 8191, 12288, 131072, True])
def test_no_row_is_interpolated(degree: int) -> None:
    with pytest.raises(ValueError, match=f"poly_modulus_degree={degree} must be one of 1024"):
        security_level(poly_modulus_degree=degree, coeff_mod_bits=[27])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"coeff_mod_bits": []}, "at least one prime"),
        ({"coeff_mod_bits": [31, 26.0]}, "26.0; sizes must be whole"),
        ({"coeff_mod_bits": [True]}, "True; sizes must be whole"),
        ({"coeff_mod_bits": [-60]}, "-60; sizes must be whole"),
        ({"secret": "gaussian"}, "secret='gaussian' must be 'ternary'"),
        ({"required": 80}, "required=80 must be one of 128, 192, 256"),
    ],
)
def test_errors_say_what_would_do(changed: dict[str, object], words: str) -> None:
    arguments: dict[str, object] = {"poly_modulus_degree": 8192, "coeff_mod_bits": [60]} | changed
    with pytest.raises(ValueError, match=words):
        check_parameters(**arguments)


def test_entries_are_frozen() -> None:
    entry, _ = security_level(poly_modulus_degree=8192, coeff_mod_bits=[60])
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.level = 256
