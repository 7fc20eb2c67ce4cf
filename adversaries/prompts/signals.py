"""What a prompt leaves in an execution, as features: of a view, and of the attacker's own runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch

from ...defenses.he_diffusion.selection import Latent
from ...defenses.views import Views
from ...defenses.wire import CLIENT
from ...targets.pipeline import Target
from ...targets.sampling import Conditioning
from ..contract import Auxiliary
from ..he_views import Model, Pictures, steps_of
from ..noise_prediction import unprompted
from ..trace import Trace, predictor, traces_of
from .attention import maps
from .encoder import Floats, encoded
from .seen import GENERATE, Encoding, encodings, pictures_of, texts_of
from .shadow import METHOD, Executions, executed, first_guess, own, own_pictures
from .vocabulary import known

PIXELS = 8
"""Side to which pictures are averaged before their colors are features."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Features of one signal.

    Attributes:
        own: Of the attacker's executions, shape (examples, d).
        games: Numbers of the games in which the signal was seen.
        seen: Its features there, shape (games seen, d).
    """

    own: Floats
    games: list[int]
    seen: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Signals:
    """Reads one signal off the views of one arm.

    Attributes:
        views: Of n games.
        aux: With the fact weights.
        rng: Of imitated noise.
        count: Own executions.
    """

    views: Views
    aux: Auxiliary
    rng: np.random.Generator
    count: int

    @cached_property
    def model(self) -> Model:
        """The model under the sampler of own executions."""
        return replace(Model.open(self.aux, self.views), method=METHOD)

    @cached_property
    def own(self) -> Executions:
        """The attacker's own executions."""
        model = self.model
        return own(model.target, len(model.grid), model.guidance, self.count)

    def read(self, signal: str) -> Examples | None:
        """Features of a signal; None where no game shows it."""
        readers = {
            "encoding": self._encoding,
            "attention": self._attention,
            "noise": self._noise,
            "latent": self._latent,
            "picture": self._picture,
        }
        return readers[signal]()

    def _encoding(self) -> Examples | None:
        """The encoding's mean over tokens, own ones as noisy and as patchy as what was seen."""
        found = {g: e for g, e in enumerate(encodings(self.views, self.aux)) if e is not None}
        if not found:
            return None
        first = next(iter(found.values()))
        states = encoded(self.model.target, known()[: self.count]).astype(np.float64)
        noise = self.rng.standard_normal(states.shape)
        sure = first.precision > 0
        deviation = np.divide(1, np.sqrt(first.precision), out=np.zeros_like(noise[0]), where=sure)
        imitated = [
            Encoding(values=np.where(sure, state + deviation * n, 0), precision=first.precision)
            for state, n in zip(states, noise, strict=True)
        ]
        return Examples(
            own=np.stack([_mean_state(each) for each in imitated]),
            games=list(found),
            seen=np.stack([_mean_state(each) for each in found.values()]),
        )

    def _attention(self) -> Examples | None:
        """The first step's cross-attention maps, of a server that runs the U-Net."""
        if (shown := self._shown()) is None:
            return None
        games, runs, conditioning = shown
        prompts = predictor(self.model, self.own.prompts).conditioning
        return Examples(
            own=_flat(maps(self.model, self.own.latents[0], prompts)),
            games=games,
            seen=_flat(maps(self.model, runs.latents[0], conditioning)),
        )

    def _noise(self) -> Examples | None:
        """What noise predictions say of the clean latent.

        Where latents are seen, the first step's x0. Where only update terms are, the final latent
        if the first guess had been the one without a prompt.
        """
        if (shown := self._shown()) is not None:
            games, runs, _ = shown
            return Examples(
                own=_flat(self._guess(self.own)), games=games, seen=_flat(self._guess(runs))
            )
        games, trace = traces_of(self.views, self.model.grid)
        if trace is None:
            return None
        return Examples(
            own=_flat(self._ends(self.own.trace)), games=games, seen=_flat(self._ends(trace))
        )

    def _guess(self, runs: Executions) -> Latent:
        return first_guess(self.model, runs.latents[0], runs.terms[0])

    def _ends(self, trace: Trace) -> Latent:
        return unprompted(self.model, trace)

    def _latent(self) -> Examples | None:
        """The latent in the middle of the sampler."""
        if (shown := self._shown()) is None:
            return None
        games, runs, _ = shown
        middle = len(self.model.grid) // 2
        return Examples(
            own=_flat(self.own.latents[middle]), games=games, seen=_flat(runs.latents[middle])
        )

    def _picture(self) -> Examples | None:
        """Colors and embedding of the finished picture."""
        if self._several or (seen := pictures_of(self.views, self.aux, self.rng)) is None:
            return None
        model = self.model
        method = str(self.views.view(0).public.get("method", ""))
        own = _own_features(model.target, len(model.grid), model.guidance, self.count, method)
        return Examples(own=own, games=list(range(len(self.views))), seen=features(seen))

    @property
    def _several(self) -> bool:
        """Whether several prompts stand in the clear: their traces are all there, alike."""
        return len(texts_of(self.views, 0)) > 1

    def _shown(self) -> tuple[list[int], Executions, Conditioning] | None:
        """Executions of a server that runs the U-Net on what it is sent; None for others."""
        if self._several:
            return None
        if texts_of(self.views, 0):
            return self._replayed()
        return self._handed()

    def _replayed(self) -> tuple[list[int], Executions, Conditioning]:
        """Of a server that was sent prompt and noise: run again, under the attacker's sampler."""
        games = list(range(len(self.views)))
        prompts = [texts_of(self.views, game)[0] for game in games]
        sent = [self.views.arrays(game, GENERATE, sender=CLIENT)[0]["noise"] for game in games]
        noise = np.concatenate(sent).astype(np.float64)
        conditioning = predictor(self.model, prompts).conditioning
        return games, executed(self.model, prompts, noise), conditioning

    def _handed(self) -> tuple[list[int], Executions, Conditioning] | None:
        """Of a server that is handed every latent and the encoding."""
        from ..he_views import condition_of

        games = [g for g in range(len(self.views)) if _latents(self.views, g) is not None]
        conditioning = condition_of(self.views, games) if games else None
        if conditioning is None:
            return None
        rows = [_latents(self.views, game) for game in games]
        latents = np.stack([row for row in rows if row is not None], axis=1)
        grid = self.model.grid
        terms = [after - grid.factor(t) * latents[t] for t, after in enumerate(latents[1:])]
        runs = Executions(prompts=(), latents=latents, terms=np.stack(terms))
        return games, runs, conditioning


def _latents(views: Views, game: int) -> Latent | None:
    """The first image's latent before each step, shape (steps, ...); None if it is not sent."""
    asked: Sequence[Mapping[str, npt.NDArray[np.generic]]] = [
        s.asked for s in steps_of(views, game)
    ]
    found = [np.asarray(t["latent"][0], np.float64) for t in asked if "latent" in t]
    return np.stack(found) if len(found) > 1 else None


def _mean_state(encoding: Encoding) -> Floats:
    """Mean over tokens, weighted by precision, shape (width,)."""
    weight = encoding.precision.sum(axis=0)
    total = (encoding.precision * encoding.values).sum(axis=0)
    found: Floats = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return found


def _flat(values: npt.NDArray[np.float64]) -> Floats:
    return values.reshape(len(values), -1)


@lru_cache(maxsize=4)
def _own_features(target: Target, steps: int, guidance: float, count: int, method: str) -> Floats:
    return features(own_pictures(target, steps, guidance, count, method))


def features(pictures: Pictures) -> Floats:
    """Mean colors of a coarse grid, and the embedding by the image encoder; shape (n, d)."""
    from torch.nn import functional

    from ...targets.clip import Clip

    pixels = torch.from_numpy(pictures.copy()).permute(0, 3, 1, 2).float() / 255
    coarse = functional.adaptive_avg_pool2d(pixels, PIXELS).flatten(1)
    vectors = Clip.open().embed_images(pixels).cpu()
    return torch.cat([coarse, vectors], dim=1).double().numpy()
