"""An audit of differential privacy on scores that came from elsewhere: no model, no torch."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from ..defenses.claims import DifferentialPrivacy, Neighbours
from .config import UsageError
from .dp_epsilon import Bound, Threshold
from .dp_epsilon.measure import BOUNDS, COUNTING, ONE_RUN, measure
from .dp_epsilon.result import plain
from .dp_epsilon.validate import method_name
from .dp_epsilon.validate import scores as checked
from .terminal import STYLES
from .verdict import Verdict

ARRAYS = ("scores_in", "scores_out")
NAMED = ("method", "neighbours")
"""Fields of a bound that the record holds under other names, or for every method."""


def dp(
    *,
    scores: Path,
    epsilon: float,
    delta: float,
    alpha: float,
    bound: str,
    neighbours: Neighbours | None,
    threshold: str,
    rate: float,
) -> tuple[Verdict, dict[str, Any]]:
    """Hold a claim of (epsilon, delta)-DP against one lower bound.

    Args:
        scores: An npz file with `scores_in` (releases with the canary) and `scores_out` (without),
            one score a game; for one-run bounds one score a canary. Higher means "in".
        epsilon: Claimed.
        delta: Claimed.
        alpha: Level.
        bound: A method of `dp_epsilon`.
        neighbours: Relation between the two worlds of the file; None takes replace-one, and
            add-remove for one-run bounds, which test no other.
        threshold: `split`, `bonferroni` or a number, for bounds that count errors.
        rate: Of the subsample, for `gdp`.

    Returns:
        REFUTED or INCONCLUSIVE (nothing is known of controls), and the record.

    Raises:
        UsageError: If the file or an argument does not fit.
    """
    try:
        method = _method(bound)
        relation = _relation(method, neighbours)
        claim = DifferentialPrivacy(epsilon=epsilon, delta=delta, neighbours=relation)
        given = checked(*read_scores(scores))
        cut = _threshold(method, threshold)
        if rate != 1 and method != "gdp":
            raise UsageError(f"--rate {rate:g} goes with gdp only, not with {method}")
        found = measure(
            method,
            given,
            epsilon=epsilon,
            delta=delta,
            alpha=alpha,
            threshold=cut,
            rate=rate,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    verdict, reason = judge(claim, found.bound)
    record = {
        "verdict": verdict,
        "reason": reason,
        "claim": str(claim),
        "claimed_epsilon": epsilon,
        "neighbours": relation,
        "n_in": int(given.inside.size),
        "n_out": int(given.outside.size),
        "bound": method,
        "p_value": found.p_value,
    }
    facts = found.bound.to_dict()
    return verdict, {name: facts[name] for name in facts if name not in NAMED} | plain(record)


def judge(claim: DifferentialPrivacy, bound: Bound) -> tuple[Verdict, str]:
    """What one bound says of a claim, and why.

    A bound whose assumption the scores contradict gives no verdict.
    """
    if not bound.guarantee:
        return Verdict.INCONCLUSIVE, "a credible interval guarantees nothing and gives no verdict"
    if not bound.assumptions_hold:
        return Verdict.INCONCLUSIVE, (
            f"the scores contradict what the bound assumes ({_looks(bound)}); use clopper-pearson"
        )
    assumed = f"assuming {', '.join(bound.assumptions)}{_looks(bound, before=': ')}"
    at_least = f"epsilon >= {bound.epsilon:.4g} at confidence {1 - bound.alpha:g}, {assumed}"
    if bound.epsilon > claim.epsilon:
        return Verdict.REFUTED, at_least
    if bound.ceiling <= claim.epsilon:
        return Verdict.INCONCLUSIVE, (
            f"this many games could not have shown more than epsilon {bound.ceiling:.4g}"
        )
    return Verdict.INCONCLUSIVE, f"only {at_least}; another attack may show more"


def print_record(console: Console, verdict: Verdict, record: Mapping[str, Any]) -> None:
    """Print the claim, the verdict and the numbers behind it."""
    failed = f", {record['failed']} of them NaN" if record["failed"] else ""
    p, upper = record["p_value"], record["upper"]
    lines = {
        "reason": record["reason"],
        "bound": f"{record['bound']}, epsilon >= {_short(record['epsilon'])}",
        "upper": upper is not None and f"{_short(upper)}, for these scores",
        "ceiling": _short(record["ceiling"]),
        "p-value": p is not None and f"{p:.2g}",
        "alpha": f"{record['alpha']:g}",
        "scores": f"{record['n_in']} in, {record['n_out']} out{failed}",
    }
    console.print(f"[{STYLES[verdict]}]{verdict.value}[/]  {escape(str(record['claim']))}")
    for name, text in lines.items():
        if text:
            console.print(f"  {name:8} {escape(str(text))}", soft_wrap=True)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _looks(bound: Bound, *, before: str = "") -> str:
    tests = (
        ("normality, Anderson-Darling", bound.normality),
        ("equal variance, F", bound.equal_variance),
    )
    said = ", ".join(f"{name} p = {p:.2g}" for name, p in tests if p is not None)
    return before + said if said else ""


def _method(bound: str) -> str:
    method = method_name(bound)
    if method not in BOUNDS:
        raise UsageError(f"--bound {bound} needs more than scores; give one of {', '.join(BOUNDS)}")
    return method


def _relation(method: str, neighbours: Neighbours | None) -> Neighbours:
    once = method in ONE_RUN
    relation = neighbours or (Neighbours.ADD_REMOVE if once else Neighbours.REPLACE_ONE)
    if once and relation is not Neighbours.ADD_REMOVE:
        raise UsageError(
            f"--neighbours {relation.value} does not go with {method}: canaries that are included "
            "or not test add-remove"
        )
    return relation


def _threshold(method: str, text: str) -> Threshold:
    if text != "split" and method not in COUNTING:
        raise UsageError(f"--threshold {text} goes with {', '.join(COUNTING)}, not with {method}")
    if text == "split":
        return "split"
    if text == "bonferroni":
        return "bonferroni"
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--threshold {text!r} must be split, bonferroni or a number") from None


def read_scores(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """The arrays `scores_in` and `scores_out` of an npz file, whatever they hold, or of a CSV file.

    A CSV file has no header: 1 for in or 0 for out, then the score, a game a line.

    Raises:
        UsageError: If it is no such file, or lacks one.
    """
    if path.suffix == ".csv":
        return _read_csv(path)
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in ARRAYS if name in file}
            names = ", ".join(file) or "nothing"
    except OSError as error:
        raise UsageError(f"--scores {path.name} cannot be opened: {error.strerror}") from error
    except (ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"--scores {path.name} is not an npz file of numbers; write it with "
            "numpy.savez(FILE, scores_in=..., scores_out=...), or lines of 1,SCORE and 0,SCORE "
            "into a file FILE.csv"
        ) from error
    if len(found) < len(ARRAYS):
        raise UsageError(f"--scores {path.name} must hold {' and '.join(ARRAYS)}; holds {names}")
    return found[ARRAYS[0]], found[ARRAYS[1]]


def _read_csv(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    sides: dict[str, list[float]] = {"1": [], "0": []}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                if not row:
                    continue
                if len(row) != 2 or row[0].strip() not in sides:
                    raise ValueError(f"line {number} must be 1,SCORE (in) or 0,SCORE (out)")
                sides[row[0].strip()].append(float(row[1]))
    except OSError as error:
        raise UsageError(f"--scores {path.name} cannot be opened: {error.strerror}") from error
    except (ValueError, csv.Error) as error:
        raise UsageError(f"--scores {path.name} cannot be read: {error}") from error
    return np.array(sides["1"]), np.array(sides["0"])
