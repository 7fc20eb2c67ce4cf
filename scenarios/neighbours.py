"""Collections that differ in one record, or in the records of one person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr, ndtri

from ..defenses.claims import Neighbours
from ..defenses.codec import Array
from ..defenses.protocol import Mechanism, Space, Terms
from ..defenses.seeds import stream
from ..targets.pipeline import Target

if TYPE_CHECKING:
    from ..defenses.dp_adaptation.inversion import Recipe

DIMENSION = 256
"""Of canaries: what is published has this many coordinates."""

BEYOND = 4.0
"""Norm of a canary over the clip: an honest release clips it, a forgotten clip shows."""

CANDIDATES = 100
"""Images among which the one in question is to be named."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the curator may hold, and what is known of it.

    Attributes:
        worlds: Records of each world, arrays (n, d). In membership games world 1 has the record
            in question and world 0 its replacement.
        target: Facts of the record in question, by name.
        others: Records that are in every world.
        facts: For the finding.
    """

    worlds: tuple[Array, ...]
    target: Mapping[str, Array]
    others: Array
    facts: Mapping[str, Any] = field(default_factory=dict)


def canaries(mechanism: Mechanism, *, records: int, group: int = 1) -> Held:
    """The worst case: opposite records far beyond the clip, all others zero.

    Under add-remove the records of the group are there or not; under replace-one their opposites
    stand in their place.

    Args:
        mechanism: Whose neighbouring relation and clip count.
        records: n.
        group: Records of one person.
    """
    terms = mechanism.terms(records)
    record = np.zeros(DIMENSION)
    record[0] = BEYOND * (terms.clip or 1.0)
    others = np.zeros((records - group, DIMENSION))
    used = np.concatenate([np.tile(record, (group, 1)), others])
    removed = terms.neighbours is Neighbours.ADD_REMOVE
    return Held(
        worlds=(others if removed else -used, used),
        target={"record": record, "replacement": np.zeros(DIMENSION) if removed else -record},
        others=others,
        facts={"records": "canaries", "group": group, "n": records},
    )


def image(records: Array, images: Array, *, name: str, seed: int) -> Held:
    """One image of a collection, or in its place the last one, which is otherwise left out.

    Args:
        records: Of the images, shape (n, d), from `embed`.
        images: Of the collection, uint8 of shape (n, height, width, 3).
        name: Of the collection.
        seed: Draws which image is in question.
    """
    place = int(stream(seed, "image in question").integers(len(images) - 1))
    others = np.delete(records, [place, len(records) - 1], axis=0)
    return Held(
        worlds=tuple(np.concatenate([records[[i]], others]) for i in (-1, place)),
        target={
            "record": records[place],
            "replacement": records[-1],
            "image": images[place],
            "replacement image": images[-1],
        },
        others=others,
        facts={"records": name, "group": 1, "n": len(records) - 1},
    )


def family(records: Array, images: Array, families: Array, *, name: str, seed: int) -> Held:
    """All images of one family, or in their place all of another one of the same size.

    Images of a family are near-duplicates, or show the same thing: whoever owns the family is
    covered by the claim about one image only as a group of that size.

    Args:
        records: Of the images, shape (n, d).
        images: uint8 of shape (n, height, width, 3).
        families: Name of each image's family, shape (n,).
        name: Of the collection.
        seed: Draws the two families.

    Raises:
        ValueError: No two families have the same number of images, and more than one.
    """
    found, counts = np.unique(families, return_counts=True)
    sizes = [size for size in np.unique(counts) if size > 1 and (counts == size).sum() > 1]
    if not sizes:
        raise ValueError(f"{name!r} has no two families of near-duplicates; take more images")
    alike = found[counts == sizes[0]]
    chosen = stream(seed, "family in question").choice(alike, size=2, replace=False)
    mine, instead = (np.flatnonzero(families == each) for each in chosen)
    others = np.delete(records, np.concatenate([mine, instead]), axis=0)
    return Held(
        worlds=tuple(np.concatenate([records[rows], others]) for rows in (instead, mine)),
        target={
            "record": records[mine].mean(axis=0),
            "replacement": records[instead].mean(axis=0),
            "image": images[mine[0]],
            "replacement image": images[instead[0]],
        },
        others=others,
        facts={"records": name, "group": int(sizes[0]), "n": len(others) + int(sizes[0])},
    )


def candidates(records: Array, images: Array, *, name: str) -> Held:
    """World i holds image i of the first hundred, or half; images beyond are in every world."""
    count = min(CANDIDATES, len(records) // 2)
    first, others = records[:count], records[count:]
    return Held(
        worlds=tuple(np.concatenate([first[[i]], others]) for i in range(count)),
        target={"candidates": first, "images": images[:count]},
        others=others,
        facts={"records": name, "group": 1, "n": len(others) + 1},
    )


def closed_form(terms: Terms) -> dict[str, Any]:
    """The best membership test of one record, where every record is in every noisy sum.

    References:
        Dong, Roth, Su (2019), Theorem 2.7, https://arxiv.org/abs/1905.02383.
    """
    length = (2 if terms.neighbours is Neighbours.REPLACE_ONE else 1) * (terms.clip or math.inf)
    mu = math.sqrt(terms.rounds) * length / (terms.divisor * terms.sigma)
    return {
        "name": "best test in closed form",
        "statement": (
            "With all other records known, the release is Gaussian in both worlds with the same "
            "covariance: no test has a larger AUC, nor more true positives at any rate of false "
            "ones, than the likelihood ratio. What is measured above these values is a bug."
        ),
        "mu": mu,
        "AUC": float(ndtr(mu / math.sqrt(2))),
        "TPR at 1 % FPR": float(ndtr(mu + ndtri(0.01))),
    }


def embed(
    space: Space, target: Target, images: Array, *, recipe: Recipe | None, cache: Path
) -> Array:
    """The records of images, shape (n, d), float64.

    Args:
        space: What a record is.
        target: The model that images are embedded with.
        images: uint8 of shape (n, height, width, 3).
        recipe: Of textual inversion; None is that of the embeddings that ship.
        cache: Folder that keeps inversions.

    Raises:
        ValueError: If records of this kind are not made from images alone.
    """
    if space is Space.TOKEN:
        from ..defenses.dp_adaptation.inversion import invert

        return np.asarray(invert(target, images, recipe, cache=cache), dtype=np.float64)
    if space is Space.IMAGE:
        from ..adversaries.look_alike import features

        return np.asarray(features(images))
    raise ValueError(f"space={space.value!r} has no records of single images")
