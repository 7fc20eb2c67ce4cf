"""An audit of membership scores that came from elsewhere: no model of ours, no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .config import UsageError
from .dp_epsilon.validate import scores as checked
from .external_dp import read_scores
from .membership.rates import FPRS, Rates, Scores, SureTpr, rates, sure_tpr
from .report.roc import roc_figure
from .statistics import Interval
from .terminal import STYLES
from .verdict import Verdict


def membership(
    *,
    scores: Path,
    claim_tpr: float | None,
    at_fpr: float | None,
    claim_auc: float | None,
    alpha: float,
    seed: int,
    figure: Path | None = None,
) -> tuple[Verdict | None, dict[str, Any]]:
    """Measure scores, and hold them against a claim if there is one.

    Args:
        scores: An npz file with `scores_in` (members) and `scores_out`; higher means member.
        claim_tpr: "No attack finds more than this share of members ..."
        at_fpr: "... at this false-positive rate"; 0.01 if only `claim_tpr` is given.
        claim_auc: "No attack has a larger area under the curve", instead.
        alpha: Level of the verdict and of each interval.
        seed: Of pairings and ties.
        figure: Where to write the ROC, as SVG.

    Returns:
        REFUTED or INCONCLUSIVE (nothing is known of controls), None without a claim; the record.

    Raises:
        UsageError: If the file or an argument does not fit.
    """
    if claim_tpr is not None and claim_auc is not None:
        raise UsageError("--claim-tpr and --claim-auc are two claims: audit one at a time")
    if at_fpr is not None and claim_tpr is None:
        raise UsageError(f"--at-fpr {at_fpr:g} goes with --claim-tpr")
    allowed = 0.01 if at_fpr is None else at_fpr
    for name, value in (("alpha", alpha), ("at-fpr", allowed)):
        if not 0 < value < 1:
            raise UsageError(f"--{name} {value:g} must be > 0 and < 1")
    for name, rate in (("claim-tpr", claim_tpr), ("claim-auc", claim_auc)):
        if rate is not None and not 0 <= rate <= 1:
            raise UsageError(f"--{name} {rate:g} must be from 0 to 1")
    try:
        given = checked(*read_scores(scores), minimum=2)
    except ValueError as error:
        raise UsageError(str(error)) from error
    inside, outside = given.inside, given.outside
    fprs = tuple(dict.fromkeys((*FPRS, allowed)))
    found = rates(inside, outside, alpha=alpha, seed=seed, fprs=fprs)
    if figure is not None:
        _draw(figure, inside, outside, alpha)
    record: dict[str, Any] = {"verdict": None, "claim": None, "reason": "no claim was made"}
    verdict = None
    if claim_tpr is not None:
        sure = sure_tpr(inside, outside, fpr=allowed, alpha=alpha)
        verdict, reason = _by_tpr(sure, claim_tpr, allowed)
        record |= {"claim": f"TPR at most {claim_tpr:g} at FPR {allowed:g}", "reason": reason}
        record["sure_tpr"] = asdict(sure)
    if claim_auc is not None:
        verdict, reason = _by_area(found, claim_auc)
        record |= {"claim": f"AUC at most {claim_auc:g}", "reason": reason}
    record["verdict"] = None if verdict is None else verdict.value
    return verdict, _plain({**record, "alpha": alpha, **asdict(found)})


def _by_tpr(sure: SureTpr, claimed: float, fpr: float) -> tuple[Verdict, str]:
    if math.isinf(sure.threshold):
        return Verdict.INCONCLUSIVE, (
            f"so few non-members leave a true FPR up to {sure.fpr_upper:.2g} at any threshold; "
            f"{fpr:g} was asked for: score more"
        )
    said = (
        f"{sure.hits} of {sure.members} members are above a threshold whose true FPR is at most "
        f"{fpr:g}: TPR at least {sure.lower:.4f}"
    )
    return (Verdict.REFUTED if sure.lower > claimed else Verdict.INCONCLUSIVE), said


def _by_area(found: Rates, claimed: float) -> tuple[Verdict, str]:
    area = found.pairs
    said = f"AUC {area.estimate:.4f}, at least {area.interval.low:.4f} by disjoint pairs"
    return (Verdict.REFUTED if area.interval.low > claimed else Verdict.INCONCLUSIVE), said


def print_record(console: Console, record: Mapping[str, Any]) -> None:
    """Print the verdict, and what was measured."""
    if record["verdict"] is not None:
        style = STYLES[Verdict(record["verdict"])]
        console.print(f"[{style}]{record['verdict']}[/]  {record['claim']}")
        console.print(f"  {record['reason']}", soft_wrap=True)
    table = Table("measure", "estimate", "interval", "", box=None)
    area, pairs, best = record["area"], record["pairs"], record["best"]
    table.add_row("AUC", f"{area['estimate']:.4f}", _span(area["interval"]), "DeLong")
    table.add_row("AUC", f"{pairs['estimate']:.4f}", _span(pairs["interval"]), "exact, by pairs")
    for point in record["points"]:
        name, alarms = f"TPR at FPR {point['allowed_fpr']:g}", f"realized FPR {point['fpr']:.3g}"
        if point["tpr"] is None:
            table.add_row(name, "-", "-", point["reason"])
        else:
            table.add_row(name, f"{point['tpr']:.4f}", _span(point["interval"]), alarms)
    lower = f"at least {best['lower']:.4f}"
    table.add_row("largest TPR - FPR", f"{best['estimate']:.4f}", lower, "searched, paid for")
    console.print(table)
    ties = record["members"] + record["non_members"] - record["distinct"]
    console.print(
        f"  {record['members']} members, {record['non_members']} non-members, {ties} tied; "
        f"intervals at alpha {record['alpha']:g}"
    )


def _span(interval: Mapping[str, float]) -> str:
    return "[{low:.4f}, {high:.4f}]".format(**interval)


def _draw(figure: Path, inside: Scores, outside: Scores, alpha: float) -> None:
    from .report.html import style
    from .report.svg import standalone

    if figure.suffix != ".svg":
        raise UsageError(f"--figure {figure.name} must end in .svg")
    try:
        drawn = roc_figure({"scores": (inside, outside)}, alpha=alpha, name="roc")
        figure.write_text(standalone(drawn, style()), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--figure {figure.name}: {error.strerror}") from error


def _plain(value: Any) -> Any:
    """JSON: unbounded is "inf", intervals are pairs by name."""
    if isinstance(value, Mapping):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, Interval):
        return _plain(value._asdict())
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return value
