"""Measure the bounds on epsilon: validity, tightness, power, speed.

    OMP_NUM_THREADS=1 python benchmarks/dp_bounds.py
    OMP_NUM_THREADS=1 python benchmarks/dp_bounds.py --only speed --json

Prints one table a question. Scores are drawn for all repetitions at once; every audit calls the
public function.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentleak.audits.dp_epsilon import (
    Bound,
    bayesian,
    clopper_pearson,
    gaussian_likelihood_ratio,
    gdp,
    guesses_from_scores,
    one_run,
    one_run_fdp,
)
from latentleak.audits.statistics import at_most
from latentleak.defenses.dp_adaptation.gaussian import gaussian_mu

Side = NDArray[np.float64]
Audit = Callable[[Side, Side], Bound]
Row = dict[str, Any]

DELTA, ALPHA = 1e-5, 0.05
LEVEL = {"delta": DELTA, "alpha": ALPHA}
SHARE = 20
"""One-run audits guess the highest and the lowest of so many canaries."""
CHUNK = 2**22
"""Scores drawn at a time."""


def once(method: Callable[..., Bound]) -> Audit:
    """A one-run audit with guesses fixed beforehand."""

    def audit(inside: Side, outside: Side) -> Bound:
        canaries = inside.size + outside.size
        each = canaries // SHARE
        made = guesses_from_scores(inside, outside, top=each, bottom=each)
        return method(canaries=canaries, **made._asdict(), **LEVEL)

    return audit


def credible(inside: Side, outside: Side) -> Bound:
    """Counts at a threshold fixed beforehand."""
    tp, fp = int((inside >= 0.5).sum()), int((outside >= 0.5).sum())
    return bayesian(tp=tp, fn=inside.size - tp, fp=fp, tn=outside.size - fp, **LEVEL)


AUDITS: Mapping[str, Audit] = {
    "gaussian_likelihood_ratio": lambda a, b: gaussian_likelihood_ratio(a, b, **LEVEL),
    "gdp, split": lambda a, b: gdp(a, b, **LEVEL),
    "gdp, bonferroni": lambda a, b: gdp(a, b, **LEVEL, threshold="bonferroni"),
    "clopper_pearson, split": lambda a, b: clopper_pearson(a, b, **LEVEL),
    "clopper_pearson, bonferroni": lambda a, b: clopper_pearson(
        a, b, **LEVEL, threshold="bonferroni"
    ),
    "one_run_fdp, 5 % + 5 %": once(one_run_fdp),
    "one_run, 5 % + 5 %": once(one_run),
}
NO_GUARANTEE: Mapping[str, Audit] = {"bayesian (no guarantee)": credible}


def games(n: int, mu: float, runs: int, seed: int) -> Iterator[tuple[Side, Side]]:
    """`runs` pairs of n scores from N(mu, 1) and N(0, 1)."""
    rng = np.random.default_rng(seed)
    while runs > 0:
        size = (min(runs, max(1, CHUNK // n)), n)
        runs -= size[0]
        yield from zip(rng.normal(size=size) + mu, rng.normal(size=size), strict=True)


def validity(runs: int) -> Iterator[Row]:
    """Audits of scores without information that report epsilon > 0."""
    for name, audit in {**AUDITS, **NO_GUARANTEE}.items():
        row: Row = {"bound": name}
        for n in (100, 1_000, 5_000):
            row[f"n = {n}"] = sum(audit(*pair).epsilon > 0 for pair in games(n, 0.0, runs, n))
        yield row | {"of": runs, "at most": at_most(runs, ALPHA)}


def tightness(runs: int) -> Iterator[Row]:
    """Mean bound over true epsilon [%], and audits whose bound exceeds the truth."""
    for epsilon in (4.0, 1.0):
        for name, audit in AUDITS.items():
            row: Row = {"epsilon": epsilon, "bound": name}
            above = []
            for n in (1_000, 5_000, 20_000):
                pairs = games(n, gaussian_mu(epsilon, DELTA), runs, n + 1)
                found = np.array([audit(*pair).epsilon for pair in pairs])
                row[f"n = {n}"] = round(100 * float(found.mean()) / epsilon, 1)
                above.append(int((found > epsilon).sum()))
            yield row | {"above": "/".join(map(str, above)), "of": runs}


def power(runs: int) -> Iterator[Row]:
    """Audits that refute a claim when the noise is half of it, and when it is what it should be."""
    for epsilon, n in ((4.0, 300), (1.0, 1_000)):
        for name, audit in AUDITS.items():
            mu = gaussian_mu(epsilon, DELTA)
            halved, honest = (
                sum(audit(*pair).epsilon > epsilon for pair in games(n, factor * mu, runs, n + 2))
                for factor in (2, 1)
            )
            row = {"epsilon": epsilon, "n": n, "bound": name, "halved noise": halved}
            yield row | {"honest": honest, "of": runs}


def speed(runs: int) -> Iterator[Row]:
    """Seconds of one audit with 20,000 scores a side, the best of a few."""
    (pair,) = games(20_000, gaussian_mu(4.0, DELTA), 1, 0)
    for name, audit in {**AUDITS, **NO_GUARANTEE}.items():
        taken = []
        for _ in range(min(runs, 5)):
            start = time.perf_counter()
            audit(*pair)
            taken.append(time.perf_counter() - start)
        yield {"bound": name, "seconds": round(min(taken), 4)}


TABLES: Mapping[str, tuple[Callable[[int], Iterator[Row]], int]] = {
    "validity": (validity, 2000),
    "tightness": (tightness, 400),
    "power": (power, 400),
    "speed": (speed, 5),
}


def show(name: str, rows: list[Row]) -> None:
    """Print a Markdown table."""
    heads = list(rows[0])
    print(f"\n{name}\n\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(str(row[head]) for head in heads)} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TABLES, help="one table")
    parser.add_argument("--runs", type=int, help="repetitions, instead of the table's own")
    parser.add_argument("--json", action="store_true", help="one JSON line a row")
    options = parser.parse_args()
    for name, (measure, runs) in TABLES.items():
        if options.only in (None, name):
            rows = list(measure(options.runs or runs))
            if options.json:
                print("\n".join(json.dumps({"table": name} | row) for row in rows), flush=True)
            else:
                show(name, rows)


if __name__ == "__main__":
    main()
