"""Likelihood ratios against reference models: how unusual a score is for this very sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from ...defenses.views import Views
from ..contract import Adversary, Auxiliary, Guesses, Knowledge, Question, Shadow
from .challenge import KIND, Granted, models_of, opened, samples_of, shadow_pipe, shadow_rows
from .loss import Loss
from .model import Denoiser, Scores, area, scores

SEED = 0
"""Of the noise on shadow samples."""

TIMES = (100, 200, 300, 500)
"""Time steps of which shadow models choose one."""


def lira(target: Scores, references: Scores) -> Scores:
    """Offline LiRA: the score in standard deviations above those of models without the sample.

    `Phi^-1(1 - Pr[score of a model without it > score])` for Gaussian scores, with one variance
    for all samples, as few references call for.

    Args:
        target: Scores of the samples under the model in question, shape (n,).
        references: The same under models not trained on them, shape (models, n).

    References:
        Carlini et al., Membership Inference Attacks From First Principles (2022),
        https://arxiv.org/abs/2112.03570.
    """
    _check(target, references, least=2)
    spread = np.sqrt(references.var(axis=0, ddof=1).mean())
    return np.asarray((target - references.mean(axis=0)) / max(spread, np.finfo(float).tiny))


def rmia(
    target: Scores, references: Scores, population: Scores, population_references: Scores
) -> Scores:
    """RMIA: share of a population over which the sample's likelihood ratio dominates.

    `Pr_z[p(x|theta) / p(x) >= gamma p(z|theta) / p(z)]` with gamma = 1; scores are log-likelihoods
    and `p(.)` the mean over the references.

    Args:
        target: Scores of the samples, shape (n,).
        references: The same under other models, shape (models, n).
        population: Scores of samples of the same law, trained on by none, shape (m,).
        population_references: The same under the other models, shape (models, m).

    References:
        Zarifzadeh et al., Low-Cost High-Power Membership Inference Attacks (2024),
        https://arxiv.org/abs/2312.03262.
    """
    _check(target, references, least=1)
    _check(population, population_references, least=1)
    ratio = target - _log_mean(references)
    others = np.sort(population - _log_mean(population_references))
    return np.asarray(np.searchsorted(others, ratio, "right") / len(others))


def _log_mean(logs: Scores) -> Scores:
    return np.asarray(np.logaddexp.reduce(logs, axis=0) - np.log(len(logs)))


def _check(target: Scores, references: Scores, *, least: int) -> None:
    if references.ndim != 2 or references.shape[1:] != target.shape or len(references) < least:
        raise ValueError(
            f"references has shape {references.shape}; it must be (models, {len(target)}) with at "
            f"least {least} models"
        )


class AgainstReferences:
    """Plays membership games with scores under the model and under models of one's own.

    No reference may have seen a sample in question (the offline setting).
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WAS_IT_IN_TRAINING})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS, Knowledge.SHADOW})
    reads: ClassVar[frozenset[str]] = frozenset({KIND})
    references: ClassVar[bool] = True
    times: tuple[int, ...]

    @property
    def queries(self) -> int:
        """Of the model in question; each reference is asked as often."""
        return max(1, len(self.times))

    def scores(
        self, views: Views, weights: Mapping[str, Any] | None, seed: int
    ) -> tuple[Scores, Scores]:
        """Under the model, shape (n,), and under the references, (models, n): the same noise."""
        count = len((weights or {}).get("shadows", ()))
        pipes = [opened(weights), *(shadow_pipe(weights, number) for number in range(count))]
        signal = Loss(times=self.times)
        found = [
            scores(signal, Denoiser.of(pipe), samples_of(views, pipe), seed=seed) for pipe in pipes
        ]
        return found[0], np.stack(found[1:])


@dataclass(frozen=True, kw_only=True)
class LiRA(AgainstReferences):
    """Offline LiRA on the denoising loss.

    Queries: one a time step, of the model and of every reference.

    Attributes:
        times: Time steps of the loss; none lets shadow models choose one.

    References:
        Carlini et al. (2022), Section V (the offline attack), https://arxiv.org/abs/2112.03570.
    """

    times: tuple[int, ...] = ()

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Adversary:
        """Choose the time step."""
        return LiRA(times=self.times or chosen_time(Granted.of(shadow, aux)))

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        found = self.scores(views, aux.weights, int(rng.integers(2**31)))
        return Guesses(scores=lira(*found)[:, None])


@dataclass(frozen=True, kw_only=True)
class RMIA(AgainstReferences):
    """RMIA on the denoising loss; the population is of samples that no model has seen.

    Queries: one a time step, of the model and of every reference, for the population too.

    Attributes:
        times: Time steps of the loss; none lets shadow models choose one.
        population: Most samples of the population.

    References:
        Zarifzadeh et al. (2024), Section 3, https://arxiv.org/abs/2312.03262.
    """

    times: tuple[int, ...] = ()
    population: int = 128

    def fit(self, shadow: Shadow, aux: Auxiliary, rng: np.random.Generator) -> Adversary:
        """Choose the time step, and score the population."""
        granted = Granted.of(shadow, aux)
        times = self.times or chosen_time(granted)
        return Populated(times=times, known=_population(times, self.population, granted))

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Refused: without a population there is no ratio to dominate.

        Raises:
            ValueError: Always.
        """
        raise ValueError("RMIA needs the fact shadow")


@dataclass(frozen=True, kw_only=True)
class Populated(AgainstReferences):
    """RMIA with its population scored.

    Attributes:
        times: Time steps of the loss.
        known: Of the population, under the model and under the references.
    """

    times: tuple[int, ...]
    known: tuple[Scores, Scores]

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every game."""
        target, references = self.scores(views, aux.weights, int(rng.integers(2**31)))
        return Guesses(scores=rmia(target, references, *self.known)[:, None])


@lru_cache(maxsize=4)
def chosen_time(granted: Granted) -> tuple[int, ...]:
    """The time step of `TIMES` at which the loss tells members of shadow models best."""
    areas: dict[int, list[float]] = {time: [] for time in TIMES}
    for number, rows in shadow_rows(granted.shadow).items():
        pipe, member = shadow_pipe(granted.weights, number), granted.shadow.labels[rows]
        samples = samples_of(granted.shadow.views.take(rows), pipe)
        for time, found in areas.items():
            losses = scores(Loss(times=(time,)), Denoiser.of(pipe), samples, seed=SEED)
            found.append(area(losses, member))
    return (max(TIMES, key=lambda time: float(np.mean(areas[time]))),)


@lru_cache(maxsize=4)
def _population(times: tuple[int, ...], most: int, granted: Granted) -> tuple[Scores, Scores]:
    rows = np.flatnonzero(models_of(granted.shadow) < 0)[:most]
    return LiRA(times=times).scores(granted.shadow.views.take(rows), granted.weights, SEED)
