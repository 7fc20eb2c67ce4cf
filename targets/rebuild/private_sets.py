"""Build the private collections: one sprite sheet a collection and one table of names.

python -m latentleak.targets.rebuild.private_sets --cache DOWNLOADS --out FOLDER
"""

import argparse
import csv
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .dataset import render, sheet
from .packages import npm

FIELDS = ("collection", "name", "family", "package", "licence")
TEMAKI = """
abseiling archery balance-beam canoe climbing cross-country-skiing diving hang-gliding
horizontal-bar ice-skating inline-skating kayaking rafting scuba-diving skateboarding
ski-jumping skiing sledding snow-shoeing snowboarding surfing tennis trampoline waterskiing
wind-surfing
"""
MATERIAL = """
badminton directions-bike directions-run downhill-skiing hiking ice-skating kayaking
kitesurfing nordic-walking paragliding pool roller-skating rowing sailing scuba-diving
skateboarding sledding snowboarding snowshoeing sports-baseball sports-basketball
sports-cricket sports-golf sports-gymnastics sports-handball sports-hockey sports-kabaddi
sports-martial-arts sports-mma sports-motorsports sports-rugby sports-soccer sports-tennis
sports-volleyball sprint surfing
"""
FAMILIES = {
    "directions-bike": "cycling",
    "directions-run": "running",
    "downhill-skiing": "skiing",
    "pool": "swimming",
    "snow-shoeing": "snowshoeing",
    "sprint": "running",
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Some icons of one package.

    Attributes:
        collection: Name of the collection that they belong to.
        package: On npm, in the format of Iconify.
        version: Exact version.
        licence: SPDX identifier.
        names: Icons to take, in order; empty takes all.
    """

    collection: str
    package: str
    version: str
    licence: str
    names: tuple[str, ...] = ()


SOURCES = (
    Source(
        collection="stickies",
        package="@iconify-json/streamline-stickies-color",
        version="1.2.2",
        licence="CC-BY-4.0",
    ),
    Source(
        collection="pictograms",
        package="@iconify-json/temaki",
        version="1.2.6",
        licence="CC0-1.0",
        names=tuple(TEMAKI.split()),
    ),
    Source(
        collection="pictograms",
        package="@iconify-json/material-symbols",
        version="1.2.98",
        licence="Apache-2.0",
        names=tuple(MATERIAL.split()),
    ),
)


def svg(name: str, icons: Mapping[str, Any]) -> str:
    """One icon of an Iconify set as a document; its current colour is black."""
    icon = icons["icons"][name]
    left, top, width, height = (
        icon.get(key, icons.get(key, default))
        for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    body = icon["body"].replace("currentColor", "#000")
    box = f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>{body}</svg>'


def family(name: str, collection: str) -> str:
    """What an icon shows: icons of one family are near-duplicates or show the same sport."""
    if collection == "stickies":
        return name.removesuffix("-duo")
    return FAMILIES.get(name, name.removeprefix("sports-"))


def read(source: Source, cache: Path) -> Iterator[tuple[dict[str, str], bytes]]:
    """Each icon's line of the table, and its pixels."""
    with tarfile.open(npm(source.package, source.version, cache)) as archive:
        file = archive.extractfile("package/icons.json")
        assert file is not None
        icons = json.load(file)
    for name in source.names or icons["icons"]:
        row = {
            "collection": source.collection,
            "name": name,
            "family": family(name, source.collection),
            "package": f"{source.package} {source.version}",
            "licence": source.licence,
        }
        yield row, render(svg(name, icons).encode(), ".svg")


def build(cache: Path, out: Path, sources: Sequence[Source] = SOURCES) -> dict[str, int]:
    """Write sheets and table to `out`; the number of images of each collection."""
    out.mkdir(parents=True, exist_ok=True)
    entries = [entry for source in sources for entry in read(source, cache)]
    counts: dict[str, int] = {}
    for name in dict.fromkeys(source.collection for source in sources):
        images = [pixels for row, pixels in entries if row["collection"] == name]
        sheet(images).save(out / f"{name}.webp", lossless=True, quality=100, method=6)
        counts[name] = len(images)
    with (out / "private.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        writer.writerows([row[field] for field in FIELDS] for row, _ in entries)
    return counts


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder of downloads")
    parser.add_argument("--out", type=Path, required=True, help="folder of sheets and table")
    options = parser.parse_args()
    for name, count in build(options.cache, options.out).items():
        print(f"{name}: {count} images")


if __name__ == "__main__":
    main()
