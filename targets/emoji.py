"""The embedded text-image set: emoji in four styles, their captions, attributes and split."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .captions import GENDERS, TONES, PersonPrompt

STYLES = ("noto", "twemoji", "fluent-3d", "fluent-flat")
SIZE = 64
FOLDER = Path(__file__).parent / "embedded" / "emoji"

Strings = NDArray[np.str_]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """Images and what is known about each; every array has one entry an image.

    Attributes:
        label: Name, such as `woman firefighter: medium-dark skin tone`.
        style: One of `STYLES`.
        family: Base concept; siblings in tone, gender or direction share it.
        kind: `person` (exactly one), `people`, `hand` or `thing`.
        gender: `woman`, `man` or `person` (unmarked) for one person, else empty.
        tone: 1 (light) to 5 (dark); 0 where there is none or more than one.
        age: `child`, `adult` or `older` for one person, else empty.
        split: `member`, or held out: its `concept` in every style, or its family in this `style`.
        code: Hexadecimal code points of the emoji.
        cell: Place of the image in its style's sheet.
        folder: Where the sheets are.
    """

    label: Strings
    style: Strings
    family: Strings
    kind: Strings
    gender: Strings
    tone: NDArray[np.int64]
    age: Strings
    split: Strings
    code: Strings
    cell: NDArray[np.int64]
    folder: Path

    @staticmethod
    def open(folder: Path = FOLDER) -> "Emoji":
        """The set in `folder`; images are decoded when first asked for."""
        return _open(folder)

    def __len__(self) -> int:
        return len(self.label)

    @property
    def member(self) -> NDArray[np.bool_]:
        """Which images the embedded models were trained on."""
        return np.asarray(self.split == "member")

    @property
    def person(self) -> NDArray[np.bool_]:
        """Which images show exactly one person with one skin tone."""
        return np.asarray((self.kind == "person") & (self.tone > 0))

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Occupations and activities drawn as woman and man in every tone, in order of name."""
        labels = set(self.label.tolist())
        ends = [f": {tone} skin tone" for tone in TONES]
        heads = {label[len("woman ") : -len(ends[0])] for label in labels
                 if label.startswith("woman ") and label.endswith(ends[0])}  # fmt: skip
        whole = (
            head
            for head in heads
            if all(f"{g} {head}{end}" in labels for g in ("woman", "man") for end in ends)
        )
        return tuple(sorted(whole))

    def prompts(self, count: int, rng: np.random.Generator) -> list[PersonPrompt]:
        """Prompts of single persons, drawn evenly over subject, gender, tone and style."""
        return [
            PersonPrompt(
                gender=str(rng.choice(GENDERS)),
                tone=str(rng.choice(TONES)),
                subject=str(rng.choice(self.subjects)),
                style=str(rng.choice(STYLES)),
            )
            for _ in range(count)
        ]

    @cached_property
    def images(self) -> Bytes:
        """All images, sRGB on white, shape `(n, 64, 64, 3)`."""
        return self.take(np.arange(len(self)))

    def take(self, rows: NDArray[np.int64]) -> Bytes:
        """Some of `images`; the others are not kept in memory."""
        found = np.empty((len(rows), SIZE, SIZE, 3), dtype=np.uint8)
        for style in np.unique(self.style[rows]):
            here = self.style[rows] == style
            found[here] = sheet(self.folder / f"{style}.webp")[self.cell[rows[here]]]
        return found


def attribute_space() -> Mapping[str, tuple[str, ...]]:
    """The attributes that a prompt of one person states, each with its values in order."""
    return {"gender": GENDERS, "tone": TONES}


@cache
def _open(folder: Path) -> Emoji:
    with (folder / "emoji.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    entries = [(s, i, row) for s in STYLES for i, row in enumerate(r for r in rows if r[s])]

    def column(name: str) -> Strings:
        return np.array([row[name] for _, _, row in entries])

    return Emoji(
        label=column("label"),
        style=np.array([style for style, _, _ in entries]),
        family=column("family"),
        kind=column("kind"),
        gender=column("gender"),
        tone=column("tone").astype(np.int64),
        age=column("age"),
        split=np.array([row[style] for style, _, row in entries]),
        code=column("code"),
        cell=np.array([cell for _, cell, _ in entries]),
        folder=folder,
    )


def sheet(path: Path) -> Bytes:
    """The cells of a sprite sheet in order, shape `(cells, 64, 64, 3)`; trailing ones are white."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width, _ = pixels.shape
    cells = pixels.reshape(height // SIZE, SIZE, width // SIZE, SIZE, 3)
    return np.ascontiguousarray(cells.transpose(0, 2, 1, 3, 4)).reshape(-1, SIZE, SIZE, 3)
