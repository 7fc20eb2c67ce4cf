"""Audits of numbers from elsewhere, held against a baseline like runs.

Nothing is known of how their games were played, so that comparisons are never paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .baseline import Baseline, Known
from .external_dp import read_scores
from .folder import versions
from .outcomes import GUESSED, WON, Floats, Outcomes, guessed
from .source import digests
from .verdict import Verdict


def baseline_of(
    kind: str, verdict: Verdict, record: Mapping[str, Any], *, scores: Path | None = None
) -> Baseline:
    """One claim, `audit/KIND`, with what its games showed.

    Args:
        kind: `dp`, `membership`, `oblivious` or `he`.
        verdict: Of the audit.
        record: Of the audit.
        scores: The npz file that it read, if it did.
    """
    name = f"audit/{kind}"
    found = _outcomes(name, record, scores)
    known = Known(
        id=name,
        verdict=verdict,
        claim=_claim(kind, record),
        metric="security level [bits]" if kind == "he" else "",
        estimate=_level(record) if kind == "he" else None,
        defense="",
        outcomes={each.key: each for each in found},
    )
    return Baseline(
        config={"audit": kind}, code=digests(), versions=versions(), claims={name: known}
    )


def _claim(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    if "claims" in record:
        return {"type": kind, "statement": "; ".join(each["claim"] for each in record["claims"])}
    statement = record.get("claim") or f"real candidate named with 1/N + {record['slack']:g}"
    return {"type": "SecurityLevel" if kind == "he" else kind, "statement": statement}


def _level(record: Mapping[str, Any]) -> float:
    """The lowest level of any table."""
    return float(min(each["level"] or 0 for each in record["tables"]))


def _outcomes(name: str, record: Mapping[str, Any], scores: Path | None) -> list[Outcomes]:
    if scores is not None:
        inside, outside = (np.asarray(side, dtype=np.float64) for side in read_scores(scores))
        bits = np.repeat([True, False], [inside.size, outside.size])
        values = guessed(bits, np.concatenate([inside, outside]), name=name)
        return [_series("scores", GUESSED, values)]
    if "correct" in record:
        values = np.repeat([1.0, 0.0], [record["correct"], record["n"] - record["correct"]])
        return [_series("guesses", WON, values)]
    return [
        _series(
            test["name"], WON, np.repeat([1.0, 0.0], [test["wins"], test["games"] - test["wins"]])
        )
        for test in record.get("tests", ())
    ]


def _series(adversary: str, kind: str, values: Floats) -> Outcomes:
    return Outcomes(arm="elsewhere", adversary=adversary, kind=kind, games="", values=values)
