"""The best linear guess of the final latent from every layer input that was opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question
from .own_executions import Executions, executions
from .own_order import in_own_order
from .own_views import Opened, imitated, informative, maps
from .share_inputs import Inputs, at_step, seen_steps
from .share_latent import read_ends
from .share_model import ShareModel
from .share_views import LAYERS, Floats

SLACK = 0.03
"""Variance in units of an input's mean square that exact inputs are given: a ridge penalty."""

FOLDS = 16
"""Parts of the own executions; each is guessed from the others."""

PENALTY = 1e-6
"""Penalty of the second estimate, in units of a feature's variance."""


@dataclass(frozen=True, kw_only=True)
class LinearReading:
    """Linear minimum mean squared error, from statistics of the attacker's own executions.

    With X the inputs of layers in N own executions less their mean, Y the final latents less
    theirs, x what was opened, and D the variances of its noise, the guess is

        mean + Y^T (X D^-1 X^T + N)^-1 X D^-1 (x - mean)

    the dual form: D is diagonal, X far wider than N. Entries that are unknown are left out. In
    mode `real` several steps average the masks away: the inputs of consecutive steps say the same
    of one picture, their masks are independent.

    Where nothing was opened the guess is the mean of the own pictures.

    The second estimate also looks at what the network gives when it is run on from the last step's
    inputs, where the last convolution stays with the client (`own_views.maps`).

    Queries: one execution in the clear for each example.

    Attributes:
        steps: How many of the last steps that were seen are read; 0 is all.
        examples: N.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = LAYERS
    steps: int = 1
    examples: int = 96

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps={self.steps} must be >= 0; 0 reads all that were seen")
        if self.examples < 2:
            raise ValueError(f"examples={self.examples} must be >= 2")

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        if aux.candidates is None:
            raise ValueError("LinearReading needs the fact candidates")
        model = ShareModel.open(aux, views)
        opened = read_ends(model, views)
        steps = seen_steps(opened)[-self.steps :]
        seen = informative({step: at_step(opened, step) for step in steps})
        pictures = model.nothing(len(views))
        if seen:
            prompts = [text for row in aux.candidates for text in row]
            own = executions(model, prompts, self.examples)
            pictures = model.pictures(final_latents(model, own, seen, rng))
        return Guesses(scores=np.zeros((len(views), 0)), images=pictures)


def final_latents(
    model: ShareModel, own: Executions, opened: Opened, rng: np.random.Generator
) -> Floats:
    """Linear guesses of final latents, shape (games, channels, height, width).

    Args:
        model: The public side.
        own: Executions to learn from.
        opened: Inputs that say something, by step and request group.
        rng: Of the noise under which the second estimate is learned.
    """
    taught, asked = features(model, own, opened, rng)
    return pointwise(taught, own.final.double().numpy(), asked)


def features(
    model: ShareModel, own: Executions, opened: Opened, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """What the second estimate looks at: the first one, and the last step's inputs (`maps`).

    Returns:
        Of the own executions, each seen as a coalition would see it, and of the games; both of
        shape (n, features, height, width).
    """
    final, dual, last = own.final.double().numpy(), Dual.of(model, own, opened), max(opened)
    guesses = dual.without_own(final, rng), dual(final)
    inputs = imitated(model, own, opened[last], last, rng), opened[last]
    taught, asked = (
        np.concatenate([guess, maps(model, seen, last)], axis=1)
        for guess, seen in zip(guesses, inputs, strict=True)
    )
    return taught, asked


@dataclass(frozen=True, kw_only=True, eq=False)
class Dual:
    """N own executions and n games by their products: all that the first estimate needs.

    Attributes:
        gram: X D^-1 X^T, shape (N, N).
        cross: X D^-1 (x - mean), shape (N, n).
        spread: X D^-1 V D^-1 X^T with V the variances of the masks alone: the covariance of a
            column of `cross` under them.
    """

    gram: Floats
    cross: Floats
    spread: Floats

    @classmethod
    def of(cls, model: ShareModel, own: Executions, opened: Opened) -> Dual:
        """Add up the products of all layers and steps."""
        parts = [
            _products(own.inputs[model.name(number), step], inputs)
            for step, layers in opened.items()
            for number, inputs in layers.items()
        ]
        gram, cross, spread = (np.sum(each, axis=0) for each in zip(*parts, strict=True))
        return cls(gram=gram, cross=cross, spread=spread)

    def __call__(self, outputs: Floats) -> Floats:
        """Guess what is known of the executions, shape (N, ...), of the games: (n, ...)."""
        everything = np.ones(len(outputs), dtype=np.bool_)
        return self._guess(outputs, everything, self.cross)

    def without_own(self, outputs: Floats, rng: np.random.Generator) -> Floats:
        """The same of the executions, each under fresh masks, from most of the others."""
        values, vectors = np.linalg.eigh(self.spread)
        root = vectors * np.sqrt(np.clip(values, 0, None))
        seen = self.gram + root @ rng.standard_normal(root.shape)
        found = np.empty_like(outputs)
        for fold in range(FOLDS):
            held = np.arange(len(outputs)) % FOLDS == fold
            found[held] = self._guess(outputs, ~held, seen[np.ix_(~held, held)])
        return found

    def _guess(self, outputs: Floats, kept: npt.NDArray[np.bool_], cross: Floats) -> Floats:
        gram = self.gram[np.ix_(kept, kept)] + kept.sum() * np.eye(kept.sum())
        flat = outputs[kept].reshape(kept.sum(), -1)
        mean = flat.mean(axis=0)
        found = mean + np.linalg.solve(gram, cross).T @ (flat - mean)
        return np.asarray(found.reshape(-1, *outputs.shape[1:]))


def _products(own: Tensor, inputs: Inputs) -> tuple[Floats, Floats, Floats]:
    """One layer's terms of `gram`, `cross` and `spread`."""
    known = inputs.known[0].ravel()
    features = own.float().flatten(1).numpy()[:, known]
    asked = inputs.values.reshape(len(inputs.values), -1)[:, known].astype(np.float32)
    masks, mean = float(inputs.variance.mean()), features.mean(axis=0)
    variance = masks + SLACK * float(np.square(features).mean())
    features, asked = features - mean, asked - mean
    gram = (features @ features.T).astype(np.float64) / variance
    cross = (features @ asked.T).astype(np.float64) / variance
    return gram, cross, gram * masks / variance


def pointwise(examples: Floats, outputs: Floats, queries: Floats) -> Floats:
    """Least squares with one set of coefficients for all places; shapes (n, channels, h, w)."""
    own, wanted, asked = (
        np.moveaxis(x, 1, -1).reshape(-1, x.shape[1]) for x in (examples, outputs, queries)
    )
    center, scale, mean = own.mean(axis=0), own.std(axis=0) + 1e-12, wanted.mean(axis=0)
    own, asked = (own - center) / scale, (asked - center) / scale
    gram = own.T @ own + PENALTY * len(own) * np.eye(own.shape[1])
    found = mean + asked @ np.linalg.solve(gram, own.T @ (wanted - mean))
    rows = found.reshape(len(queries), *queries.shape[2:], outputs.shape[1])
    return np.asarray(np.moveaxis(rows, -1, 1))
