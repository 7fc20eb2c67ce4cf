"""Attacks that learn on models of one's own, whose members are known: SecMI's network, and GSA."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ...defenses.views import Views
from ..contract import Adversary, Auxiliary, Guesses, Knowledge, Question, Shadow
from .challenge import KIND, Granted, opened, samples_of, shadow_pipe, shadow_rows
from .gradients import GradientNorms
from .loss import losses
from .model import Denoiser, Samples, Scores, batches
from .secmi import SecMI

Features = npt.NDArray[np.float64]

SEED = 0
"""Of the noise, alike for shadow models and the model in question."""

PENALTIES = 10.0 ** np.arange(-4, 2)
"""Inverse strengths of the ridge, from which shadow models choose."""


class Extractor(Hashable, Protocol):
    """What is learned on."""

    @property
    def queries(self) -> int:
        """Evaluations of the network for each sample."""
        ...

    def features(self, model: Denoiser, samples: Samples, *, seed: int) -> Features:
        """Shape (n, k)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A logistic score of features."""

    scorer: Any

    @classmethod
    def fit(cls, features: Features, member: npt.NDArray[np.int64], groups: Any = None) -> Learned:
        """Learn on shadow models' samples; never on those that are scored.

        The strength of the ridge is chosen by cross-validation, on models left out where there are
        several.

        Args:
            features: Of samples under shadow models, shape (n, k).
            member: 1 where the model was trained on the sample, shape (n,).
            groups: Number of the shadow model, shape (n,); None for one model.
        """
        folds: Any = 5
        if groups is not None and len(set(groups.tolist())) > 1:
            folds = [(np.flatnonzero(groups != g), np.flatnonzero(groups == g))
                     for g in np.unique(groups)]  # fmt: skip
        ridge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        grid = {"logisticregression__C": PENALTIES}
        search = GridSearchCV(ridge, grid, cv=folds, scoring="roc_auc")
        return cls(scorer=search.fit(features, member).best_estimator_)

    def scores(self, features: Features) -> Scores:
        """Log-odds of membership, shape (n,)."""
        return np.asarray(self.scorer.decision_function(features))


class FromShadow:
    """Plays membership games with a score that is learned from features on shadow models."""

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WAS_IT_IN_TRAINING})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({KIND})

    @property
    def extractor(self) -> Extractor:
        """Makes the features."""
        raise NotImplementedError

    @property
    def queries(self) -> int:
        """Of the features."""
        return self.extractor.queries

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Adversary:
        """Learn on every shadow model."""
        return _fitted(self.extractor, Granted.of(shadow, aux))

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Refused: without shadow models there is nothing to learn from.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{type(self).__name__} needs the fact shadow")


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A learned score, ready to play."""

    plays: ClassVar[frozenset[Question]] = FromShadow.plays
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = FromShadow.reads
    extractor: Extractor
    learned: Learned

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        pipe = opened(aux.weights)
        found = self.extractor.features(Denoiser.of(pipe), samples_of(views, pipe), seed=SEED)
        return Guesses(scores=self.learned.scores(found)[:, None])


@lru_cache(maxsize=2)
def _fitted(extractor: Extractor, granted: Granted) -> Fitted:
    shadow, parts = granted.shadow, []
    for number, rows in shadow_rows(shadow).items():
        pipe = shadow_pipe(granted.weights, number)
        samples = samples_of(shadow.views.take(rows), pipe)
        found = extractor.features(Denoiser.of(pipe), samples, seed=SEED)
        parts.append((found, shadow.labels[rows], np.full(len(rows), number)))
    features, member, models = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Fitted(extractor=extractor, learned=Learned.fit(features, member, models))


@dataclass(frozen=True, kw_only=True)
class LearnedError(FromShadow):
    """SecMI's trained variant: a classifier of `|psi(phi(x_t)) - x_t|`, entry by entry.

    A ridge stands in for the residual network of the reference: shadow models here give hundreds of
    samples, not tens of thousands.

    Queries: 11 a sample, as SecMI_stat.

    Attributes:
        secmi: Whose error is classified.

    References:
        Duan et al. (2023), Section 4 (SecMI_NNs), https://arxiv.org/abs/2302.01316.
    """

    time: int = 100
    stride: int = 10

    @property
    def extractor(self) -> Extractor:
        """The error of SecMI."""
        return ErrorOf(secmi=SecMI(time=self.time, stride=self.stride))


@dataclass(frozen=True, kw_only=True)
class ErrorOf:
    """Entries of SecMI's error, in absolute value."""

    secmi: SecMI = field(default_factory=SecMI)

    @property
    def queries(self) -> int:
        """As SecMI."""
        return self.secmi.queries

    def features(self, model: Denoiser, samples: Samples, *, seed: int) -> Features:
        """Shape (n, entries of a latent); draws nothing."""
        with torch.no_grad():
            parts = [self.secmi.error(model, each).abs().flatten(1) for each in batches(samples)]
        return np.asarray(torch.cat(parts).double().cpu().numpy())


@dataclass(frozen=True, kw_only=True)
class LearnedGradients(FromShadow):
    """GSA: a classifier of the gradient's norm at each parameter tensor.

    Queries: one forward and one backward pass a time step.

    Attributes:
        times: Of the losses.

    References:
        Pang et al. (2023), Section 4 (GSA_1), https://arxiv.org/abs/2308.06405; a ridge stands in
        for gradient boosting.
    """

    times: tuple[int, ...] = (60, 120, 200)

    @property
    def extractor(self) -> Extractor:
        """Norms of gradients, in logarithms."""
        return LogNorms(norms=GradientNorms(times=self.times))


@dataclass(frozen=True, kw_only=True)
class LogNorms:
    """Logarithms of gradient norms: what a ridge weighs must not span decades."""

    norms: GradientNorms

    @property
    def queries(self) -> int:
        """As the norms."""
        return self.norms.queries

    def features(self, model: Denoiser, samples: Samples, *, seed: int) -> Features:
        """Shape (n, parameters)."""
        return np.log(self.norms.features(model, samples, seed=seed) + 1e-12)


@dataclass(frozen=True, kw_only=True)
class LearnedLosses(FromShadow):
    """A classifier of the loss at several time steps: shadow models say which of them counts.

    Queries: one a time step.

    Attributes:
        times: Of the losses.

    References:
        Dubinski et al., CDI (2025), Section 4 (multiple loss), https://arxiv.org/abs/2411.12858;
        Carlini et al. (2023), Section 5, https://arxiv.org/abs/2301.13188.
    """

    times: tuple[int, ...] = (100, 200, 300, 500)

    @property
    def extractor(self) -> Extractor:
        """Losses."""
        return LogLosses(times=self.times)


@dataclass(frozen=True, kw_only=True)
class LogLosses:
    """Logarithms of the loss at each time step."""

    times: tuple[int, ...]

    @property
    def queries(self) -> int:
        """One a time step."""
        return len(self.times)

    def features(self, model: Denoiser, samples: Samples, *, seed: int) -> Features:
        """Shape (n, times)."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            parts = [losses(model, each, self.times, 1, generator) for each in batches(samples)]
        return np.log(torch.cat(parts).double().cpu().numpy() + 1e-12)
