"""What each attack on HE-Diffusion gets out of each variant's messages.

python benchmarks/he_attacks.py [--games 12] [--steps 10] [--method ddim] [--json]

Pictures by the embedded model, guidance 4. Leakage is 1 - MSE / MSE of the mean public picture, in
pixels, over all games together: 1 is the picture itself, 0 what an attacker knows who saw
nothing, and less is worse than that. Prompts are named among 20.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latentleak.adversaries.conditioning import NearestConditioning
from latentleak.adversaries.contract import Adversary, Auxiliary, Guesses
from latentleak.adversaries.fill_in import METHODS, FillIn
from latentleak.adversaries.he_views import Model
from latentleak.adversaries.key_theft import StolenKey
from latentleak.adversaries.latent_reading import LatentReading
from latentleak.adversaries.noise_prediction import NoisePrediction
from latentleak.adversaries.selection_leak import SelectionLeak
from latentleak.defenses.he_diffusion.protocol import SERVER, HeDiffusion
from latentleak.defenses.he_diffusion.variants import (
    VARIANTS,
    AsReleased,
    ClientUnet,
    EncryptedTerm,
)
from latentleak.defenses.protocol import execute
from latentleak.defenses.views import Views
from latentleak.targets.emoji import Emoji
from latentleak.targets.pipeline import Target, load

CANDIDATES = 20
SEED = 1

ATTACKS: dict[str, Adversary] = {
    "latent reading": LatentReading(),
    "noise prediction": NoisePrediction(),
    "stolen key": StolenKey(),
    "selection leak": SelectionLeak(),
    **{f"fill-in, {method}": FillIn(method=method) for method in METHODS},
    "nearest conditioning": NearestConditioning(),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One attack on one configuration.

    Attributes:
        name: Of the configuration.
        attack: Name of the attack.
        leakage: Of the pictures; None where it draws none.
        prompts: Share of prompts that were named; None where it names none.
        seconds: What the attack took.
        notes: Its own.
    """

    name: str
    attack: str
    leakage: float | None
    prompts: float | None
    seconds: float
    notes: dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Played:
    """Games of one configuration, and the truth about them."""

    views: Views
    aux: Auxiliary
    latents: np.ndarray[Any, np.dtype[np.float64]]
    labels: np.ndarray[Any, np.dtype[np.int64]]


def configurations(steps: int, method: str) -> Iterator[tuple[str, HeDiffusion]]:
    """The variants, the released one with full ciphertexts, hardenings, and a curve over tau."""
    shared: dict[str, Any] = {"steps": steps, "method": method}
    for kind in VARIANTS:
        yield kind.__name__, kind(**shared)
    full: dict[str, Any] = {"samples": 5, **shared}
    yield "AsReleased, 5 images", AsReleased(**full)
    yield "AsReleased, 5 images, fresh keys", AsReleased(**full, fresh_keys=True)
    flooded = AsReleased(**full, parameters="lean", flooding_bits=20.0)
    yield "AsReleased, 5 images, flooded 20 bits", flooded
    yield "ClientUnet, tau 0.5", ClientUnet(**shared, threshold=0.5)
    for tau in (0.05, 0.2, 0.5, 0.9):
        yield f"EncryptedTerm, tau {tau:g}", EncryptedTerm(**shared, threshold=tau)
    for share in (0.9, 0.5):
        drawn = EncryptedTerm(**shared, encrypt_fraction=share)
        yield f"EncryptedTerm, {share:.0%} drawn by lot", drawn


def play(config: HeDiffusion, target: Target, games: int, folder: Path) -> Played:
    """Execute the protocol on prompts of single persons; the server's view of each."""
    rng = np.random.default_rng(SEED)
    pool = sorted({str(prompt) for prompt in Emoji.open().prompts(400, rng)})
    chosen = [
        tuple(pool[i] for i in rng.choice(len(pool), CANDIDATES, replace=False))
        for _ in range(games)
    ]
    labels = rng.integers(CANDIDATES, size=games)
    views, latents = [], []
    for game, (texts, label) in enumerate(zip(chosen, labels, strict=True)):
        output, transcript = execute(config, target, texts[label], SEED + game)
        views.append([transcript.view(frozenset({SERVER}))])
        latents.append(output.latents[0].double().numpy())
        transcript.close()
    weights = {"open": dataclasses.asdict(target)}
    return Played(
        views=Views.of(views, folder / "views"),
        aux=Auxiliary(candidates=tuple(chosen), weights=weights),
        latents=np.stack(latents),
        labels=labels,
    )


def measure(name: str, attack: str, played: Played) -> Row:
    """Run one attack on games that were played."""
    start = time.perf_counter()
    rng = np.random.default_rng(SEED)
    guesses = ATTACKS[attack].attack(played.views, played.aux, rng)
    return Row(
        name=name,
        attack=attack,
        leakage=_leakage(guesses, played),
        prompts=_prompts(guesses, played),
        seconds=time.perf_counter() - start,
        notes=dict(guesses.notes),
    )


def _leakage(guesses: Guesses, played: Played) -> float | None:
    if guesses.images is None:
        return None
    model = Model.open(played.aux, played.views)
    true = model.pictures(played.latents).astype(np.float64)
    prior = model.prior(len(true))
    return float(1 - np.square(guesses.images - true).mean() / np.square(prior - true).mean())


def _prompts(guesses: Guesses, played: Played) -> float | None:
    """Expected share of games won, ties broken at random."""
    if not guesses.scores.shape[1]:
        return None
    best = guesses.scores == guesses.scores.max(axis=1, keepdims=True)
    won = best[np.arange(len(best)), played.labels] / best.sum(axis=1)
    return float(won.mean())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=12)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--method", default="ddim", help="ddim or plms")
    parser.add_argument("--json", action="store_true", help="one JSON line a measurement")
    options = parser.parse_args()
    torch.set_num_threads(1)
    target = load("embedded", device="cpu")
    for name, config in configurations(options.steps, options.method):
        with tempfile.TemporaryDirectory() as folder:
            played = play(config, target, options.games, Path(folder))
            for attack in ATTACKS:
                row = measure(name, attack, played)
                if options.json:
                    print(json.dumps(dataclasses.asdict(row)), flush=True)
                    continue
                leakage = "     -" if row.leakage is None else f"{row.leakage:6.2f}"
                prompts = "     -" if row.prompts is None else f"{row.prompts:6.0%}"
                print(
                    f"{name:40} {attack:20} leakage {leakage}  prompts {prompts}  "
                    f"{row.seconds:5.1f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
