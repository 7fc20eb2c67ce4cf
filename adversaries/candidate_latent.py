"""Which of several latents did the client start from? What its first message says about each.

Three techniques, weakest first in what they ask of the view: read the latent where it is in the
clear; run the selection on each candidate and compare the encrypted positions; run the U-Net on
each candidate and compare the update term.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..defenses.codec import Array
from ..defenses.he_diffusion.sampler import Grid, NoisePredictor, Solver
from ..defenses.he_diffusion.selection import Latent, min_distortion
from ..defenses.views import Session, Views
from ..defenses.wire import CLIENT
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores

FIRST = ("generate", "denoise", "update")
"""Message kinds with which a client may start."""


@dataclass(frozen=True, kw_only=True)
class ClearLatent:
    """Read the latent, or its plaintext rest: score minus the distance to each candidate."""

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_LATENT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET})
    reads: ClassVar[frozenset[str]] = frozenset(FIRST)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        rows = []
        for game, candidates in enumerate(candidates_of(aux)):
            sent = first_request(views, game)
            seen = next((sent[k] for k in ("noise", "latent", "rest") if k in sent), None)
            if seen is None:
                rows.append(np.zeros(len(candidates)))
                continue
            differing = candidates - seen.astype(np.float64).ravel()
            if "noise" not in sent and "latent" not in sent:
                differing[:, sent["indices"]] = 0.0
            rows.append(-np.abs(differing).max(axis=1))
        return Guesses(scores=np.stack(rows))


@dataclass(frozen=True, kw_only=True)
class Reselection:
    """Select in each candidate as the client does, and compare with what is encrypted.

    The score is minus the number of positions that differ. Where everything is encrypted, or a
    mask was drawn beforehand, all candidates differ alike or by chance.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_LATENT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET})
    reads: ClassVar[frozenset[str]] = frozenset(FIRST)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        rows = []
        for game, candidates in enumerate(candidates_of(aux)):
            sent = first_request(views, game)
            if "indices" not in sent:
                rows.append(np.zeros(len(candidates)))
                continue
            threshold = float(views.view(game).public.get("threshold", 0.0))
            rows.append(_agreement(candidates, sent, threshold))
        return Guesses(scores=np.stack(rows))


def _agreement(candidates: Latent, sent: dict[str, Array], threshold: float) -> Array:
    encrypted = np.zeros(sent["rest"].shape, dtype=np.bool_)
    np.put(encrypted, sent["indices"], True)
    if encrypted.all():
        return np.zeros(len(candidates))
    chosen = (min_distortion(c.reshape(encrypted.shape), threshold) for c in candidates)
    return -np.array([float((mask != encrypted).sum()) for mask in chosen])


@dataclass(frozen=True, kw_only=True)
class TermMatch:
    """Predict the noise in each candidate, and compare with the update term in the clear.

    The prompt is unknown and taken to be empty: the term depends more on the latent than on what
    is drawn. The score is the correlation of the predicted and the observed term of the first
    image.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_LATENT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET, Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = frozenset(FIRST)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        if aux.weights is None:
            raise ValueError("TermMatch needs the fact weights")
        rows = []
        for game, candidates in enumerate(candidates_of(aux)):
            term = first_request(views, game).get("term")
            if term is None or not np.any(term):
                rows.append(np.zeros(len(candidates)))
                continue
            firsts = candidates.reshape(-1, *term.shape)[:, 0]
            own = predicted(firsts, views.view(game), aux.weights["open"])
            rows.append(_correlation(own.reshape(len(candidates), -1), term[0].ravel()))
        return Guesses(scores=np.stack(rows))


def predicted(latents: Latent, session: Session, reference: Any) -> Latent:
    """First update terms for the empty prompt, the shape of `latents`."""
    from ..targets import sampling
    from ..targets.pipeline import Target

    pipe: Any = sampling.open_denoiser(Target(**reference))
    grid = Grid.of(pipe.scheduler, int(session.public["steps"]))
    noise = NoisePredictor(
        pipe=pipe,
        conditioning=sampling.encode_prompts(pipe, [""] * len(latents)),
        guidance=1.0,
        grid=grid,
    )
    return Solver(noise, grid, str(session.public["method"])).term(latents, 0)


def candidates_of(aux: Auxiliary) -> Latent:
    """The candidate latents of every game, shape (games, candidates, entries).

    Raises:
        ValueError: If the threat model did not grant them.
    """
    if aux.target is None or "candidates" not in aux.target:
        raise ValueError("the candidate latents must be granted as target['candidates']")
    return np.asarray(aux.target["candidates"], dtype=np.float64)


def first_request(views: Views, game: int) -> dict[str, Array]:
    """The first message about a latent that the client sent; empty if there is none."""
    for kind in FIRST:
        sent = views.arrays(game, kind, sender=CLIENT)
        if sent:
            return sent[0]
    return {}


def _correlation(rows: Latent, observed: Array) -> Scores:
    """Pearson correlation of each row with `observed`; 0 where a row is constant."""
    centered = rows - rows.mean(axis=1, keepdims=True)
    wanted = observed.astype(np.float64) - observed.mean()
    lengths = np.linalg.norm(centered, axis=1) * np.linalg.norm(wanted)
    products = centered @ wanted
    return np.asarray(np.where(lengths > 0, products / np.where(lengths > 0, lengths, 1.0), 0.0))
