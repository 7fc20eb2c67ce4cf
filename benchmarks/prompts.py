"""What each attack recovers of prompts from each defence, as one table of a finished run.

latentleak run what-was-the-prompt --out runs/prompts; python benchmarks/prompts.py runs/prompts

A cell is an estimate and, behind the bar, the same with labels permuted: what was said, held
against the prompts of all other games. The first rows are the attacker who saw nothing and the
commonest value of each attribute. Attacks on a defence with equal cells share a row.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

COLUMNS = {
    "exact match": "exact",
    "token F1": "F1",
    "subject": "subject",
    "gender": "gender",
    "tone": "tone",
    "style": "style",
    "embedding similarity": "embedding",
    "picture similarity": "picture",
}
Record = Mapping[str, Any]


def findings(folder: Path) -> list[Record]:
    """The findings of a run."""
    lines = (folder / "findings.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


def defense_of(finding: Record) -> str:
    """Id of the defence that a finding is about."""
    return str(finding["id"]).split("/")[1]


def named(finding: Record) -> dict[tuple[str, str], str]:
    """Games in which the real one of 100 has the best score, by arm and adversary."""
    return {
        (row["arm"], row["adversary"]): f"{row['wins']}/{row['n']}"
        for row in finding["rows"]
        if row["wins"] is not None
    }


def rows(found: list[Record]) -> Iterator[list[str]]:
    """Baselines, then one row a defence, coalition and attack."""
    measures = [m for f in found for m in f["measures"] if m["name"] in COLUMNS]
    for key in ("nothing seen", "majority class"):
        values = {m["name"]: m[key] for m in reversed(measures) if key in m}
        cells = [f"{values[name]:.2f}" if name in values else "" for name in COLUMNS]
        yield [f"*{key}*", "", "", "", *cells]
    for finding in found:
        wins = named(finding)
        told: dict[tuple[str, str], dict[str, Record]] = {}
        for measure in finding["measures"]:
            if measure["name"] in COLUMNS:
                key = measure["arm"], measure["adversary"]
                told.setdefault(key, {})[measure["name"]] = measure
        alike: dict[tuple[str, ...], list[str]] = {}
        for (arm, adversary), own in told.items():
            cells = [cell(own.get(name)) for name in COLUMNS]
            alike.setdefault((arm, wins.get((arm, adversary), ""), *cells), []).append(adversary)
        for (arm, won, *cells), names in alike.items():
            yield [defense_of(finding), arm, ", ".join(names), won, *cells]


def cell(measure: Record | None) -> str:
    """Estimate, and the same with labels permuted."""
    if measure is None:
        return ""
    return f"{measure['estimate']:.2f} \\| {measure['permuted labels']:.2f}"


def main() -> None:
    """Print the table of a run folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run")
    head = ["defence", "servers", "attack", "named of 100", *COLUMNS.values()]
    print(f"| {' | '.join(head)} |")
    print("|" + "---|" * len(head))
    for row in rows(findings(parser.parse_args().run)):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
