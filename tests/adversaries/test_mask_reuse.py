"""Masks that are not fresh give the input away; fresh ones give nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from latentleak.adversaries.contract import Auxiliary, Guesses
from latentleak.adversaries.mask_reuse import MaskReuse
from latentleak.adversaries.mask_steps import Paths, paths
from latentleak.adversaries.share_model import ShareModel, kinds
from latentleak.adversaries.spent_masks import (
    Integers,
    Sent,
    centered,
    completed,
    guesses,
    inputs_of,
    missing_masks,
)
from latentleak.audits.selfcheck.broken_ppidm import (
    BROKEN,
    BrokenBranches,
    BrokenChain,
    BrokenModulus,
    BrokenRest,
    BrokenSeed,
    BrokenServers,
    BrokenSteps,
)
from latentleak.defenses.ppidm.variants import Partition, RingShares
from latentleak.defenses.protocol import execute
from latentleak.defenses.views import Views
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target, load

PROMPTS = (
    "woman firefighter: medium skin tone",
    "man judge: dark skin tone",
    "woman pilot: light skin tone",
    "man cook: medium skin tone",
)
OPENED = (BrokenServers, BrokenRest, BrokenSeed, BrokenChain)
"""Copies whose missing mask can be guessed."""


def played(
    config: RingShares | Partition, target: Target, path: Path, *, games: int, missing: int = 0
) -> tuple[Views, torch.Tensor]:
    """Views of all servers but one, and the latents that clients ended with."""
    views, latents = [], []
    members = {party for i, party in enumerate(config.servers) if i != missing}
    tap = kinds(target, config.preset)
    for game in range(games):
        output, transcript = execute(config, target, PROMPTS[game], game, tap=tap)
        views.append([transcript.view(members)])
        transcript.close()
        latents.append(output.latents)
    return Views.of(views, path / "game.views"), torch.cat(latents)


def attacked(views: Views, target: Target) -> Guesses:
    weights = {**target.to_dict(), "open": dataclasses.asdict(target)}
    aux = Auxiliary(candidates=(PROMPTS,) * len(views), weights=weights)
    return MaskReuse().attack(views, aux, np.random.default_rng(0))


@pytest.mark.parametrize("kind", OPENED)
def test_the_missing_mask_is_found_and_every_input_opened(
    kind: type[RingShares], tiny: Target, tmp_path: Path
) -> None:
    """Bit for bit: what the coalition opens is what all n shares add up to."""
    config = kind(steps=2, n=3)
    transcript = execute(config, tiny, PROMPTS[0], 1)[1]
    missing, others = config.servers[0], set(config.servers[1:])
    views = Views.of([[transcript.view(others)]], tmp_path / "some.views")
    everyone = Views.of([[transcript.view(config.servers)]], tmp_path / "all.views")
    transcript.close()
    masks = missing_masks(inputs_of(views, 0), views.view(0).public)
    inputs = [m for m in everyone.view(0).messages if m.receiver == missing]
    assert len(masks) == len(inputs)
    filled = completed(views, {0: masks})
    for kind_name in {f"layer-{sent.layer:03d}" for sent, _ in masks}:
        both = [_sums(each, kind_name, config.modulus_bits) for each in (filled, everyone)]
        assert both[0].keys() == both[1].keys()
        assert all(np.array_equal(both[0][step], both[1][step]) for step in both[0])


def _sums(views: Views, kind: str, k: int) -> dict[int, Integers]:
    total: dict[int, Integers] = {}
    for block in views.arrays(0, kind, sender="client"):
        step = int(block["step"])
        share = block["share"].astype(np.int64)
        with np.errstate(over="ignore"):
            total[step] = total[step] + share if step in total else share
    return {step: centered(values, k) for step, values in total.items()}


@pytest.mark.parametrize("kind", [*OPENED, BrokenBranches])
def test_the_prompt_is_named(kind: type[RingShares], tiny: Target, tmp_path: Path) -> None:
    views, _ = played(kind(steps=1, n=3), tiny, tmp_path, games=3)
    guessed = attacked(views, tiny)
    assert guessed.scores.argmax(axis=1).tolist() == [0, 1, 2]
    assert (guessed.scores.max(axis=1) == 0).all()  # exact
    swapped = attacked(views.take([1, 2, 0]), tiny)
    assert swapped.scores.argmax(axis=1).tolist() == [1, 2, 0]


@pytest.mark.parametrize("kind", [RingShares, BrokenModulus])
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_fresh_masks_give_nothing(
    kind: type[RingShares], missing: int, tiny: Target, tmp_path: Path
) -> None:
    views, _ = played(kind(steps=2, n=3), tiny, tmp_path, games=2, missing=missing)
    guessed = attacked(views, tiny)
    assert guessed.notes == {"masks found": 0}
    assert not guessed.scores.any()
    assert guessed.images is not None
    assert np.array_equal(guessed.images[0], guessed.images[1])


@pytest.mark.parametrize("kind", BROKEN)
def test_whoever_lacks_the_rest_learns_nothing(
    kind: type[RingShares], tiny: Target, tmp_path: Path
) -> None:
    """Masks alone say nothing, however they were made."""
    views, _ = played(kind(steps=1, n=3), tiny, tmp_path, games=1, missing=2)
    assert inputs_of(views, 0) == []
    assert not attacked(views, tiny).scores.any()


def test_other_modes_are_left_alone(tiny: Target, tmp_path: Path) -> None:
    views, _ = played(Partition(steps=1, n=3), tiny, tmp_path, games=1)
    assert inputs_of(views, 0) == []


@pytest.mark.parametrize("bits", [20, 48, 64])
def test_a_wrong_guess_is_not_small(bits: int) -> None:
    """At k = 64 and 100 entries with probability 2^-4600; at k = 20, 2^-300."""
    rng = np.random.default_rng(0)
    x = rng.integers(-(1 << 15), 1 << 15, (2, 50))
    masks = [rng.integers(-(1 << 62), 1 << 62, (2, 50)) for _ in range(2)]
    with np.errstate(over="ignore"):
        rest = centered(x - masks[0] - masks[1], bits)
    sent = Sent(layer=0, step=0, shares={1: masks[1], 2: rest}, missing=0, bits=bits, input_bits=17)
    assert np.array_equal(sent.opened(masks[0]), x)
    assert sent.small(x)
    assert not any(sent.small(sent.opened(guess(sent))) for guess in guesses(sent, {"n": 3}))


def test_differences_of_a_plane_give_the_last_latent() -> None:
    """Exactly, where latents are a_t x0 + s_t e, and the sequence of scales is found."""
    rng = np.random.default_rng(0)
    factors = np.array([[0.1, 1.0], [0.5, 0.8], [0.9, 0.4]])
    own, new = (rng.standard_normal((2, 4000)) for _ in range(2))
    scales = ((15, 15, 15), (15, 14, 14), (14, 14, 14))
    known = Paths(before=factors @ own, last=own[0], scales=scales)
    for chosen in scales:
        sent = (factors @ new) * np.exp2(np.array(chosen))[:, None]
        guess = known.last_latent(sent[1:] - sent[0])
        assert np.abs(guess - new[0]).max() < 0.1
        assert np.corrcoef(guess, new[0])[0, 1] > 0.999


@pytest.fixture(scope="module")
def embedded() -> Target:
    return load("embedded", device="cpu")


def test_masks_that_serve_all_steps_give_the_picture(embedded: Target, tmp_path: Path) -> None:
    """Nearer to the original than half of the way from the mean public picture."""
    config = BrokenSteps(steps=6, n=2)
    views, latents = played(config, embedded, tmp_path, games=1)
    guessed = attacked(views, embedded).images
    assert guessed is not None
    vae = embedded.open("vae")
    truth = sampling.decode(vae, latents).permute(0, 2, 3, 1).mul(255).numpy()
    weights = {**embedded.to_dict(), "open": dataclasses.asdict(embedded)}
    model = ShareModel.open(Auxiliary(weights=weights), views)
    prior = model.nothing(1).astype(np.float64)
    near, far = (
        np.square(each.astype(np.float64) - truth).mean(axis=(1, 2, 3)) for each in (guessed, prior)
    )
    assert (near < 0.5 * far).all()
    assert len(paths(model, config.input_bits).scales) > 1


def test_candidates_are_asked_for(tiny: Target, tmp_path: Path) -> None:
    views, _ = played(RingShares(steps=1, n=2), tiny, tmp_path, games=1)
    with pytest.raises(ValueError, match="candidates"):
        MaskReuse().attack(views, Auxiliary(), np.random.default_rng(0))
