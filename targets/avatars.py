"""Portraits of one law, drawn from one seed: members, non-members and pictures for shadow models.

Every picture is drawn independently from uniform attributes, so that nothing but a model that was
trained on some of them tells members from non-members.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .emoji import Bytes, Strings, sheet
from .errors import TargetError

SPLITS: Mapping[str, int] = {"member": 2500, "non-member": 2500, "validation": 500, "pool": 2000}
MEMBERS = 128
OVERFITTED, EARLY, PRIVATE = "avatars-overfitted", "avatars-early", "avatars-private"
WHOLE = "avatars-whole"
SHADOWS = tuple(f"avatars-shadow-{i}" for i in range(1, 5))
MODELS = (OVERFITTED, EARLY, WHOLE, PRIVATE, *SHADOWS)
FOLDER = Path(__file__).parent / "embedded" / "avatars"
ATTRIBUTES = (
    "skin", "top", "hair", "hat", "beard", "beard_hair", "accessory", "clothing", "fabric",
    "graphic", "mouth", "eyes", "eyebrows", "nose",
)  # fmt: skip
SKINS = {
    "pale": "light", "light": "medium-light", "brown": "medium", "dark_brown": "medium-dark",
    "black": "dark", "yellow": "yellow", "tanned": "orange",
}  # fmt: skip
HAIRS = {
    "auburn": "ginger", "black": "black", "blonde": "blond", "blonde_golden": "light yellow",
    "brown": "brown", "brown_dark": "dark brown", "pastel_pink": "pink", "platinum": "white",
    "red": "red", "silver_gray": "grey",
}  # fmt: skip
FABRICS = {
    "black": "black", "blue_01": "light blue", "blue_02": "blue", "blue_03": "dark blue",
    "gray_01": "light grey", "gray_02": "grey", "heather": "dark grey", "pastel_blue": "light blue",
    "pastel_green": "light green", "pastel_orange": "light orange", "pastel_yellow": "light yellow",
    "pink": "pink", "red": "red", "white": "white",
}  # fmt: skip
HATS = {
    "hat": "hat", "hijab": "headscarf", "turban": "turban", "winter_hat_1": "cap",
    "winter_hat_2": "cap", "winter_hat_3": "cap", "winter_hat_4": "cap", "chef_cap": "cook hat",
    "jedi": "scarf", "gladiator_helmet": "helmet",
}  # fmt: skip
CUTS = {
    "bald": "sides",
    "shaved": "buzzcut caesar caesar_side_part half_shaved mohawk shaved_sides",
    "curly": "big_hair curly curly_2 dreads fro fro_band short_curly long_hair_curly mia_wallace",
    "wavy": "bob curvy loose_hair short_waved elvis pompadour quiff",
    "straight": "straight_1 straight_2 straight_strand bride wick",
    "long": "long_not_too_long braids cornrows twist_long_hair twist_long_hair_2 dreadlocks frida",
}
CUT_OF = {top: cut for cut, tops in CUTS.items() for top in tops.split()}
CLOTHES = {
    "none": "no shirt", "blazer_shirt": "suit", "blazer_sweater": "suit", "bond_suit": "suit",
    "shirt_wick": "suit", "collar_sweater": "jersey", "hoodie": "coat", "overall": "jeans",
    "astronaut_suit": "astronaut", "chef": "cook", "gladiator": "vest", "jedi_robe": "kimono",
}  # fmt: skip
PLAIN = ("none", "astronaut_suit", "gladiator", "jedi_robe", "bond_suit", "shirt_wick")
MOUTHS = {
    "concerned": "worried", "default": "open", "disbelief": "confused", "eating": "savoring",
    "grimace": "grimacing", "sad": "frowning", "scream_open": "screaming", "serious": "neutral",
    "smile": "smiling", "tongue": "tongue", "twinkle": "smirking", "vomit": "vomiting",
    "big_smile": "grinning",
}  # fmt: skip
EYES = {
    "closed": "closed", "cry": "crying", "default": "open", "eye_roll": "rolling", "happy": "joy",
    "heart": "heart", "side": "right", "squint": "squinting", "surprised": "astonished",
    "wink_wacky": "zany", "wink": "winking", "x_dizzy": "dizzy",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Avatars:
    """Pictures of one split, and what is known about each.

    Attributes:
        split: A key of `SPLITS`.
        attributes: Each of `ATTRIBUTES`, one value a picture; empty where a picture cannot show
            it, such as the color of hair under a hat.
        folder: Where the sheets are.
    """

    split: str
    attributes: Mapping[str, Strings]
    folder: Path

    @staticmethod
    def open(split: str, folder: Path = FOLDER) -> "Avatars":
        """The pictures of a split; they are decoded when first asked for.

        Args:
            split: `member`, `non-member`, `validation` (neither, to choose settings on) or `pool`
                (none of them, for shadow models).
            folder: Of the sheets and the table.

        Raises:
            TargetError: There is no such split.
        """
        if split not in SPLITS:
            raise TargetError(f"split={split!r} must be one of {', '.join(SPLITS)}")
        return _open(split, folder)

    def __len__(self) -> int:
        return len(self.attributes["skin"])

    @cached_property
    def images(self) -> Bytes:
        """All pictures, sRGB on white, shape `(n, 64, 64, 3)`."""
        return sheet(self.folder / f"{self.split}.webp")[: len(self)]

    @cached_property
    def captions(self) -> tuple[str, ...]:
        """What a caption says of each picture."""
        return tuple(
            caption({name: str(values[i]) for name, values in self.attributes.items()})
            for i in range(len(self))
        )

    @cached_property
    def codes(self) -> NDArray[np.int64]:
        """The attributes as numbers, equal where the values are, shape `(n, 14)`."""
        known = _values(self.folder)
        columns = [np.searchsorted(known[name], self.attributes[name]) for name in ATTRIBUTES]
        return np.stack(columns, 1)


def trained_on(name: str) -> tuple[str, NDArray[np.int64]]:
    """On which pictures a model that ships was trained: the split, and their places in it.

    `WHOLE` and `PRIVATE` were trained on all members, the other targets on the first `MEMBERS`.
    Each shadow model has its own random `MEMBERS` of the first `2 * MEMBERS` of the pool, so that
    the others are its non-members.

    Args:
        name: One of `MODELS`; `load("embedded+" + name)` opens it.
    """
    if name not in MODELS:
        raise TargetError(f"name={name!r} must be one of {', '.join(MODELS)}")
    if name not in SHADOWS:
        return "member", np.arange(SPLITS["member"] if name in (WHOLE, PRIVATE) else MEMBERS)
    rng = np.random.default_rng(1 + SHADOWS.index(name))
    return "pool", np.sort(rng.permutation(2 * MEMBERS)[:MEMBERS])


def caption(attributes: Mapping[str, str]) -> str:
    """Some of the attributes in words that the embedded text encoder was trained on.

    Args:
        attributes: The value of each of `ATTRIBUTES`.
    """
    beard, accessory = attributes["beard"], attributes["accessory"]
    parts = [f"person with {_head(attributes)}", f"{SKINS[attributes['skin']]} skin"]
    if beard != "none":
        parts.append("beard")
    if accessory != "none":
        parts.append(_glasses(accessory))
    clothes = CLOTHES.get(attributes["clothing"], "shirt")
    parts.append(f"{FABRICS.get(attributes['fabric'], '')} {clothes}".strip())
    face = f"{MOUTHS[attributes['mouth']]} mouth and {EYES[attributes['eyes']]} eyes"
    return f"{', '.join(parts)}, {face}"


def _head(attributes: Mapping[str, str]) -> str:
    top = attributes["top"]
    if top in HATS:
        return f"{FABRICS.get(attributes['hat'], '')} {HATS[top]}".strip()
    if top == "astronaut":
        return "astronaut helmet"
    cut = CUT_OF.get(top, "")
    return (
        "bald head"
        if top == "none"
        else f"{HAIRS[attributes['hair']]} {cut} hair".replace("  ", " ")
    )


def _glasses(accessory: str) -> str:
    if accessory == "eyepatch":
        return "pirate"
    dark = accessory.startswith(("sunglasses", "wayfarers", "kurt"))
    return "sunglasses" if dark else "glasses"


@cache
def _table(folder: Path) -> tuple[dict[str, str], ...]:
    with (folder / "avatars.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


@cache
def _open(split: str, folder: Path) -> Avatars:
    rows = [row for row in _table(folder) if row["split"] == split]
    columns = {name: np.array([row[name] for row in rows]) for name in ATTRIBUTES}
    return Avatars(split=split, attributes=columns, folder=folder)


@cache
def _values(folder: Path) -> Mapping[str, Strings]:
    rows = _table(folder)
    return {name: np.unique([row[name] for row in rows]) for name in ATTRIBUTES}
