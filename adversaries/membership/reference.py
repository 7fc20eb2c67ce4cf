"""Likelihood ratios against reference models: how unusual a score is for this very sample."""

from __future__ import annotations

import numpy as np

from .model import Scores


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
