"""How far a plain loss attack gets on each model that ships for membership tests.

python benchmarks/membership_targets.py [--members 128] [--non-members 1000] [--json]

Minus the denoising loss at one time step, one draw of noise: no choice, no shadow model. Members
are the first that a model was trained on; for shadow models, the others of their half of the pool
are the non-members.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from latentleak.adversaries.membership.challenge import encoded
from latentleak.adversaries.membership.loss import Loss
from latentleak.adversaries.membership.model import Denoiser, Samples, scores
from latentleak.audits.membership.rates import Rates, rates
from latentleak.audits.statistics.intervals import Interval
from latentleak.targets import load, sampling
from latentleak.targets.avatars import MEMBERS, MODELS, SHADOWS, Avatars, trained_on

Rows = npt.NDArray[np.int64]


def samples_of(split: str, rows: Rows) -> Samples:
    """Latents and encoded captions of pictures."""
    pipe = load("embedded", device="cpu").open("vae", "text_encoder", "tokenizer", "scheduler")
    data = Avatars.open(split)
    images = torch.from_numpy(data.images[rows]).permute(0, 3, 1, 2).float().div(255)
    latents = torch.cat([sampling.encode(pipe, part) for part in images.split(64)])
    return Samples(latents=latents, told=encoded(pipe, [data.captions[row] for row in rows]))


def sides_of(
    name: str, members: int, non_members: int
) -> tuple[tuple[str, Rows], tuple[str, Rows]]:
    """Split and places of the members and the non-members of a model."""
    split, rows = trained_on(name)
    if name not in SHADOWS:
        return (split, rows[:members]), ("non-member", np.arange(non_members))
    return (split, rows), (split, np.setdiff1d(np.arange(2 * MEMBERS), rows))


def measure(members: int, non_members: int, times: Sequence[int]) -> list[dict[str, object]]:
    """One row a model and time step."""
    known: dict[tuple[str, bytes], Samples] = {}
    found: list[dict[str, object]] = []
    for name in MODELS:
        model = Denoiser.of(load(f"embedded+{name}", device="cpu").open("unet", "scheduler"))
        sides = []
        for split, rows in sides_of(name, members, non_members):
            key = (split, rows.tobytes())
            if key not in known:
                known[key] = samples_of(split, rows)
            sides.append(known[key])
        for time in times:
            inside, outside = (scores(Loss(times=(time,)), model, s, seed=0) for s in sides)
            seen = rates(inside, outside, alpha=0.05, seed=0, fprs=(0.01,))
            found.append(row(name, time, seen))
    return found


def row(name: str, time: int, seen: Rates) -> dict[str, object]:
    """What was measured, in plain numbers; the rate is None where non-members are too few."""
    point = seen.points[0]
    return {
        "model": name,
        "time": time,
        "members": seen.members,
        "non-members": seen.non_members,
        "auc": spread(seen.area.estimate, seen.area.interval),
        "tpr": None if point.interval is None else spread(point.tpr, point.interval),
    }


def spread(value: float | None, interval: Interval) -> list[float | None]:
    """A value and the ends of its interval."""
    return [value, interval.low, interval.high]


def cell(values: object) -> str:
    """A value with its 95 % interval."""
    if not isinstance(values, list):
        return "too few"
    return f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=128)
    parser.add_argument("--non-members", type=int, default=1000)
    parser.add_argument("--times", type=int, nargs="+", default=[100, 300, 500])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measure(options.members, options.non_members, options.times)
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print("| model | members / non-members | t | AUC | TPR at 1 % FPR |")
    print("|---|---|---|---|---|")
    for each in found:
        sizes = f"{each['members']} / {each['non-members']}"
        values = f"{each['time']} | {cell(each['auc'])} | {cell(each['tpr'])}"
        print(f"| `{each['model']}` | {sizes} | {values} |", flush=True)


if __name__ == "__main__":
    main()
