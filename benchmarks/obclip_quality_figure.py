"""Draw prompt score and LPIPS against the server's cost, from the table of utility.

    python benchmarks/obclip_quality_figure.py docs/obclip-cost.md docs/images/obclip-cost.png

Reads the lines for six candidates of the table that `obclip_quality.py report` prints, in a page or
in its output, so that figure and table cannot differ.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROWS = 6
COLORS = {5: "#0072B2", 10: "#D55E00", None: "black"}
"""By switch point; told apart in color blindness and by their marks in print."""
MARKS = {"hybrid": "o", "+ recall": "^", "paper": "D", "lean": "s"}


@dataclass(frozen=True, kw_only=True)
class Point:
    """A method's line of the table."""

    method: str
    cost: float
    score: float
    lpips: float

    @property
    def k(self) -> int | None:
        """Switch point, None for methods that have none."""
        digits = self.method.rpartition("k")[2].lstrip("=")
        return int(digits) if digits.isdigit() else None

    @property
    def mark(self) -> str:
        """How it is drawn."""
        return next((m for name, m in MARKS.items() if self.method.startswith(name)), "X")


def read(text: str) -> list[Point]:
    """The lines of the table for `ROWS` candidates.

    Raises:
        ValueError: If there are none.
    """
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and cells[0] == str(ROWS):
            found.append(
                Point(
                    method=cells[1],
                    cost=float(cells[2]),
                    score=float(cells[3].partition(" ")[0]),
                    lpips=float(cells[7]),
                )
            )
    if not found:
        raise ValueError(f"the text has no table of utility with lines for {ROWS} candidates")
    return found


def draw(points: Sequence[Point], path: Path) -> None:
    """Two panels and one legend below them."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(10, 4.9))
    handles: dict[str, Any] = {}
    for point in points:
        style = {"color": COLORS[point.k], "markersize": 8, "linestyle": "none"}
        handles[point.method], *_ = panels[0].plot(
            point.cost, point.score, point.mark, **style, label=point.method
        )
        panels[1].plot(point.cost, point.lpips, point.mark, **style)
    alone = {"cloud-only": (6, -3), "local-only": (8, -3), "vanilla": (-44, -3)}
    for point in points:
        for panel, value in zip(panels, (point.score, point.lpips), strict=True):
            if point.method in alone:
                place = {"textcoords": "offset points", "xytext": alone[point.method]}
                panel.annotate(point.method, (point.cost, value), fontsize=8, **place)
    for panel, title in zip(panels, ("prompt score", "LPIPS to cloud-only"), strict=True):
        panel.set(title=title, xlabel="server's multiply-accumulates / one plain generation")
        panel.axvline(1, color="grey", linewidth=0.6)
        panel.margins(x=0.06, y=0.1)
    shown = {name: mark for name, mark in handles.items() if name not in alone}
    figure.legend(
        shown.values(), shown.keys(), loc="lower center", ncols=4, frameon=False, fontsize=9
    )
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("figure", type=Path)
    options = parser.parse_args()
    draw(read(options.table.read_text(encoding="utf-8")), options.figure)


if __name__ == "__main__":
    main()
