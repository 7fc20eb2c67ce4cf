"""Match a picture that the user published with the row that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .rows import GENERATE, Rows, rows_of

if TYPE_CHECKING:
    from ..targets.pipeline import Target

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class PublishedImage:
    """Score of a row = how well its latent leads to the picture.

    Two ways. `replay` knows the client's model: it finishes every row as the client would, and
    compares pixels; since the client adds no coins after the switch point, the real row gives the
    picture itself. Without, the picture is encoded and correlated with what sets each latent
    apart from its siblings: little, where all rows start from one noise, and all, where a server
    that cheats gave each row a noise of its own.

    Obliviousness ends where the user publishes what was made: the claim does not cover this.

    Attributes:
        replay: Whether the client's model is used.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_ROW_WAS_PUBLISHED})
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.CANDIDATES, Knowledge.WEIGHTS, Knowledge.TARGET}
    )
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})
    replay: bool = True

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game; those that were not sent come last."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        if aux.weights is None or aux.target is None:
            return Guesses(scores=scores)
        from ..targets.pipeline import Target

        target = Target(**aux.weights["open"])
        for game, texts in enumerate(candidates):
            picture = aux.target["published"][game]
            rows, latents = rows_of(views, game, texts), _returned(views, game)
            if len(latents) != len(rows.prompts):
                continue
            if self.replay:
                told = _replayed(target, latents, rows, picture, views.view(game).public)
            else:
                told = _correlated(target, latents, picture)
            sent = np.round(told, 6)[np.maximum(rows.places, 0)]
            scores[game, : len(texts)] = np.where(rows.places >= 0, sent, -1e6)
        return Guesses(scores=scores)


def _returned(views: Views, game: int) -> Array:
    """The latents that the server returned, shape (rows, channels, height, width)."""
    blocks = views.arrays(game, GENERATE, sender="server/0")[:1]
    found = [block["latents"] for block in blocks if "latents" in block]
    return found[0].astype(np.float32) if found else np.zeros((0, 1, 1, 1), np.float32)


def _replayed(
    target: Target, latents: Array, rows: Rows, picture: Array, public: Mapping[str, Any]
) -> Floats:
    """Minus the mean square error of each row's own picture, shape (rows,)."""
    import torch

    from ..targets import sampling

    start = int(public.get("k", public["steps"]))
    ends = torch.from_numpy(np.array(latents))
    if start < int(public["steps"]):
        local = sampling.open_denoiser(target, "local")
        ends = sampling.denoise(
            local,
            ends,
            sampling.encode_prompts(local, rows.prompts),
            steps=int(public["steps"]),
            start=start,
            guidance=float(public["guidance"]),
        ).latents
    shown = pictures(target, ends)
    errors = np.square(shown.astype(np.float64) - picture).mean(axis=(1, 2, 3))
    return np.asarray(-errors)


def _correlated(target: Target, latents: Array, picture: Array) -> Floats:
    """Inner product of each row's deviation from the mean row with the encoded picture."""
    import torch

    from ..targets import sampling

    scaled = torch.from_numpy(picture.astype(np.float32) / 255).permute(2, 0, 1)[None]
    encoded = sampling.encode(target.open("vae"), scaled).numpy().reshape(-1)
    flat = latents.reshape(len(latents), -1).astype(np.float64)
    apart = flat - flat.mean(axis=0) if len(flat) > 1 else flat
    return np.asarray(apart @ encoded / np.maximum(np.linalg.norm(apart, axis=1), 1e-12))


def pictures(target: Target, latents: Any) -> npt.NDArray[np.uint8]:
    """What the client shows of finished latents, shape (n, height, width, 3)."""
    from ..targets import sampling

    decoded = sampling.decode(target.open("vae", model="local"), latents)
    return np.asarray((decoded * 255).round().byte().permute(0, 2, 3, 1).cpu())
