"""Requests are read, and malformed lines are errors that name line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentleak.audits.obliviousness.requests import RequestError, read_requests

GOOD = {"session": "a", "chosen": "y", "candidates": ["x", "y"], "features": [1, 2.5]}


def lines(path: Path, *records: Any) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records))
    return path


def test_a_request_is_read(tmp_path: Path) -> None:
    found = read_requests(
        lines(
            tmp_path / "v",
            GOOD,
            "",
            {**GOOD, "session": 7, "chosen": 0, "candidates": ["x", "y", "z"]},
            {**GOOD, "features": [3, 4]},
        )
    )
    assert found.session.tolist() == [0, 1, 0]
    assert found.chosen.tolist() == [1, 0, 1]
    assert found.counts.tolist() == [2, 3, 2]
    assert found.first.tolist() == [0, 1]
    assert found.features is not None
    np.testing.assert_array_equal(found.features[0], [1, 2.5])


def test_features_of_rows(tmp_path: Path) -> None:
    found = read_requests(lines(tmp_path / "v", {**GOOD, "features": [[1, 2], [3, 4]]}))
    assert found.features is not None
    assert found.features[0].shape == (2, 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"session": None}, "session"),
        ({"session": True}, "session"),
        ({"session": 1.5}, "session"),
        ({"candidates": "xy"}, "candidates"),
        ({"candidates": ["x", 3]}, "candidates"),
        ({"candidates": ["y"]}, "candidates"),
        ({"candidates": ["y", "y"]}, "candidates"),
        ({"chosen": "z"}, "chosen"),
        ({"chosen": 2}, "chosen"),
        ({"chosen": -1}, "chosen"),
        ({"chosen": True}, "chosen"),
        ({"chosen": ["y"]}, "chosen"),
        ({"features": []}, "features"),
        ({"features": [1]}, "features"),
        ({"features": "loud"}, "features"),
        ({"features": [1, None]}, "features"),
        ({"features": [1, float("nan")]}, "features"),
        ({"features": [1, float("inf")]}, "features"),
        ({"features": [1, 10**400]}, "features"),
        ({"features": [[1, 2]]}, "features"),
        ({"features": [[1, 2], [3]]}, "features"),
        ({"features": [[1, 2], [3, 4]]}, "features"),
        ({"features": None}, "features"),
        ({"feature": [1]}, "feature"),
    ],
)
def test_a_malformed_line_names_line_and_field(
    change: dict[str, Any], field: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=rf"line 3: field '{field}'"):
        read_requests(lines(tmp_path / "v", GOOD, "", {**GOOD, **change}))


@pytest.mark.parametrize("name", ["session", "chosen", "candidates"])
def test_a_missing_field_is_named(name: str, tmp_path: Path) -> None:
    short = {k: v for k, v in GOOD.items() if k != name}
    with pytest.raises(RequestError, match=f"line 1: field '{name}' is missing"):
        read_requests(lines(tmp_path / "v", short))


@pytest.mark.parametrize("text", ["{", "[1]", "3", "nonsense", "\x00"])
def test_what_is_no_object_is_an_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="line 1: "):
        read_requests(lines(tmp_path / "v", text))


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="holds no request"):
        read_requests(lines(tmp_path / "v", "", ""))


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_do_anything_else_than_raise(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "v"
    path.write_bytes(raw)
    with pytest.raises(RequestError):
        read_requests(path)
