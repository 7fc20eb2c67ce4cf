"""An audit of candidate sets that somebody else's client sent: no model, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from ..defenses.seeds import stream
from .config import UsageError
from .obliviousness import contents, guessers
from .obliviousness.requests import Floats, RequestError, Requests, read_requests
from .statistics import (
    advantage,
    clopper_pearson_lower,
    clopper_pearson_upper,
    guesses,
    held_out_leakage,
    holm,
)
from .statistics.power import bisect
from .terminal import STYLES
from .verdict import Verdict

PRIOR = "plausibility"
"""The guesser that looks at the candidates alone."""

Played = dict[int, Floats]
Wins = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Test:
    """One guesser held against both claims.

    Attributes:
        name: Of the guesser.
        games: Sessions that it played.
        wins: Sessions in which it named the real candidate.
        chance: Mean of 1/N.
        estimate: Success less chance.
        lower: Lower bound of `estimate` at `level`.
        upper: Upper bound.
        p_value: Of "success at most 1/N + slack".
        p_adjusted: After Holm over all tests.
        critical: Wins that refute at `level`.
        detectable: Advantage that is found with probability 0.9 at `level`.
        ceiling: The `lower` of a guesser that is always right.
        bits: Lower bound of the min-entropy leakage [bits].
        prior_wins: Sessions that the prior alone wins, of the same ones; None where unknown.
        p_beyond_prior: Of "success at most that of the prior + slack"; None likewise.
        level: Of the bounds.
    """

    name: str
    games: int
    wins: int
    chance: float
    estimate: float
    lower: float
    upper: float
    p_value: float
    p_adjusted: float
    critical: int
    detectable: float
    ceiling: float
    bits: float
    prior_wins: int | None
    p_beyond_prior: float | None
    level: float


def views(path: Path, *, slack: float, alpha: float, seed: int) -> tuple[Verdict, dict[str, Any]]:
    """Hold a file of requests against obliviousness under a uniform and under a measured prior.

    Args:
        path: JSON lines, see `obliviousness.requests.read_requests`.
        slack: Tolerated advantage over 1/N.
        alpha: Level of both claims together.
        seed: Of the order in which sessions are learned from, and of ties.

    Returns:
        The worse verdict of both claims, REFUTED or INCONCLUSIVE (nothing is known of controls),
        and the record.

    Raises:
        UsageError: If the file does not fit.
    """
    try:
        requests = read_requests(path)
        if len(requests.first) < guessers.LEARN_FROM:
            raise RequestError(
                f"the file holds {len(requests.first)} sessions; give {guessers.LEARN_FROM} or more"
            )
        tests, left_out = _tests(requests, slack=slack, alpha=alpha / 2, seed=seed)
    except (OSError, ValueError) as error:
        raise UsageError(f"--views {path.name}: {error}") from error
    claims = _claims(tests, slack=slack, alpha=alpha / 2)
    verdicts = {Verdict(claim["verdict"]) for claim in claims}
    verdict = Verdict.REFUTED if Verdict.REFUTED in verdicts else Verdict.INCONCLUSIVE
    record = {
        "verdict": verdict.value,
        "requests": len(requests.candidates),
        "sessions": len(requests.first),
        "slack": slack,
        "alpha": alpha,
        "claims": claims,
        "tests": [asdict(test) for test in tests],
        "not_run": left_out,
        "sets": contents.canonical_sets(requests),
        "survival": contents.survival(requests),
        "places": contents.places(requests),
    }
    return verdict, record


def _tests(
    requests: Requests, *, slack: float, alpha: float, seed: int
) -> tuple[list[Test], dict[str, str]]:
    games = guessers.Games.deal(requests, stream(seed, "blocks"))
    players: dict[str, Callable[[guessers.Games], Played]] = {
        PRIOR: guessers.by_words,
        "first row": lambda g: guessers.at_row(g, 0),
        "last row": lambda g: guessers.at_row(g, -1),
        "learned place": guessers.by_place,
    }
    left_out = {}
    if len(requests.first) < len(requests.candidates):
        players["intersection"] = guessers.by_intersection
    else:
        left_out["intersection"] = "every session has a single request"
    if requests.features is None:
        left_out["features"] = "the file has no features"
    else:
        players["features"] = guessers.by_features
        if requests.features[0].ndim == 1:
            players["features, nearest"] = guessers.by_neighbors
    won = {
        name: _won(games, play(games), stream(seed, "ties", name)) for name, play in players.items()
    }
    level = alpha / len(won)
    found = [
        _test(games, name, wins, won[PRIOR], slack=slack, level=level)
        for name, wins in won.items()
        if wins
    ]
    adjusted = holm([test.p_value for test in found])
    pairs = zip(found, adjusted, strict=True)
    return [replace(test, p_adjusted=float(p)) for test, p in pairs], left_out


def _won(games: guessers.Games, played: Played, rng: np.random.Generator) -> dict[int, bool]:
    """Whether each game was won, ties broken at random."""
    order = sorted(played)
    if not order:
        return {}
    counts = [len(played[game]) for game in order]
    table = np.full((len(order), max(counts)), np.nan)
    for row, game in enumerate(order):
        table[row, : counts[row]] = played[game]
    picks = guesses(table, rng=rng, candidates=counts)
    return {g: bool(p == games.chosen(g)) for g, p in zip(order, picks, strict=True)}


def _test(
    games: guessers.Games,
    name: str,
    won: Mapping[int, bool],
    prior: Mapping[int, bool],
    *,
    slack: float,
    level: float,
) -> Test:
    n, wins = len(won), sum(won.values())
    counts = [len(games.texts(game)) for game in won]
    test = advantage(wins, n, candidates=counts, alpha=level, slack=slack)
    prior_wins = None if name == PRIOR else sum(prior[game] for game in won)
    beyond = None if prior_wins is None else beyond_prior(wins, prior_wins, n, slack=slack)
    leak = held_out_leakage(wins, n, prior=test.chance, alpha=level)
    return Test(
        name=name,
        games=n,
        wins=wins,
        chance=test.chance,
        estimate=test.estimate,
        lower=test.lower,
        upper=test.upper,
        p_value=test.p_value,
        p_adjusted=1.0,
        critical=test.critical,
        detectable=test.detectable,
        ceiling=test.ceiling,
        bits=leak.lower,
        prior_wins=prior_wins,
        p_beyond_prior=beyond,
        level=level,
    )


def beyond_prior(wins: int, prior_wins: int, n: int, *, slack: float) -> float:
    """p-value of "the attack succeeds at most as often as the prior alone, plus slack".

    The smallest level at which a lower bound of one success rate is above an upper bound of the
    other by more than `slack`, half of the level for each: valid whatever ties the two together.

    >>> beyond_prior(90, 40, 100, slack=0.02) < 1e-6 < beyond_prior(45, 40, 100, slack=0.02)
    True
    """

    def gap(exponent: float) -> float:
        level = 10.0**exponent / 2
        low = clopper_pearson_lower(wins, n, alpha=level)
        return low - clopper_pearson_upper(prior_wins, n, alpha=level) - slack

    found = bisect(gap, low=-300.0, high=-1e-9)
    return min(1.0, float(10.0**found)) if np.isfinite(found) else 1.0


def _claims(tests: Sequence[Test], *, slack: float, alpha: float) -> list[dict[str, Any]]:
    """Both claims: their verdicts, and why."""
    prior = next(test for test in tests if test.name == PRIOR)
    looking = [test for test in tests if test.name != PRIOR]
    best = min(tests, key=lambda test: (test.p_adjusted, -test.estimate))
    seen = min(looking, key=lambda test: (test.p_adjusted, -test.estimate))
    bound = f"at most 1/N + {slack:g}"
    measured = {
        "claim": f"real candidate named with probability {bound}, under the measured prior",
        "verdict": _said(best.p_adjusted, alpha),
        "reason": _reason(best)
        + f"; the prior alone wins {prior.wins} of {prior.games}, an advantage of "
        f"{prior.estimate:+.3f}",
    }
    p_value, reason = seen.p_adjusted, _reason(seen)
    if prior.p_adjusted <= alpha:
        beyond = holm([test.p_beyond_prior or 1.0 for test in looking])
        place = int(np.argmin(beyond))
        p_value = float(beyond[place])
        reason = (
            "the choices in the file are not uniform, so that only what views add to the prior "
            f"counts: {looking[place].name} wins {looking[place].wins} of "
            f"{looking[place].games}, the prior alone {looking[place].prior_wins} of the same, "
            f"Holm-adjusted p = {beyond[place]:.2g}"
        )
    uniform = {
        "claim": f"real candidate named with probability {bound}, uniform prior",
        "verdict": _said(p_value, alpha),
        "reason": reason,
    }
    return [uniform, measured]


def _said(p_value: float, alpha: float) -> str:
    return str((Verdict.REFUTED if p_value <= alpha else Verdict.INCONCLUSIVE).value)


def _reason(test: Test) -> str:
    return (
        f"{test.name} wins {test.wins} of {test.games} sessions, where {test.critical} refute; "
        f"Holm-adjusted p = {test.p_adjusted:.2g}, an advantage of {test.detectable:.3f} is found "
        "with probability 0.9"
    )


def print_record(console: Console, verdict: Verdict, record: Mapping[str, Any]) -> None:
    """Print the claims, the tests, and what the sets show."""
    console.print(f"[{STYLES[verdict]}]{verdict.value}[/]  {record['sessions']} sessions")
    for claim in record["claims"]:
        style = STYLES[Verdict(claim["verdict"])]
        console.print(f"[{style}]{claim['verdict']}[/]  {claim['claim']}\n  {claim['reason']}")
    table = Table(box=None, padding=(0, 1, 0, 0))
    for head in ("test", "won", "estimate", "bounds", "adj. p", "prior"):
        table.add_column(head, no_wrap=True)
    for test in record["tests"]:
        table.add_row(
            test["name"],
            f"{test['wins']}/{test['games']}",
            f"{test['estimate']:+.3f}",
            f"{test['lower']:+.3f} .. {test['upper']:+.3f}",
            f"{test['p_adjusted']:.2g}",
            "" if test["prior_wins"] is None else str(test["prior_wins"]),
        )
    console.print(table)
    for name, why in record["not_run"].items():
        console.print(f"  {name} not run: {why}")
    sets = record["sets"]
    console.print(
        f"  {sets['different_sets']} different sets; real prompt in several of them: "
        f"{sets['real_prompt_in_several_sets']} requests; same set in another order: "
        f"{sets['same_set_in_another_order']}"
    )
    for row in record["survival"]:
        console.print(
            f"  after {row['requests']} requests {row['decoys']:.2f} decoys left in "
            f"{row['sessions']} sessions; closed form {row['closed_form']:.2f}"
        )
