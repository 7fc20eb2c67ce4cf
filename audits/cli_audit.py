"""The commands `latentleak audit ...`: numbers from elsewhere, no model of ours, no torch.

Without controls, what is not refuted is inconclusive: exit status 1 or 3. Tables need none: `he`
ends with 1 or 0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from ..defenses.claims import Neighbours
from .verdict import Verdict

STATUS = {Verdict.REFUTED: 1, Verdict.NOT_REFUTED: 0, Verdict.INCONCLUSIVE: 3}
"""Exit status of a verdict."""

audit = typer.Typer(
    name="audit",
    help="Audit numbers from elsewhere. Without controls, what is not refuted is inconclusive.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

AsJson = Annotated[bool, typer.Option("--json", help="The record on stdout as one JSON line.")]
Alpha = Annotated[float, typer.Option(help="Level.")]
Against = Annotated[
    Path | None, typer.Option("--baseline", help="Exit status against this file (see: compare).")
]
Record = Annotated[
    Path | None, typer.Option("--record", help="Write this audit as a baseline for later ones.")
]


@audit.command(
    epilog="Examples:  latentleak audit oblivious --wins 25 --games 40 --candidates 6  "
    "|  latentleak audit oblivious --scores guesses.csv --slack 0  "
    "|  latentleak audit oblivious --views requests.jsonl"
)
def oblivious(
    *,
    scores: Annotated[
        Path | None,
        typer.Option(help="CSV, one game a row: real candidate's column, then a score each."),
    ] = None,
    views: Annotated[
        Path | None,
        typer.Option(help="JSON lines: session, chosen, candidates, and features if any."),
    ] = None,
    wins: Annotated[int | None, typer.Option(help="Games won.")] = None,
    games: Annotated[int | None, typer.Option(help="Games played.")] = None,
    candidates: Annotated[int | None, typer.Option(help="N.")] = None,
    slack: Annotated[float, typer.Option(help="Tolerated advantage.")] = 0.02,
    alpha: Alpha = 0.01,
    seed: Annotated[int, typer.Option(help="Of the draws that break ties.")] = 0,
    record_to: Record = None,
    baseline: Against = None,
    as_json: AsJson = False,
) -> None:
    """Hold guesses, or the requests of a client, against "named with at most 1/N + slack"."""
    if views is not None:
        others = (scores, wins, games, candidates)
        gate = (record_to, baseline)
        _requests(views, others, slack, alpha, seed, gate=gate, as_json=as_json)
    from .external import oblivious as hold

    verdict, facts = hold(
        scores=scores,
        wins=wins,
        games=games,
        candidates=candidates,
        slack=slack,
        alpha=alpha,
        seed=seed,
    )
    record = {"verdict": verdict.value, **facts}
    _write(record)
    _finish("oblivious", verdict, record, record_to, baseline, as_json=True)


@audit.command(
    epilog="Examples:  latentleak audit dp --scores run.npz --claim-epsilon 4 --delta 1e-5  "
    "|  latentleak audit dp --scores run.npz --claim-epsilon 4 --delta 1e-5 "
    "--bound gaussian-likelihood-ratio"
)
def dp(
    *,
    scores: Annotated[
        Path,
        typer.Option(
            help="npz with scores_in and scores_out, or CSV: 1 or 0, score; higher means in."
        ),
    ],
    claim_epsilon: Annotated[float, typer.Option(help="Claimed epsilon.")],
    delta: Annotated[float, typer.Option(help="Claimed delta.")],
    alpha: Alpha = 0.01,
    bound: Annotated[
        str,
        typer.Option(
            help="clopper-pearson, gdp, gaussian-likelihood-ratio, one-run, one-run-fdp, bayesian."
        ),
    ] = "clopper-pearson",
    neighbours: Annotated[
        Neighbours | None,
        typer.Option(help="How the two worlds differ; default replace-one."),
    ] = None,
    threshold: Annotated[
        str, typer.Option(help="split, bonferroni or a number fixed beforehand.")
    ] = "split",
    rate: Annotated[
        float, typer.Option(help="m / n of a subsampled Gaussian release, for gdp.")
    ] = 1.0,
    record_to: Record = None,
    baseline: Against = None,
    as_json: AsJson = False,
) -> None:
    """Hold scores against a claim of (epsilon, delta)-differential privacy."""
    from .external_dp import dp as hold
    from .external_dp import print_record

    verdict, record = hold(
        scores=scores,
        epsilon=claim_epsilon,
        delta=delta,
        alpha=alpha,
        bound=bound,
        neighbours=neighbours,
        threshold=threshold,
        rate=rate,
    )
    if as_json:
        _write(record)
    else:
        print_record(Console(highlight=False), verdict, record)
    _finish("dp", verdict, record, record_to, baseline, scores=scores, as_json=as_json)


@audit.command(
    epilog="Examples:  latentleak audit membership --scores run.npz --claim-tpr 0.05 --at-fpr 0.01 "
    "|  latentleak audit membership --scores run.npz --claim-auc 0.6 --figure roc.svg"
)
def membership(
    *,
    scores: Annotated[
        Path,
        typer.Option(
            help="npz with scores_in (members) and scores_out, or CSV: 1 or 0, score; higher is in."
        ),
    ],
    claim_tpr: Annotated[float | None, typer.Option(help="Claim: TPR at most this.")] = None,
    at_fpr: Annotated[float | None, typer.Option(help="FPR of that claim; default 0.01.")] = None,
    claim_auc: Annotated[float | None, typer.Option(help="Claim: AUC at most this.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Write the log-log ROC here, SVG.")] = None,
    alpha: Alpha = 0.01,
    seed: Annotated[int, typer.Option(help="Of pairings and ties.")] = 0,
    record_to: Record = None,
    baseline: Against = None,
    as_json: AsJson = False,
) -> None:
    """Measure membership scores; hold them against a claim if there is one, else end with 0."""
    from .external_membership import membership as hold
    from .external_membership import print_record

    verdict, record = hold(
        scores=scores,
        claim_tpr=claim_tpr,
        at_fpr=at_fpr,
        claim_auc=claim_auc,
        alpha=alpha,
        seed=seed,
        figure=figure,
    )
    if as_json:
        _write(record)
    else:
        print_record(Console(highlight=False), record)
    _finish("membership", verdict, record, record_to, baseline, scores=scores, as_json=as_json)


@audit.command(
    epilog="Example:  latentleak audit he --poly-modulus-degree 8192 "
    "--coeff-mod-bits 31,26,26,26,26,26,26,31"
)
def he(
    *,
    poly_modulus_degree: Annotated[int, typer.Option(help="N.")],
    coeff_mod_bits: Annotated[
        str, typer.Option(help="Bits of each prime, the special one too: 60,40,60.")
    ],
    secret: Annotated[str, typer.Option(help="Distribution of the key: ternary.")] = "ternary",
    required: Annotated[int, typer.Option(help="Security asked for: 128, 192, 256.")] = 128,
    time: Annotated[bool, typer.Option("--time", help="Time a ciphertext's operations.")] = False,
    record_to: Record = None,
    baseline: Against = None,
    as_json: AsJson = False,
) -> None:
    """Hold CKKS or BFV parameters against the security tables of 2018 and 2024."""
    from .external_he import he as hold
    from .external_he import print_record

    verdict, record = hold(
        poly_modulus_degree=poly_modulus_degree,
        coeff_mod_bits=coeff_mod_bits,
        secret=secret,
        required=required,
        time=time,
    )
    if as_json:
        _write(record)
    else:
        print_record(Console(highlight=False), verdict, record)
    _finish("he", verdict, record, record_to, baseline, as_json=as_json)


def _requests(
    views: Path,
    others: tuple[object, ...],
    slack: float,
    alpha: float,
    seed: int,
    *,
    gate: tuple[Path | None, Path | None],
    as_json: bool,
) -> NoReturn:
    from .config import UsageError
    from .external_views import print_record
    from .external_views import views as hold

    if any(other is not None for other in others):
        raise UsageError("--views goes without --scores, --wins, --games and --candidates")
    verdict, record = hold(views, slack=slack, alpha=alpha, seed=seed)
    if as_json:
        _write(record)
    else:
        print_record(Console(highlight=False), verdict, record)
    _finish("oblivious", verdict, record, *gate, as_json=as_json)


def _finish(
    kind: str,
    verdict: Verdict | None,
    record: Mapping[str, Any],
    record_to: Path | None,
    baseline: Path | None,
    *,
    scores: Path | None = None,
    as_json: bool,
) -> NoReturn:
    """End with the status of the verdict, or of the comparison with a baseline."""
    if record_to is None and baseline is None:
        raise typer.Exit(0 if verdict is None else STATUS[verdict])
    from .baseline import load, save
    from .cli_gate import hold
    from .config import UsageError
    from .external_gate import baseline_of

    if verdict is None:
        raise UsageError("--record and --baseline need a claim: --claim-tpr or --claim-auc")
    known = None if baseline is None else load(baseline)
    now = baseline_of(kind, verdict, record, scores=scores)
    if record_to is not None:
        save(now, record_to)
    if known is None:
        raise typer.Exit(STATUS[verdict])
    raise typer.Exit(hold(known, now, console=Console(stderr=as_json, highlight=False)))


def _write(record: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(record, sort_keys=True) + "\n")
    sys.stdout.flush()
