"""What a view says of a prompt: its words, a noisy copy of its encoding, or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...defenses.views import Views
from ..contract import Auxiliary, Scores
from ..he_views import Pictures, condition_of
from ..latent_reading import LatentReading
from ..linear_reading import LinearReading
from ..plain_reading import PlainReading
from ..share_model import ShareModel
from ..share_views import LAYERS
from ..text_reading import text_inputs
from .encoder import Floats, encoded
from .vocabulary import known

EXACT = 1e-4
"""Variance that exact entries are given, in units of their mean square: rounding on the way."""

EXAMPLES = 48
"""Own executions from which pictures are learned that lie in shares."""

GENERATE, CONDITION, DENOISE, UPDATE = "generate", "condition", "denoise", "update"
READS = frozenset({GENERATE, CONDITION}) | LAYERS
"""Message kinds that hold a prompt or its encoding."""

PICTURED = frozenset({GENERATE, CONDITION, DENOISE}) | LAYERS
"""Message kinds that a picture can be read from."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """A prompt's encoding with independent Gaussian noise.

    Attributes:
        values: Shape (length, width); 0 where unknown.
        precision: One over the variance of each entry, 0 where unknown.
    """

    values: Floats
    precision: Floats

    def scores(self, own: Floats) -> Scores:
        """Log-likelihoods of encodings, shape (n, length, width), up to a constant."""
        misses = np.square(own - self.values).reshape(len(own), -1)
        return np.asarray(-misses @ self.precision.ravel() / 2)


def texts_of(views: Views, game: int) -> tuple[str, ...]:
    """Prompts that were sent in the clear: the one, or every candidate; empty if none was."""
    return tuple(dict.fromkeys(views.texts(game, GENERATE, "prompts")))


def encodings(views: Views, aux: Auxiliary) -> list[Encoding | None]:
    """The encoding in each game; None where none crosses, or only among others'.

    A prompt in the clear is encoded as the server does it. Layers that get the encoding receive
    the same one at every step: shares under fresh masks are averaged, weighted by precision.
    """
    if aux.weights is None:
        raise ValueError("the fact weights is needed to know what encodings look like")
    kinds = {m.kind for m in views.view(0).messages} if len(views) else set()
    if GENERATE in kinds:
        return [_of_words(texts_of(views, game), aux) for game in range(len(views))]
    if kinds & LAYERS:
        return _of_shares(views, aux)
    sent = [condition_of(views, [game]) for game in range(len(views))]
    return [None if each is None else _exact(each.text[0].double().cpu().numpy()) for each in sent]


def _of_words(texts: Sequence[str], aux: Auxiliary) -> Encoding | None:
    from ...targets.pipeline import Target

    if len(texts) != 1 or aux.weights is None:
        return None
    return _exact(encoded(Target(**aux.weights["open"]), tuple(texts))[0].astype(np.float64))


def _exact(values: Floats) -> Encoding:
    precision = 1 / (EXACT * max(float(np.square(values).mean()), 1e-12))
    return Encoding(values=values, precision=np.full(values.shape, precision))


def _of_shares(views: Views, aux: Auxiliary) -> list[Encoding | None]:
    seen = text_inputs(ShareModel.open(aux, views), views)
    found: list[Encoding | None] = []
    for game in range(len(views)):
        told = [x for x in seen if x.informative[game]]
        if not told:
            found.append(None)
            continue
        size = float(np.square(told[0].values[game, -1][told[0].known[game, -1]]).mean())
        weights = [
            x.known[game, -1] / (float(x.variance[game]) + EXACT * max(size, 1e-12)) for x in told
        ]
        precision = np.asarray(sum(weights), dtype=np.float64)
        total = sum(w * x.values[game, -1] for w, x in zip(weights, told, strict=True))
        values = np.divide(total, precision, out=np.zeros_like(precision), where=precision > 0)
        found.append(Encoding(values=values, precision=precision))
    return found


def pictures_of(views: Views, aux: Auxiliary, rng: np.random.Generator) -> Pictures | None:
    """The best picture that each game's view gives without naming the prompt first.

    Returns:
        Shape (games, height, width, 3); None where no technique reads one.
    """
    kinds = {m.kind for m in views.view(0).messages} if len(views) else set()
    if GENERATE in kinds:
        return PlainReading().attack(views, aux, rng).images
    if DENOISE in kinds and CONDITION in kinds:
        return LatentReading().attack(views, aux, rng).images
    if kinds & LAYERS:
        others = replace(aux, candidates=(known(),) * len(views))
        return LinearReading(examples=EXAMPLES).attack(views, others, rng).images
    return None
