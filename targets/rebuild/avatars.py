"""Draw the portraits: one sprite sheet a split, one table of attributes.

python -m latentleak.targets.rebuild.avatars --out FOLDER

Attributes are uniform and independent. A picture that differs from an earlier one in fewer than
`APART` attributes is drawn again; only then are all of them shuffled into the splits, which are
therefore exchangeable.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import python_avatars as parts
from numpy.typing import NDArray

from ..avatars import ATTRIBUTES, HATS, PLAIN, SPLITS
from .dataset import render, sheet

SEED = 0
APART = 4
QUALITY = 85
OMITTED = ("HAT", "CUSTOM_TEXT")
CLASSES = {
    "skin": parts.SkinColor,
    "hair": parts.HairColor,
    "hat": parts.ClothingColor,
    "beard": parts.FacialHairType,
    "beard_hair": parts.HairColor,
    "accessory": parts.AccessoryType,
    "clothing": parts.ClothingType,
    "fabric": parts.ClothingColor,
    "graphic": parts.ClothingGraphic,
    "mouth": parts.MouthType,
    "eyes": parts.EyeType,
    "eyebrows": parts.EyebrowType,
    "nose": parts.NoseType,
}
TOPS = {m.name.lower(): m for m in parts.HairType if m.name not in OMITTED}
TOPS |= {m.name.lower(): m for m in parts.HatType}
LAW: Mapping[str, tuple[str, ...]] = {
    name: tuple(TOPS)
    if name == "top"
    else tuple(m.name.lower() for m in CLASSES[name] if m.name not in OMITTED)
    for name in ATTRIBUTES
}
KEYWORDS = {
    "skin": "skin_color", "top": "top", "hair": "hair_color", "hat": "hat_color",
    "beard": "facial_hair", "beard_hair": "facial_hair_color", "accessory": "accessory",
    "clothing": "clothing", "fabric": "clothing_color", "graphic": "shirt_graphic",
    "mouth": "mouth", "eyes": "eyes", "eyebrows": "eyebrows", "nose": "nose",
}  # fmt: skip


def draw(rng: np.random.Generator) -> tuple[str, ...]:
    """One picture's attributes; those that it cannot show are empty."""
    row = {name: values[rng.integers(len(values))] for name, values in LAW.items()}
    hidden = {
        "hair": row["top"] in HATS or row["top"] in ("none", "astronaut"),
        "hat": row["top"] not in HATS,
        "beard_hair": row["beard"] == "none",
        "fabric": row["clothing"] in PLAIN,
        "graphic": row["clothing"] != "graphic_shirt",
    }
    return tuple("" if hidden.get(name) else row[name] for name in ATTRIBUTES)


def population(seed: int, count: int) -> list[tuple[str, ...]]:
    """Attributes of `count` pictures, any two of which differ in at least `APART`."""
    rng = np.random.default_rng(seed)
    kept: list[tuple[str, ...]] = []
    codes: NDArray[np.int64] = np.empty((count, len(ATTRIBUTES)), np.int64)
    index = {
        (i, value): k
        for i, name in enumerate(ATTRIBUTES)
        for k, value in enumerate(("", *LAW[name]))
    }
    while len(kept) < count:
        row = draw(rng)
        code = np.array([index[i, value] for i, value in enumerate(row)])
        if ((codes[: len(kept)] != code).sum(1) >= APART).all():
            codes[len(kept)] = code
            kept.append(row)
    order = rng.permutation(count)
    return [kept[i] for i in order]


def picture(row: tuple[str, ...]) -> bytes:
    """A picture of these attributes, `SIZE` x `SIZE` x 3 bytes."""
    chosen = {}
    for name, value in zip(ATTRIBUTES, row, strict=True):
        if name == "top":
            chosen[KEYWORDS[name]] = TOPS[value]
        elif value:
            chosen[KEYWORDS[name]] = CLASSES[name][value.upper()]
    svg = parts.Avatar(style=parts.AvatarStyle.TRANSPARENT, **chosen).render()
    square = svg.replace('width="264px"', 'width="280px"', 1)
    square = square.replace('viewBox="0 0 264 280"', 'viewBox="-8 0 280 280"', 1)
    return render(square.encode(), ".svg")


def splits(seed: int) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """The attributes of each split's pictures."""
    rows = population(seed, sum(SPLITS.values()))
    for name, size in SPLITS.items():
        yield name, rows[:size]
        rows = rows[size:]


def build(out: Path, seed: int = SEED) -> None:
    """Write sheets and table to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    drawn = dict(splits(seed))
    with (out / "avatars.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("split", *ATTRIBUTES))
        writer.writerows((name, *row) for name, rows in drawn.items() for row in rows)
    for name, rows in drawn.items():
        image = sheet([picture(row) for row in rows])
        image.save(out / f"{name}.webp", quality=QUALITY, method=6)
        print(f"{name}: {len(rows)} pictures", file=sys.stderr)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of sheets and table")
    build(parser.parse_args().out)


if __name__ == "__main__":
    main()
