"""Membership in a private adaptation at several epsilons: what attacks reach, and what they may.

    python benchmarks/dp_epsilons.py --out runs/epsilons [--epsilons 1,2,4,8] [--trials 4000]

Plays `was-my-image-used` against each adaptation at each epsilon, and prints a Markdown table. A
run that is there already is read, not played again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from scipy.special import ndtr

from latentleak.audits import run
from latentleak.audits.catalog import spec_of
from latentleak.audits.config import configured
from latentleak.audits.verdict import Finding
from latentleak.scenarios.neighbours import closed_form

DEFENSES = ("dpagg-ti", "dp-guidance", "dp-sgd-ti")
RECORDS = 200
ARMS = ("canaries", "image", "near-duplicates", "model", "pictures")
HEAD = ("adaptation", "epsilon", "epsilon at least", "best test", *ARMS)


def line(finding: Finding, defense: str, epsilon: float) -> list[str]:
    """One row of the table."""
    areas: dict[str, tuple[float, list[float]]] = {}
    for record in finding.measures:
        if record["name"] == "AUC":
            found = record["estimate"], list(record["interval"])
            areas[record["arm"]] = max(found, areas.get(record["arm"], found))
    shown = [area(areas[arm]) if arm in areas else "-" for arm in ARMS]
    return [defense, f"{epsilon:g}", f"{finding.estimate:.2f}", best(defense, epsilon), *shown]


def area(found: tuple[float, list[float]]) -> str:
    """An AUC with its interval."""
    estimate, (low, high) = found
    return f"{estimate:.3f} [{low:.3f}, {high:.3f}]"


def best(defense: str, epsilon: float) -> str:
    """AUC of the best test of one record, in closed form where there is one."""
    mechanism = configured(spec_of("defense", defense).build(), {"epsilon": epsilon}, "defense")
    terms = mechanism.terms(RECORDS)
    return "-" if terms.rate < 1 else f"{ndtr(closed_form(terms)['mu'] / 2**0.5):.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epsilons", default="1,2,4,8")
    parser.add_argument("--trials", type=int, default=4000, help="white-box games of an arm")
    parser.add_argument("--costly", type=int, default=0, help="games in which the model runs")
    options = parser.parse_args()
    print("| " + " | ".join(HEAD) + " |")
    print("|" + "---|" * len(HEAD))
    for defense in DEFENSES:
        for epsilon in map(float, options.epsilons.split(",")):
            result = run(
                "was-my-image-used",
                out=options.out / f"{defense}-{epsilon:g}",
                defense=defense,
                trials=options.trials,
                resume=True,
                settings={"defense.epsilon": epsilon, "scenario.costly": options.costly},
            )
            finding = next(f for f in result.findings if f.id.endswith(f"/{defense}"))
            print("| " + " | ".join(line(finding, defense, epsilon)) + " |", flush=True)


if __name__ == "__main__":
    main()
