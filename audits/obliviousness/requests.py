"""Candidate sets that somebody else's client sent: JSON lines in, checked requests out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

FIELDS = ("session", "chosen", "candidates", "features")
REQUIRED = FIELDS[:3]

Floats = npt.NDArray[np.float64]


class RequestError(ValueError):
    """A line is not a request; the message names the line and the field."""


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Requests in the order of the file.

    Attributes:
        session: Number of each request's session, from 0, shape (n,). Requests of one session are
            one user's, about one thing.
        candidates: As sent, in order.
        chosen: Place of the real one among them, shape (n,).
        features: Numbers that were observed of each request, shape (d,), or of each of its
            candidates, shape (candidates, d); None where the file has none.
    """

    session: npt.NDArray[np.int64]
    candidates: tuple[tuple[str, ...], ...]
    chosen: npt.NDArray[np.int64]
    features: tuple[Floats, ...] | None

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of candidates of each request, shape (n,)."""
        return np.array([len(texts) for texts in self.candidates], dtype=np.int64)

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """The first request of each session: one game a session, so that games are independent."""
        return np.unique(self.session, return_index=True)[1].astype(np.int64)


def read_requests(path: Path) -> Requests:
    """Read JSON lines with `session`, `chosen`, `candidates` and, in all or none, `features`.

    `session` is text or a whole number; `candidates` two or more different texts in the order in
    which they were sent; `chosen` one of them, or its place from 0; `features` finite numbers, as
    many in every line: of the request, or one such list a candidate.

    Raises:
        RequestError: If a line is malformed, or there is none.
        OSError: If the file cannot be read.
    """
    sessions: dict[str | int, int] = {}
    session, candidates, chosen, features = [], [], [], []
    form: tuple[bool, int] | None = None
    for number, record in _records(path):
        session.append(sessions.setdefault(_session(record, number), len(sessions)))
        texts = _candidates(record, number)
        candidates.append(texts)
        chosen.append(_chosen(record, texts, number))
        seen = _features(record, len(texts), number)
        mine = (False, -1) if seen is None else (seen.ndim == 2, seen.shape[-1])
        form = form or mine
        if mine != form:
            raise RequestError(
                f"line {number}: field 'features' must have one form and length in all lines, "
                "or be in none"
            )
        if seen is not None:
            features.append(seen)
    if not session:
        raise RequestError("the file holds no request; write one JSON object a line")
    return Requests(
        session=np.array(session, dtype=np.int64),
        candidates=tuple(candidates),
        chosen=np.array(chosen, dtype=np.int64),
        features=tuple(features) if features else None,
    )


def _records(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise RequestError(f"line {number}: not JSON: {error}") from error
            if not isinstance(record, dict):
                raise RequestError(f"line {number}: must be a JSON object with {_names(REQUIRED)}")
            for name in REQUIRED:
                if name not in record:
                    raise RequestError(f"line {number}: field {name!r} is missing")
            for name in record:
                if name not in FIELDS:
                    raise RequestError(
                        f"line {number}: field {name!r} is unknown; valid fields: {_names(FIELDS)}"
                    )
            yield number, record


def _names(fields: tuple[str, ...]) -> str:
    return ", ".join(fields)


def _session(record: Mapping[str, Any], number: int) -> str | int:
    value = record["session"]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RequestError(f"line {number}: field 'session' must be text or a whole number")
    return value


def _candidates(record: Mapping[str, Any], number: int) -> tuple[str, ...]:
    value = record["candidates"]
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise RequestError(f"line {number}: field 'candidates' must be a list of texts")
    if len(value) < 2 or len(set(value)) < len(value):
        raise RequestError(
            f"line {number}: field 'candidates' must hold two or more different texts"
        )
    return tuple(value)


def _chosen(record: Mapping[str, Any], texts: tuple[str, ...], number: int) -> int:
    value = record["chosen"]
    if isinstance(value, str) and value in texts:
        return texts.index(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < len(texts):
        return value
    raise RequestError(
        f"line {number}: field 'chosen' must be one of the candidates, or its place, 0 to "
        f"{len(texts) - 1}"
    )


def _features(record: Mapping[str, Any], candidates: int, number: int) -> Floats | None:
    value = record.get("features")
    if value is None:
        return None
    of_rows = isinstance(value, list) and bool(value) and all(isinstance(v, list) for v in value)
    rows = value if of_rows else [value]
    if (
        not all(isinstance(row, list) and row for row in rows)
        or len({len(row) for row in rows}) != 1
        or not all(_is_number(cell) for row in rows for cell in row)
        or (of_rows and len(rows) != candidates)
    ):
        raise RequestError(
            f"line {number}: field 'features' must be a list of finite numbers, or one such list "
            f"for each of the {candidates} candidates"
        )
    table = np.array(rows, dtype=np.float64)
    return table if of_rows else table[0]


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) < 1e300 and math.isfinite(value)
