"""Figure, contact sheets and table of what `dp_utility.py measure` left.

python benchmarks/dp_utility_report.py --out runs/dp-utility --images docs/images

Prints the table in Markdown. The figure needs Matplotlib.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import matplotlib
import numpy as np
import torch
from dp_utility import EPSILONS, METHODS, METRICS, REFERENCES, Study, save_strip
from PIL import Image, ImageDraw
from scipy.stats import t as student

matplotlib.use("agg")
from matplotlib import pyplot as plt


def contact_sheet(study: Study, out: Path) -> Image.Image:
    """Some private images, then one line a method and epsilon."""
    lines: list[tuple[str, Image.Image]] = []
    every = torch.from_numpy(study.collection.images).permute(0, 3, 1, 2).float().div(255)
    step = len(every) // 8
    save_strip(every[1::step][:8], out / f"{study.name}-private.png")
    lines.append(("private images", Image.open(out / f"{study.name}-private.png")))
    for method, title in REFERENCES.items():
        lines.append((title, Image.open(out / f"{study.name}-{method}-None.png")))
    for method, title in METHODS.items():
        for epsilon in (1.0, 10.0):
            path = out / f"{study.name}-{method}-{epsilon}.png"
            lines.append((f"{title}, epsilon {epsilon:g}", Image.open(path)))
    sheet = Image.new("RGB", (260 + 8 * 64, 66 * len(lines)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (title, strip) in enumerate(lines):
        pen.text((4, 66 * row + 26), title, "black")
        sheet.paste(strip, (260, 66 * row))
    return sheet


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half-width of its 95 % t interval over releases."""
    if len(values) < 2:
        return float(np.mean(values)), math.nan
    half = student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return float(np.mean(values)), float(half)


def summary(out: Path) -> dict[tuple[str, str, float | None, str], tuple[float, float]]:
    """Mean and half-width for each collection, method, epsilon and metric."""
    groups: dict[tuple[str, str, float | None, str], list[float]] = {}
    for path in sorted(out.glob("results-*.jsonl")):
        for record in map(json.loads, path.read_text().splitlines()):
            for metric in METRICS:
                where = (record["collection"], record["method"], record["epsilon"], metric)
                groups.setdefault(where, []).append(record[metric])
    return {where: interval(values) for where, values in groups.items()}


def figure(out: Path, images: Path) -> None:
    """Utility against epsilon, methods as lines; and the contact sheets."""
    table = summary(out)
    names = sorted({where[0] for where in table}, reverse=True)
    grid, axes = plt.subplots(len(names), 3, figsize=(13, 4 * len(names)), squeeze=False)
    for row, name in enumerate(names):
        for column, (metric, title) in enumerate(METRICS.items()):
            panel = axes[row, column]
            for color, (method, label) in enumerate(METHODS.items()):
                points = [table[name, method, epsilon, metric] for epsilon in EPSILONS]
                shift = 1.03 ** (color - 2)
                panel.errorbar(
                    [epsilon * shift for epsilon in EPSILONS],
                    [mean for mean, _ in points],
                    [half for _, half in points],
                    color=f"C{color}", marker="o", markersize=3, capsize=2, label=label,
                )  # fmt: skip
            for dash, (method, label) in zip(
                ("-", "--", ":", "-."), REFERENCES.items(), strict=True
            ):
                level = table[name, method, None, metric][0]
                panel.axhline(level, color="black", linestyle=dash, linewidth=1, label=label)
            panel.set_xscale("log")
            panel.set_xticks(EPSILONS, [f"{epsilon:g}" for epsilon in EPSILONS])
            panel.minorticks_off()
            panel.set_xlabel("epsilon")
            panel.set_title(f"{name}: {title}", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    grid.legend(handles, labels, loc="lower center", ncols=5, fontsize=8, frameon=False)
    grid.tight_layout(rect=(0, 0.4 / (4 * len(names)) + 0.03, 1, 1))
    images.mkdir(parents=True, exist_ok=True)
    grid.savefig(images / "dp-utility.png", dpi=110)
    for name in names:
        sheet = contact_sheet(Study(name=name, cache=out), out)
        sheet.quantize(128).save(images / f"dp-utility-{name}.png", optimize=True)


def markdown(out: Path) -> str:
    """The table of the documentation."""
    table = summary(out)
    lines = ["| collection | method | epsilon | KID x 1000 | to the collection | to the prompt |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for name in sorted({where[0] for where in table}, reverse=True):
        for method, label in {**REFERENCES, **METHODS}.items():
            for epsilon in (None, *EPSILONS):
                if (name, method, epsilon, "kid") not in table:
                    continue
                cells = [table[name, method, epsilon, metric] for metric in METRICS]
                scale = (1000, 1, 1)
                texts = [
                    f"{m * s:.2f} ± {h * s:.2f}" for (m, h), s in zip(cells, scale, strict=True)
                ]
                shown = "" if epsilon is None else f"{epsilon:g}"
                lines.append(f"| {name} | {label} | {shown} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/dp-utility"))
    parser.add_argument("--images", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    figure(options.out, options.images)
    print(markdown(options.out))


if __name__ == "__main__":
    main()
