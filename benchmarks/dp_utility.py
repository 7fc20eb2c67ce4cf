"""Utility of differentially private adaptation, against epsilon, for two private collections.

    python benchmarks/dp_utility.py sanity      does inversion adapt the model at all?
    python benchmarks/dp_utility.py choose      settings of post-processing, on public images
    python benchmarks/dp_utility.py measure     every method on both collections
    python benchmarks/dp_utility_report.py      figure, contact sheets and table
    python benchmarks/dp_utility.py inversions  the embeddings that ship, made again

`measure` goes on where it stopped: one line of `results-NAME.jsonl` a release. Settings were
chosen on public images, never on a private collection.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from latentleak.defenses.dp_adaptation.aggregation import aggregate
from latentleak.defenses.dp_adaptation.baselines import invert_dp_sgd, invert_together
from latentleak.defenses.dp_adaptation.calibration import default_delta
from latentleak.defenses.dp_adaptation.dp_sgd import DpSgdInversion
from latentleak.defenses.dp_adaptation.guidance import Guidance, generate_guided, image_features
from latentleak.defenses.dp_adaptation.inversion import Progress, Recipe, invert
from latentleak.defenses.dp_adaptation.objective import denoising_losses, draw, latents_of
from latentleak.defenses.dp_adaptation.postprocess import (
    Subspace,
    principal_subspace,
    project,
    rescale,
)
from latentleak.defenses.dp_adaptation.token import (
    TOKEN,
    assign_rows,
    median_token_norm,
    token_vector,
    with_rows,
    with_tokens,
)
from latentleak.defenses.seeds import derive
from latentleak.targets import load, private_sets
from latentleak.targets.clip import Clip
from latentleak.targets.features import ImageEncoder
from latentleak.targets.image_metrics import kernel_distance
from latentleak.targets.sampling import generate

EPSILONS = (0.5, 1.0, 2.0, 5.0, 10.0)
RELEASES = 5
STEPS = 12
CONCEPTS = (
    "red heart", "dog face", "star", "house", "key", "fire", "apple", "fish",
    "sun", "clock", "person running", "book", "automobile", "mobile phone", "trophy", "gift",
)  # fmt: skip
REFERENCES = {
    "none": "no adaptation",
    "mean": "mean, no noise",
    "together": "one inversion, no noise",
    "guidance-plain": "guidance, no noise",
}
METHODS = {
    "dpagg": "DPAgg-TI",
    "dpagg-subspace": "DPAgg-TI, public subspace",
    "dpagg-centered": "DPAgg-TI about the initializer",
    "guidance": "DP guidance",
    "dp-sgd": "DP-SGD-TI",
}
METRICS = {
    "kid": "KID, embedded CLIP (lower is better)",
    "to_collection": "cosine to the collection",
    "to_prompt": "cosine to the prompt",
}
RANK = 16
GUIDANCE = Guidance(weight=2.0, recurrence=1, steps=10)
SGD_STEPS, SGD_BATCH, SGD_CLIP, SGD_RATE = 20, 24, 0.25, 0.01


@dataclass(frozen=True, kw_only=True)
class Study:
    """One collection, its inversions, and the public numbers that every method uses."""

    name: private_sets.Name
    cache: Path

    @cached_property
    def collection(self) -> private_sets.Collection:
        """The private images."""
        return private_sets.load(self.name)

    @cached_property
    def delta(self) -> float:
        """`min(1e-5, 1 / (10 n))`."""
        return default_delta(len(self.collection))

    @cached_property
    def target(self) -> Any:
        """Inverts and guides in float32."""
        return load("embedded", device="cpu")

    @cached_property
    def pipe(self) -> Any:
        """Draws in bfloat16, which takes half the time."""
        return load("embedded", device="cpu", dtype="bfloat16").open()

    @cached_property
    def encoder(self) -> ImageEncoder:
        """The named feature space."""
        return ImageEncoder.open()

    @cached_property
    def embeddings(self) -> np.ndarray:
        """One vector a private image."""
        return invert(self.target, self.collection.images, cache=self.cache)

    @cached_property
    def public(self) -> np.ndarray:
        """One vector a public image."""
        return invert(self.target, private_sets.public().images, cache=self.cache)

    @cached_property
    def initializer(self) -> np.ndarray:
        """Where every inversion starts."""
        return token_vector(self.target.open(), Recipe().initializer).numpy()

    @cached_property
    def clip(self) -> float:
        """C: median norm of public inversions."""
        return float(np.median(np.linalg.norm(self.public, axis=1)))

    @cached_property
    def length(self) -> float:
        """To which releases are rescaled: the norm of the public inversions' mean."""
        return float(np.linalg.norm(self.public.mean(0)))

    @cached_property
    def subspace(self) -> Subspace:
        """Principal directions of public inversions."""
        return principal_subspace(self.public, rank=RANK)

    @cached_property
    def features(self) -> np.ndarray:
        """Unit vectors of the private images."""
        return image_features(self.encoder, self.collection.images)

    @cached_property
    def together(self) -> np.ndarray:
        """One ordinary inversion of all private images, kept beside the results."""
        path = self.cache / f"together-{self.name}.npy"
        if not path.exists():
            np.save(path, invert_together(self.target, self.collection.images))
        return np.load(path)


def released(study: Study, method: str, epsilon: float | None, seed: int) -> np.ndarray:
    """The vector that a method publishes: a token's, or an image feature for guidance."""
    budget = {"epsilon": epsilon or 0.0, "delta": study.delta, "seed": seed}
    if method == "none":
        return study.initializer
    if method == "mean":
        return study.embeddings.mean(0)
    if method == "together":
        return study.together
    if method == "guidance-plain":
        return study.features.mean(0)
    if method == "guidance":
        return aggregate(study.features, clip=1.0, normalize=True, **budget)[0]
    if method == "dpagg-centered":
        moved = study.embeddings - study.initializer
        clip = float(np.median(np.linalg.norm(study.public - study.initializer, axis=1)))
        return study.initializer + aggregate(moved, clip=clip, **budget)[0]
    if method == "dp-sgd":
        return dp_sgd(study, budget["epsilon"], seed)
    vector = aggregate(study.embeddings, clip=study.clip, **budget)[0]
    if method == "dpagg-subspace":
        vector = project(vector, study.subspace)
    return rescale(vector, norm=study.length)


def dp_sgd(study: Study, epsilon: float, seed: int) -> np.ndarray:
    """One embedding trained with Opacus."""
    mechanism = DpSgdInversion(
        epsilon=epsilon,
        delta=study.delta,
        clip=SGD_CLIP,
        steps=SGD_STEPS,
        rate=SGD_RATE,
        sample_rate=SGD_BATCH / len(study.collection),
    )
    images, recipe = study.collection.images, Recipe(dtype="bfloat16")
    return invert_dp_sgd(study.target, images, mechanism, recipe, seed=seed).vector.numpy()


def drawn(study: Study, method: str, vector: np.ndarray, seed: int) -> Tensor:
    """Two images of every concept; one with guidance, which is slow."""
    if method.startswith("guidance"):
        return generate_guided(
            study.target.open(),
            [f"{concept}, {Recipe().initializer} style" for concept in CONCEPTS],
            vector,
            study.encoder,
            guidance=GUIDANCE,
            seed=seed,
        )
    adapted = with_tokens(study.pipe, {TOKEN: torch.from_numpy(vector).float()})
    prompts = [f"{concept}, {TOKEN} style" for concept in CONCEPTS]
    return torch.cat(
        [generate(adapted, prompts, seed=derive(seed, part), steps=STEPS) for part in range(2)]
    )


def scores(study: Study, images: Tensor, seed: int) -> dict[str, float]:
    """The three metrics of generated images; KID as the mean over subsets of the collection."""
    own, reference = study.encoder.embed(images).double(), torch.from_numpy(study.features)
    center = torch.nn.functional.normalize(reference.mean(0), dim=0)
    texts = Clip.open().embed_texts(CONCEPTS).double().repeat(len(images) // len(CONCEPTS), 1)
    order = np.random.default_rng(seed)
    subsets = [order.choice(len(reference), len(own), replace=False) for _ in range(50)]
    return {
        "kid": float(np.mean([kernel_distance(own, reference[s]).item() for s in subsets])),
        "to_collection": (own @ center).mean().item(),
        "to_prompt": (own * texts).sum(1).mean().item(),
    }


def tasks() -> Iterator[tuple[str, float | None, int]]:
    """Method, epsilon and number of each release; one of everything first."""
    for release in range(RELEASES):
        for method in REFERENCES:
            yield method, None, release
        for method in METHODS:
            for epsilon in EPSILONS:
                yield method, epsilon, release


def measure(study: Study, out: Path, methods: Collection[str]) -> None:
    """Measure what is missing of some methods."""
    path = out / f"results-{study.name}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    done = {(r["method"], r["epsilon"], r["release"]) for r in map(json.loads, lines)}
    todo = [task for task in tasks() if task not in done and task[0] in methods]
    begun = time.monotonic()
    for number, (method, epsilon, release) in enumerate(todo):
        seed = derive(0, study.name, method, str(epsilon), release)
        vector = released(study, method, epsilon, seed)
        images = drawn(study, method, vector, derive(1, study.name, release))
        record = {
            "collection": study.name,
            "method": method,
            "epsilon": epsilon,
            "delta": None if epsilon is None else study.delta,
            "release": release,
            **scores(study, images, release),
            "norm": float(np.linalg.norm(vector)),
        }
        if release == 0:
            save_strip(images[:8], out / f"{study.name}-{method}-{epsilon}.png")
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
        say(f"{study.name} {number + 1}/{len(todo)} {method} {epsilon}", begun)


def sanity(cache: Path, rows: int = 16) -> dict[str, float]:
    """Does inversion adapt the model? Loss of public images on noise that no step has seen."""
    target, recipe, images = load("embedded", device="cpu"), Recipe(), private_sets.public().images
    vectors = torch.from_numpy(invert(target, images, cache=cache)[:rows])
    pipe, images = target.open(), images[:rows]
    names = [f"<own-{row}>" for row in range(rows)]
    start = token_vector(pipe, recipe.initializer).repeat(rows, 1)
    latents = latents_of(pipe, images)
    adapted = with_rows(pipe, names, start)

    @torch.no_grad()
    def loss(own: Tensor) -> Tensor:
        assign_rows(adapted, own)
        total = torch.zeros(rows)
        for step in range(60):
            one = draw(pipe, 12345, step, len(recipe.templates))
            prompts = [recipe.templates[one.template].format(name) for name in names]
            times = torch.full((rows,), one.time)
            total += denoising_losses(
                adapted, latents, one.noise.expand_as(latents), times, prompts
            )
        return total / 60

    before, own, other = loss(start), loss(vectors), loss(vectors.roll(1, 0))
    return {
        "images": rows,
        "initializer": before.mean().item(),
        "own_embedding": own.mean().item(),
        "another_images_embedding": other.mean().item(),
        "improved": (own < before).float().mean().item(),
        "own_beats_another": (own < other).float().mean().item(),
    }


def choose(cache: Path) -> None:
    """Length and rank of post-processing: half of the public images plays the collection.

    The half is repeated to 200 records, so that the noise is that of a collection of this size.
    """
    study = Study(name="pictograms", cache=cache)
    own, rest = study.public[::2], study.public[1::2]
    features = image_features(study.encoder, private_sets.public().images[::2])
    center = torch.nn.functional.normalize(torch.from_numpy(features).mean(0), dim=0)
    texts = Clip.open().embed_texts(CONCEPTS).double()
    lengths = {
        "vocabulary": median_token_norm(study.pipe),
        "public mean": float(np.linalg.norm(rest.mean(0))),
        "clip": study.clip,
    }
    for epsilon in (1.0, 5.0):
        records = np.tile(own, (5, 1))[:200]
        vector = aggregate(records, clip=study.clip, epsilon=epsilon, delta=1e-5, seed=5)[0]
        ranked = {r: project(vector, principal_subspace(rest, rank=r)) for r in (4, 16, 32)}
        chosen = {f"length: {name}": rescale(vector, norm=n) for name, n in lengths.items()}
        length = lengths["public mean"]
        chosen |= {f"rank {r}": rescale(v, norm=length) for r, v in ranked.items()}
        for name, candidate in chosen.items():
            own_features = study.encoder.embed(drawn(study, "dpagg", candidate, 3)).double()
            near = (own_features @ center).mean().item()
            said = (own_features * texts.repeat(2, 1)).sum(1).mean().item()
            print(f"epsilon {epsilon:g}  {name:20} collection {near:.3f}  prompt {said:.3f}")


def save_strip(images: Tensor, path: Path) -> None:
    """Images side by side."""
    pixels = images.permute(2, 0, 3, 1).reshape(images.shape[2], -1, 3)
    Image.fromarray(pixels.mul(255).round().byte().numpy()).save(path)


def inversions(out: Path, copy_to: Path | None) -> None:
    """Invert both collections and the public images, and copy the files that ship."""
    target = load("embedded", device="cpu")
    collections = [
        private_sets.load("pictograms"),
        private_sets.public(),
        private_sets.load("stickies"),
    ]
    for collection in collections:
        invert(target, collection.images, cache=out, progress=bar(collection.name))
    if copy_to is not None:
        for path in out.glob("inversions-*.safetensors"):
            shutil.copy(path, copy_to)


def bar(name: str) -> Progress:
    """Progress on stderr."""
    begun = time.monotonic()

    def show(done: int, total: int) -> None:
        if done % 10 == 0 or done == total:
            say(f"{name} {done}/{total}", begun)

    return show


def say(text: str, begun: float) -> None:
    """One line on stderr, with the seconds so far."""
    print(f"{text}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sanity", "choose", "measure", "inversions"))
    parser.add_argument("--out", type=Path, default=Path("runs/dp-utility"))
    parser.add_argument("--collection", choices=tuple(private_sets.STYLES), help="one alone")
    parser.add_argument("--method", choices=(*REFERENCES, *METHODS), nargs="*", help="some alone")
    parser.add_argument("--ship", type=Path, help="inversions: copy the files to this folder")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    options.out.mkdir(parents=True, exist_ok=True)
    names = (options.collection,) if options.collection else tuple(private_sets.STYLES)
    methods = options.method or (*REFERENCES, *METHODS)
    actions: dict[str, Callable[[], object]] = {
        "inversions": lambda: inversions(options.out, options.ship),
        "sanity": lambda: print(json.dumps(sanity(options.out), indent=2)),
        "measure": lambda: [
            measure(Study(name=n, cache=options.out), options.out, methods) for n in names
        ],
        "choose": lambda: choose(options.out),
    }
    actions[options.what]()


if __name__ == "__main__":
    main()
