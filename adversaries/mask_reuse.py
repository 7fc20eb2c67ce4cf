"""Turn masks that are not fresh into the inputs that they were to hide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from ..defenses.ppidm.fixed_point import quantize
from ..defenses.ppidm.ring import fractional_bits
from ..defenses.views import Views
from ..targets import sampling
from ..targets.pipeline import Target
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .he_views import Pictures
from .mask_steps import Floats, paths
from .naive_decode import NaiveDecode
from .own_order import in_own_order
from .share_model import LATENT, ShareModel
from .share_views import LAYERS
from .spent_masks import Integers, Sent, centered, completed, inputs_of, missing_masks

Masks = Sequence[tuple[Sent, Integers]]


@dataclass(frozen=True, kw_only=True)
class MaskReuse:
    """Open inputs of mode `ring` with one server missing, where its masks can be got rid of.

    1. Guess the missing mask from what the other servers hold (`spent_masks`). If a guess is
       right, the coalition knows all that n servers know: go on as `NaiveDecode`, and compare the
       encoded prompt with the candidates'.
    2. Else subtract. The same mask at two steps leaves differences of latents (`mask_steps`); the
       same mask in both branches of guidance leaves the encoded prompt less the empty one, which
       names the prompt.

    Where masks are fresh, neither leads anywhere: all candidates score alike, and the picture is
    the prior's.

    Attributes:
        pictures: Whether to draw; prompts alone take a fraction of the time.
    """

    plays: ClassVar[frozenset[Question]] = frozenset(
        {Question.WHAT_WAS_DRAWN, Question.WHICH_PROMPT}
    )
    needs: ClassVar[frozenset[Knowledge]] = frozenset(
        {Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES}
    )
    reads: ClassVar[frozenset[str]] = LAYERS
    pictures: bool = True

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture and name the prompt of every game."""
        return in_own_order(self._guesses, views, aux, rng)

    def _guesses(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        if aux.candidates is None:
            raise ValueError("MaskReuse needs the fact candidates")
        model = ShareModel.open(aux, views)
        sent = [inputs_of(views, game) for game in range(len(views))]
        masks = {
            game: found
            for game, inputs in enumerate(sent)
            if (found := missing_masks(inputs, views.view(game).public))
        }
        scores = empty_scores(aux.candidates)
        for game, inputs in enumerate(sent):
            rows = _text(model, inputs, _by_place(masks.get(game, ())))
            if rows is not None:
                own = _distances(model, rows, inputs[0].input_bits, aux.candidates[game])
                scores[game, : len(own)] = own
        images = _drawn(model, views, sent, masks) if self.pictures else None
        return Guesses(scores=scores, images=images, notes={"masks found": len(masks)})


def _by_place(masks: Masks) -> dict[tuple[int, int], Integers]:
    return {(sent.layer, sent.step): mask for sent, mask in masks}


def _drawn(
    model: ShareModel, views: Views, sent: Sequence[Sequence[Sent]], masks: Mapping[int, Masks]
) -> Pictures:
    images = model.nothing(len(views))
    if masks:
        images[list(masks)] = NaiveDecode().drawn(model, completed(views, masks))
    for game in set(range(len(views))) - set(masks):
        latent = _from_differences(model, sent[game])
        if latent is not None:
            images[game] = model.pictures(latent[None])[0]
    return images


def _from_differences(model: ShareModel, sent: Sequence[Sent]) -> Floats | None:
    """The last latent, where the latent's mask was the same at all steps."""
    number = model.numbers.get(LATENT)
    at = {each.step: each for each in sent if each.layer == number}
    if len(at) != model.steps or model.steps < 2:
        return None
    first = at[0]
    differences = [
        centered(at[step].pooled - first.pooled, first.bits) for step in range(1, model.steps)
    ]
    if not all(np.abs(d).max() < 1 << first.input_bits for d in differences):
        return None
    shape = first.pooled.shape[1:]
    flat = np.stack([d[0].ravel() for d in differences]).astype(np.float64)
    return paths(model, first.input_bits).last_latent(flat).reshape(shape)


def _text(
    model: ShareModel, sent: Sequence[Sent], masks: Mapping[tuple[int, int], Integers]
) -> Integers | None:
    """The encoded prompt, shape (branches, ...), or prompted less unprompted, shape (1, ...)."""
    for each in sent:
        if each.layer not in model.text:
            continue
        mask = masks.get((each.layer, each.step))
        if mask is not None:
            return each.opened(mask)
        if len(each.pooled) < 2:
            continue
        difference = centered(each.pooled[1:] - each.pooled[:1], each.bits)
        if np.abs(difference).max() < 1 << each.input_bits:
            return difference
    return None


def _distances(
    model: ShareModel, rows: Integers, input_bits: int, prompts: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Minus the mean squared distance to what each prompt would have had the client share."""
    own = _shared(model.target, model.branches, input_bits, tuple(prompts))
    if own.shape[1] != len(rows):
        own = own[:, 1:] - own[:, :1]
    far = np.square((own - rows).astype(np.float64))
    return np.asarray(-far.reshape(len(own), -1).mean(axis=1))


@lru_cache(maxsize=2)
def _shared(target: Target, branches: int, input_bits: int, prompts: tuple[str, ...]) -> Integers:
    """Encoded prompts in fixed point, shape (prompts, branches, ...)."""
    encoded = sampling.encode_prompts(sampling.open_denoiser(target), prompts)
    found = []
    for empty, text in zip(encoded.empty, encoded.text, strict=True):
        x = torch.stack([empty, text])[-branches:].float()
        found.append(quantize(x, bits=fractional_bits(x, input_bits)).numpy())
    return np.stack(found)
