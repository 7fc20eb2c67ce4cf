"""A small trained classifier of single words in context, for words that no list knows.

Multinomial logistic regression over (1) log-probabilities of the word alone, learned from public
word vectors and shipped for 130,000 words; (2) its first and last letters, hashed; (3) the three
words on either side, hashed. Declared words and pronouns are masked, so that what it says is the
same for all candidates of a prompt. `training` makes it; `docs/obclip-candidates.md` says how
well it does.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from ... import targets

Floats = npt.NDArray[np.float32]

FILE = Path(targets.__file__).parent / "embedded" / "detector" / "detector.safetensors"
BUCKETS = 4096
REACH = 3
STEP = 0.5
"""Shipped log-probabilities are 0 to -15 times this: four bits each."""


class Kind(Enum):
    """What a word is taken for; all but the first two show an attribute."""

    OTHER = "other"
    PERSON = "person"
    GENDER = "gender"
    AGE = "age"
    ORIGIN = "origin"
    NAME = "name"


KINDS = tuple(Kind)
PRIORS = len(KINDS) + 1
"""Features before the hashed ones: a log-probability a kind, and whether the word is unknown."""


@dataclass(frozen=True)
class Model:
    """What ships.

    Attributes:
        words: CRC-32 of each known word, ascending.
        priors: Log-probabilities of the kinds for each, two a byte, shape `(words, kinds / 2)`.
        weights: Shape `(PRIORS + BUCKETS, kinds)`.
        bias: Shape `(kinds,)`.
        thresholds: The least probability of showing an attribute, and of being a person.
    """

    words: npt.NDArray[np.uint32]
    priors: npt.NDArray[np.uint8]
    weights: Floats
    bias: Floats
    thresholds: Floats

    def prior(self, word: str) -> Floats:
        """The features of a word alone, shape `(PRIORS,)`."""
        key = zlib.crc32(word.encode())
        at = int(np.searchsorted(self.words, np.uint32(key)))
        features = np.zeros(PRIORS, dtype=np.float32)
        if at < len(self.words) and self.words[at] == key:
            features[:-1] = unpack(self.priors[at])
        else:
            features[-1] = 1
        return features

    def probabilities(self, prior: Floats, buckets: Sequence[int]) -> Floats:
        """Probability of each kind, shape `(kinds,)`."""
        rows = self.weights[np.asarray(buckets) + PRIORS]
        logits = prior @ self.weights[:PRIORS] + rows.sum(axis=0) + self.bias
        odds = np.exp(logits - logits.max())
        return np.asarray(odds / odds.sum(), dtype=np.float32)

    def decide(self, probabilities: Floats) -> Kind:
        """The likeliest kind that shows an attribute, if one of them is likely enough."""
        if probabilities[2:].sum() >= self.thresholds[0]:
            return KINDS[2 + int(probabilities[2:].argmax())]
        return Kind.PERSON if probabilities[1] >= self.thresholds[1] else Kind.OTHER


def pack(log_probabilities: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint8]:
    """Four bits each, shape `(n, kinds)` to `(n, kinds / 2)`."""
    codes = np.minimum(np.round(-log_probabilities / STEP), 15).astype(np.uint8)
    return np.asarray(codes[:, ::2] << 4 | codes[:, 1::2], dtype=np.uint8)


def unpack(codes: npt.NDArray[np.uint8]) -> Floats:
    """The log-probabilities of one word, shape `(kinds,)`."""
    pairs = np.stack([codes >> 4, codes & 15], axis=-1)
    return np.asarray(pairs.reshape(-1) * np.float32(-STEP), dtype=np.float32)


def buckets_of(context: Sequence[str], place: int) -> list[int]:
    """Hashed features of the word at `place` and of its neighbours."""
    return [zlib.crc32(name.encode()) % BUCKETS for name in _names(context, place)]


@lru_cache(maxsize=4096)
def detect(context: tuple[str, ...], place: int) -> Kind:
    """What the word at `place` is taken for; the same words in the same places, the same answer."""
    model = load()
    prior = model.prior(context[place])
    return model.decide(model.probabilities(prior, buckets_of(context, place)))


@cache
def load(file: Path = FILE) -> Model:
    """The trained model."""
    arrays = load_file(file)
    floats = {name: arrays[name].astype(np.float32) for name in ("weights", "bias", "thresholds")}
    return Model(words=arrays["words"], priors=arrays["priors"], **floats)


def _names(context: Sequence[str], place: int) -> Iterator[str]:
    word = f"^{context[place]}$"
    for size in (3, 4, 5):
        if len(word) > size:
            yield f"starts {word[:size]}"
            yield f"ends {word[-size:]}"
    for offset in range(-REACH, REACH + 1):
        at = place + offset
        if offset:
            yield f"{offset} {context[at] if 0 <= at < len(context) else ''}"
    before, after = (context[i] if 0 <= i < len(context) else "" for i in (place - 1, place + 1))
    yield f"between {before} {after}"
