"""Small collections that somebody adapts a model to, and public images to choose settings on.

The collections are openly licensed; *private* is the role that they play. None of their images,
and no image of `public`, was seen by the embedded model in training.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .captions import caption
from .emoji import Bytes, Emoji, Strings, sheet
from .errors import TargetError

Name = Literal["stickies", "pictograms"]
FOLDER = Path(__file__).parent / "embedded" / "private"
STYLES = {
    "stickies": "thick outlines, flat bright colors",
    "pictograms": "solid black figures on white",
}
PUBLIC = 96


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Images with their names; every array has one entry an image.

    Attributes:
        name: Of the collection.
        style: What its images have in common, in words.
        images: sRGB on white, shape `(n, 64, 64, 3)`.
        label: What each shows.
        family: Images of one family are near-duplicates, or show the same thing; whoever
            counts a family as one person's images needs group privacy of its size.
        package: Where each is from, with the version.
        licence: SPDX identifier of each.
    """

    name: str
    style: str
    images: Bytes
    label: Strings
    family: Strings
    package: Strings
    licence: Strings

    def __len__(self) -> int:
        return len(self.images)


def load(name: Name, folder: Path = FOLDER) -> Collection:
    """A private collection.

    Args:
        name: `stickies` (200 icons of one studio, each drawn in colors and in two tones) or
            `pictograms` (61 sport pictograms of two sources).
        folder: Where the sheets are.

    Raises:
        TargetError: There is no such collection.
    """
    if name not in STYLES:
        raise TargetError(f"name={name!r} must be one of {', '.join(STYLES)}")
    with (folder / "private.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["collection"] == name]
    label, family, package, licence = (
        np.array([row[field] for row in rows]) for field in ("name", "family", "package", "licence")
    )
    return Collection(
        name=name,
        style=STYLES[name],
        images=sheet(folder / f"{name}.webp")[: len(rows)],
        label=label,
        family=family,
        package=package,
        licence=licence,
    )


def public(count: int = PUBLIC) -> Collection:
    """Emoji of concepts that the embedded model never saw, for every choice of a setting.

    The same for every private collection and disjoint from all of them: what is chosen here
    costs no privacy.

    Args:
        count: How many, at most one a family and style; they are spread evenly over the families.
    """
    data = Emoji.open()
    rows = _one_of_each(np.flatnonzero(data.split == "concept"), data)
    if not 1 <= count <= len(rows):
        raise TargetError(f"count={count} must be in 1..{len(rows)}")
    rows = rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]
    return Collection(
        name="public",
        style="emoji in four styles",
        images=data.take(rows),
        label=np.array([caption(str(data.label[i]), str(data.style[i])) for i in rows]),
        family=data.family[rows],
        package=np.full(count, "emoji"),
        licence=np.full(count, "see emoji"),
    )


def _one_of_each(rows: NDArray[np.intp], data: Emoji) -> NDArray[np.intp]:
    """The first image of each family and style, families side by side."""
    seen = {(str(data.family[i]), str(data.style[i])): i for i in rows[::-1]}
    return np.array([seen[key] for key in sorted(seen)])
