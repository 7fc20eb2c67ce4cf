"""How fast releases are audited end to end, through `Mechanism.release` at full dimension.

    python benchmarks/dp_releases.py [--trials 1000000] [--dimension 128]

Half of the trials have the canary, half its opposite; every release is scored by the likelihood
ratio. Beside them the same Gaussian numbers drawn and thrown away: the baseline.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from latentleak.adversaries.likelihood_ratio import Line
from latentleak.audits.dp_epsilon import Bound, gaussian_likelihood_ratio, gdp
from latentleak.defenses.dp_adaptation.aggregation import Aggregation
from latentleak.defenses.seeds import stream

RECORDS, SAMPLE, ALPHA = 200, 20, 0.05


def audit(mechanism: Aggregation, trials: int, dimension: int) -> Bound:
    """Release, score and bound; batches of at most 64 MB."""
    record = np.zeros(dimension)
    record[0] = mechanism.clip
    others = np.zeros((RECORDS - 1, dimension))
    line = Line.between(record, -record, others, mechanism.terms(RECORDS).to_dict())
    scores = [
        np.concatenate(
            [
                line.scores(batch)
                for batch in mechanism.batches(
                    np.vstack([side * record, others]),
                    stream(0, "world", world),
                    trials=trials // 2,
                )
            ]
        )
        for world, side in enumerate((-1, 1))
    ]
    given = {"delta": mechanism.delta, "alpha": ALPHA}
    if mechanism.sample is None:
        return gaussian_likelihood_ratio(scores[1], scores[0], **given)
    return gdp(scores[1], scores[0], rate=mechanism.sample / RECORDS, **given)


def main() -> None:
    """Print one line a mechanism."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=128)
    options = parser.parse_args()
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    for _ in range(options.trials // 10_000):
        rng.standard_normal((10_000, options.dimension))
    baseline = time.perf_counter() - start
    print(f"{options.trials} releases of dimension {options.dimension}")
    print(f"{'noise alone':24}{baseline:8.1f} s  1.0 x")
    for name, mechanism in (
        ("all records", Aggregation()),
        (f"{SAMPLE} of {RECORDS} records", Aggregation(sample=SAMPLE)),
    ):
        start = time.perf_counter()
        bound = audit(mechanism, options.trials, options.dimension)
        took = time.perf_counter() - start
        print(
            f"{name:24}{took:8.1f} s  {took / baseline:.1f} x   epsilon >= {bound.epsilon:.3f} "
            f"of {mechanism.epsilon:g} ({bound.method})"
        )


if __name__ == "__main__":
    main()
