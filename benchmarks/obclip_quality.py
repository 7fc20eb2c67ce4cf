"""What ObCLIP's pictures are worth: attributes, prompt, kernel distance, nearness to cloud-only.

    python benchmarks/obclip_quality.py measure --out runs/oc
    python benchmarks/obclip_quality.py report --out runs/oc
    python benchmarks/obclip_quality.py confirm --k 10

`measure` draws, on the embedded model, every candidate of some prompts as if it were the real one:
all methods share prompts, candidates and initial noises, so differences are paired. The templates
are the samples: rows of a template share a noise, hence intervals are jackknifed over templates.
`report` prints Markdown tables. Interrupted runs go on where they stopped. `confirm` compares a
lean preset with the paper's at six candidates on templates that `measure` does not use.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from quality import AttributeClassifier, as_floats, person_attributes, train_classifier
from scipy.stats import t as student
from torch import Tensor

from latentleak.defenses.obclip import candidates
from latentleak.defenses.obclip.acceleration import PRESETS
from latentleak.defenses.obclip.cloud import CloudSteps
from latentleak.defenses.obclip.cost import server_cost
from latentleak.defenses.obclip.lexicon import SKIN_TONE
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.targets import Emoji, load
from latentleak.targets.captions import caption
from latentleak.targets.clip import Clip
from latentleak.targets.image_metrics import kernel_distance, perceptual_distance
from latentleak.targets.sampling import (
    STEPS,
    Denoised,
    decode,
    denoise,
    encode_prompts,
    initial_noise,
    open_denoiser,
)

ATTRIBUTES: Mapping[int, Any] = {
    2: ("gender",),
    6: {"gender": ("woman", "man"), "skin tone": ("light", "medium", "dark")},
    30: ("age", "gender", "skin tone"),
}
"""What is hidden, by number of candidates."""
TEMPLATES = {2: 60, 6: 32, 30: 4}
SWITCHES = (5, 10)
MARGINS = {"score": 0.005, "kid": 2e-5, "attributes": 0.02}
"""How much worse than the paper's preset still counts as not worse."""


def methods() -> dict[str, ObClip | None]:
    """Cloud and client alone, and ObCLIP with nothing, with recall, and with presets, at each k."""
    found: dict[str, ObClip | None] = {"cloud-only": None, "local-only": None, "vanilla": None}
    for k in SWITCHES:
        paper = {**PRESETS[f"paper-k{k}"]}
        found[f"hybrid k={k}"] = ObClip(k=k)
        found[f"+ recall k={k}"] = ObClip(**{**paper, "reuse_until": 0})
        found[f"paper-k{k}"] = ObClip(**paper)
        found[f"lean-k{k}"] = ObClip(**PRESETS[f"lean-k{k}"])
    return found


@cache
def templates(rows: int) -> tuple[tuple[str, ...], ...]:
    """The candidate sets that `measure` draws."""
    return every_template(rows)[: TEMPLATES[rows]]


@cache
def every_template(rows: int) -> tuple[tuple[str, ...], ...]:
    """Candidate sets of all captions of member women that have `rows`, in a drawn order."""
    data = Emoji.open()
    usable = np.flatnonzero(data.person & data.member & (data.gender == "woman"))
    tones = (1, 2, 3, 4, 5) if rows == 2 else (1,)
    found: list[tuple[str, ...]] = []
    for i in np.random.default_rng(0).permutation(usable):
        label = str(data.label[i])
        if not label.startswith("woman ") or int(data.tone[i]) not in tones:
            continue
        text = ("young " if rows == 30 else "") + caption(label, str(data.style[i]))
        try:
            group = candidates(text, ATTRIBUTES[rows])
        except ValueError:  # a word that shows an attribute and has no counterpart
            continue
        if len(group) == rows and group not in found:
            found.append(group)
    return tuple(found)


def attributes_of(prompt: str) -> tuple[int, int]:
    """Gender (0: woman, 1: man) and skin tone (0 to 4) that a candidate asks for."""
    tone = re.search(r"([a-z-]+) skin tone", prompt)
    assert tone is not None
    return int(re.search(r"\bwoman\b", prompt) is None), SKIN_TONE.values.index(tone.group(1))


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The networks that read pictures."""

    clip: Clip
    classifier: AttributeClassifier

    @staticmethod
    def open() -> Judge:
        """Train the attribute classifier on real persons."""
        data = Emoji.open()
        index, gender, tone = person_attributes(data)
        images = as_floats(data.images[index])
        return Judge(clip=Clip.open(), classifier=train_classifier(images, gender, tone, 8))

    @torch.no_grad()
    def read(self, images: Tensor, prompts: tuple[str, ...]) -> dict[str, Tensor]:
        """For each picture: its embedding, its score, and which attributes are as asked."""
        wanted = torch.tensor([attributes_of(prompt) for prompt in prompts])
        of_gender, of_tone = self.classifier(images)
        vectors = self.clip.embed_images(images)
        return {
            "vectors": vectors,
            "score": (vectors * self.clip.embed_texts(prompts)).sum(1),
            "gender": (of_gender[:, :2].argmax(1) == wanted[:, 0]).float(),
            "tone": (of_tone.argmax(1) == wanted[:, 1]).float(),
        }


def drawn(name: str, defense: ObClip | None, prompts: tuple[str, ...], seed: int) -> Tensor:
    """Latents of all candidates, each finished as if it were the real prompt."""
    cloud, local = open_denoiser(load("embedded")), open_denoiser(load("embedded"), "local")
    noise = initial_noise(cloud, 1, torch.Generator().manual_seed(seed))
    if defense is None:
        pipe = local if name == "local-only" else cloud
        many = noise.repeat(len(prompts), 1, 1, 1)
        if name == "cloud-only":  # one by one, as a server without ObCLIP draws them
            return torch.cat([_all(pipe, noise, (prompt,)).latents for prompt in prompts])
        return _all(pipe, many, prompts).latents
    steps = CloudSteps(
        steps=STEPS, stop=defense.k, guidance=defense.guidance, acceleration=defense.acceleration
    )
    handed = steps.run(cloud, noise, prompts).latents.half().float()
    given = encode_prompts(local, prompts)
    return denoise(local, handed, given, start=defense.k, guidance=defense.guidance).latents


def _all(pipe: Any, noise: Tensor, prompts: tuple[str, ...]) -> Denoised:
    return denoise(pipe, noise, encode_prompts(pipe, prompts))


def read_all(
    name: str,
    defense: ObClip | None,
    groups: tuple[tuple[str, ...], ...],
    judge: Judge,
    seed: int,
) -> dict[str, Any]:
    """Pictures of every candidate and what is read from them, `(templates, N, ...)`."""
    vae, parts = load("embedded").open("vae"), []
    for number, prompts in enumerate(groups):
        images = decode(vae, drawn(name, defense, prompts, seed + number))
        parts.append({**judge.read(images, prompts), "images": images})
    return {key: torch.stack([part[key] for part in parts]).numpy() for key in parts[0]}


def measure(out: Path) -> None:
    """One file of NumPy arrays a method and N, with what `report` needs."""
    out.mkdir(parents=True, exist_ok=True)
    judge = None
    for rows in TEMPLATES:
        for name, defense in methods().items():
            path = out / f"{name.replace(' ', '_')}-n{rows}.npz"
            if path.exists():
                continue
            judge = judge or Judge.open()
            start = time.perf_counter()
            stacked = read_all(name, defense, templates(rows), judge, 5000)
            np.savez(path, allow_pickle=False, **stacked)
            print(f"{path.stem}: {time.perf_counter() - start:.0f} s", flush=True)


@cache
def reference(groups: tuple[tuple[str, ...], ...]) -> Tensor:
    """Embeddings of real member persons with the asked gender and tone, one a picture."""
    data, rng = Emoji.open(), np.random.default_rng(1)
    chosen = []
    for prompt in (prompt for group in groups for prompt in group):
        gender, tone = attributes_of(prompt)
        fits = data.person & data.member & (data.gender == ("woman", "man")[gender])
        chosen.append(rng.choice(np.flatnonzero(fits & (data.tone == tone + 1))))
    vectors = Clip.open().embed_images(as_floats(data.images[chosen]))
    return vectors.reshape(len(groups), len(groups[0]), -1)


def jackknife(
    values: Mapping[str, Any], groups: tuple[tuple[str, ...], ...], key: str
) -> np.ndarray[Any, Any]:
    """A metric without each template in turn, and last with all."""
    count = len(values["score"])
    kept = [np.delete(np.arange(count), i) for i in range(count)] + [np.arange(count)]
    if key == "kid":
        mine, real = torch.from_numpy(values["vectors"]), reference(groups)
        return np.array(
            [float(kernel_distance(mine[k].flatten(0, 1), real[k].flatten(0, 1))) for k in kept]
        )
    per = (values["gender"] + values["tone"]) / 2 if key == "attributes" else values[key]
    return np.array([per[k].mean() for k in kept])


def interval(leave_out: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Estimate and half-width of its 95 % interval."""
    parts, n = leave_out[:-1], len(leave_out) - 1
    half = student.ppf(0.975, n - 1) * np.sqrt((n - 1) / n * ((parts - parts.mean()) ** 2).sum())
    return float(leave_out[-1]), float(half)


def table(out: Path) -> list[dict[str, Any]]:
    """Every method and N: metrics with intervals, and the server's cost."""
    lines = []
    unet = open_denoiser(load("embedded")).unet
    for rows in TEMPLATES:
        base: Mapping[str, Any] = np.load(out / f"cloud-only-n{rows}.npz")
        for name, defense in methods().items():
            found = np.load(out / f"{name.replace(' ', '_')}-n{rows}.npz")
            line: dict[str, Any] = {"N": rows, "method": name, "pictures": found["score"].size}
            for key in ("score", "gender", "tone", "attributes", "kid"):
                line[key] = interval(jackknife(found, templates(rows), key))
            pairs = [torch.from_numpy(a["images"]).flatten(0, 1) for a in (found, base)]
            line["lpips"] = perceptual_distance(*pairs).mean().item()
            line["cost"] = {"cloud-only": 1.0, "local-only": 0.0, "vanilla": float(rows)}.get(name)
            if defense is not None:
                knobs = defense.acceleration
                cost = server_cost(unet, knobs, rows=rows, k=defense.k, tokens=32)
                line["cost"] = cost.to_plain
            lines.append(line)
    return lines


def comparisons(out: Path) -> list[dict[str, Any]]:
    """Paired differences: lean presets less the paper's."""
    lines = []
    for rows in TEMPLATES:
        for k in SWITCHES:
            lean, paper = (np.load(out / f"{name}-k{k}-n{rows}.npz") for name in ("lean", "paper"))
            lines.append({"N": rows, "k": k, **differences(lean, paper, templates(rows))})
    return lines


def differences(
    lean: Mapping[str, Any], paper: Mapping[str, Any], groups: tuple[tuple[str, ...], ...]
) -> dict[str, Any]:
    """For each metric the paired difference, its half-width, and whether it is not worse."""
    found = {}
    for key, margin in MARGINS.items():
        delta = interval(jackknife(lean, groups, key) - jackknife(paper, groups, key))
        worst = delta[0] + delta[1] if key == "kid" else -(delta[0] - delta[1])
        found[key] = (*delta, worst <= margin)
    return found


def confirm(k: int, count: int | None) -> dict[str, Any]:
    """The differences on templates that nothing was measured on before, the first `count`."""
    fresh, judge = every_template(6)[TEMPLATES[6] :][:count], Judge.open()
    found = [
        read_all(name, methods()[name], fresh, judge, 5000 + TEMPLATES[6])
        for name in (f"lean-k{k}", f"paper-k{k}")
    ]
    return {"N": 6, "k": k, **differences(found[0], found[1], fresh)}


def markdown(lines: list[dict[str, Any]], paired: list[dict[str, Any]]) -> str:
    """Both tables."""
    text = [
        "| N | method | server cost | prompt score | gender | skin tone | KID x 1e5 | LPIPS |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        score, kid = line["score"], line["kid"]
        text.append(
            f"| {line['N']} | {line['method']} | {line['cost']:.2f} "
            f"| {score[0]:.3f} +- {score[1]:.3f} | {line['gender'][0]:.1%} | {line['tone'][0]:.1%} "
            f"| {1e5 * kid[0]:.1f} +- {1e5 * kid[1]:.1f} | {line['lpips']:.4f} |"
        )
    return "\n".join([*text, "", compared(paired)])


def compared(paired: list[dict[str, Any]]) -> str:
    """The table of differences."""
    text = [
        "| N | k | prompt score | attributes | KID x 1e5 | not worse |",
        "|---|---|---|---|---|---|",
    ]
    for line in paired:
        score, attributes, kid = (line[key] for key in ("score", "attributes", "kid"))
        text.append(
            f"| {line['N']} | {line['k']} | {score[0]:+.4f} +- {score[1]:.4f} "
            f"| {attributes[0]:+.1%} +- {attributes[1]:.1%} "
            f"| {1e5 * kid[0]:+.2f} +- {1e5 * kid[1]:.2f} "
            f"| {', '.join(key for key in MARGINS if line[key][2]) or 'none'} |"
        )
    return "\n".join(text)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=["measure", "report", "confirm"])
    parser.add_argument("--out", type=Path, default=Path("runs/oc"))
    parser.add_argument("--k", type=int, default=10, choices=SWITCHES, help="of `confirm`")
    parser.add_argument("--templates", type=int, help="of `confirm`; all if left out")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.task == "measure":
        measure(options.out)
        return
    if options.task == "confirm":
        print(compared([confirm(options.k, options.templates)]))
        return
    lines, paired = table(options.out), comparisons(options.out)
    (options.out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(markdown(lines, paired))


if __name__ == "__main__":
    main()
