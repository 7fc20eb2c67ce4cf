"""What coalitions obtained, for the report: leakage against their size, and pictures."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import Scores
from ..defenses.seeds import stream
from .coalitions import CoalitionArm
from .contract import Trials
from .drawn import BLIND, IMAGE, PROMPT, Drawn, Said
from .games import slug
from .likeness import Pictures
from .stolen import ROWS, framed, similarity
from .studio import Studio

Floats = npt.NDArray[np.float64]

DRAWS = 1000
"""Resamples of a bootstrap interval."""

FOUND = 0.9
"""Share of games in which a secret has to be named for it to count as fallen."""

HEAD = ("adversary", "similarity", "low", "high", "floor", "ceiling", "games")


@dataclass(frozen=True, kw_only=True)
class Look:
    """One arm with what became of it.

    Attributes:
        played: The arm, one of a coalition.
        said: By the adversaries.
        trials: How it was judged.
    """

    played: Drawn
    said: Mapping[str, Said]
    trials: Trials

    @property
    def members(self) -> tuple[str, ...]:
        """The coalition."""
        return tuple(self.trials.facts["coalition"])

    @property
    def servers(self) -> int:
        """Its size."""
        return len(self.members)

    @property
    def steps(self) -> int:
        """Steps that the coalition looked at."""
        return int(self.trials.facts["steps seen"])

    @property
    def artists(self) -> list[str]:
        """Adversaries that drew something."""
        names = (k.removeprefix(f"{IMAGE}/") for k in self.trials.scores if k.startswith(IMAGE))
        return [name for name in names if name != BLIND]

    @property
    def best(self) -> str:
        """The adversary whose pictures are the most similar."""
        return max(self.artists, key=lambda name: similarity(self.trials, name))

    @property
    def gain(self) -> float:
        """Similarity of the best adversary's pictures; none is less than any."""
        return similarity(self.trials, self.best) if self.artists else -np.inf


def shown(look: Look, looks: Sequence[Look], studio: Studio) -> Trials:
    """The trials of an arm, with the file of the report that goes with it, if any.

    Pictures go with the games of all servers, the curve with the last single server, and what is
    known early with the last early look.
    """
    arm, trials = look.played.arm, look.trials
    if not isinstance(arm, CoalitionArm) or arm.sessions > 1:
        return trials
    own = [each for each in looks if each.played.arm.sessions == 1]
    same = [each for each in own if each.played.arm.defense == arm.defense]
    whole = [each for each in same if each.steps == arm.defense.steps]
    path = studio.setting.artifacts / slug(replace(arm, name=arm.defense.preset))
    seed, file = studio.setting.seed, None
    if arm.own:
        asked = [secret.candidates[secret.real] for secret in look.played.secrets]
        pictures = studio.originals(look.played)
        file = gallery(path.with_suffix(".png"), pictures, asked, strongest(whole))
    elif arm.members == arm.defense.servers[-1:] and not arm.seen:
        file = curve(path.with_name(f"{path.name}-curve.csv"), strongest(whole), seed)
    elif arm.seen and look is same[-1]:
        early = {e.members for e in same if e.steps < arm.defense.steps}
        watched = [e for e in same if e.members in early]
        file = steps(path.with_name(f"{path.name}-steps.csv"), watched, seed)
    return trials if file is None else replace(trials, facts={**trials.facts, "images": file})


def strongest(looks: Sequence[Look]) -> list[Look]:
    """Of each size the coalition with the most similar pictures, by size."""
    best: dict[int, Look] = {}
    for look in looks:
        if look.servers not in best or look.gain > best[look.servers].gain:
            best[look.servers] = look
    return [best[servers] for servers in sorted(best)]


def curve(path: Path, looks: Sequence[Look], seed: int) -> tuple[str, str]:
    """Write similarity against coalition size, as CSV.

    Args:
        path: File to write.
        looks: One coalition a size (see `strongest`).
        seed: Of the bootstrap.

    Returns:
        The file's name and its caption.
    """
    rows = [
        (look.servers, *_row(look.trials, name, seed)) for look in looks for name in look.artists
    ]
    _write(path, ("servers", *HEAD), rows)
    return path.name, (
        "Similarity 1 - MSE / MSE_prior of the guessed picture, in pixels, against the number of "
        "servers that pool what they saw, with a 95 % bootstrap interval over games: 0 is an "
        "attacker who saw nothing, 1 the undefended pipeline. Of each size the coalition with the "
        "most similar pictures: "
        + "; ".join(
            f"{look.servers}: {', '.join(look.trials.facts['coalition'])}" for look in looks
        )
        + "."
    )


def _row(trials: Trials, name: str, seed: int) -> Iterator[str]:
    own, blind = (_errors(trials, n) for n in (name, BLIND))
    low, high = bootstrap(seed, trials.arm, name, own, blind)
    yield from (name, *(f"{v:.4f}" for v in (similarity(trials, name), low, high)))
    yield from ("0", "1", str(len(trials.truth)))


def bootstrap(
    seed: int, arm: str, name: str, own: Floats, blind: Floats | None = None
) -> tuple[float, float]:
    """95 % percentile bootstrap over games.

    Args:
        seed: Of the run.
        arm: Of the games.
        name: Of what is measured.
        own: A value in each game.
        blind: Another one in each; then of 1 - mean(own) / mean(blind), else of mean(own).
    """
    drawn = stream(seed, "bootstrap", arm, name).integers(len(own), size=(DRAWS, len(own)))
    values = own[drawn].mean(axis=1)
    if blind is not None:
        values = 1 - values / blind[drawn].mean(axis=1)
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def _errors(trials: Trials, name: str) -> Floats:
    scores: Scores = trials.scores[f"{IMAGE}/{name}"]
    return np.asarray(-scores[np.arange(len(trials.truth)), trials.truth])


def _write(path: Path, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(text.getvalue(), encoding="utf-8")
    os.replace(partial, path)


def gallery(
    path: Path, originals: Pictures, prompts: Sequence[str], looks: Sequence[Look]
) -> tuple[str, str] | None:
    """Write the first games' originals, each beside what every size of coalition made of it.

    Args:
        path: File to write.
        originals: What the client got, shape (games, height, width, 3).
        prompts: What it asked for.
        looks: One coalition a size (see `strongest`).

    Returns:
        The file's name and its caption; None if no adversary drew anything.
    """
    from PIL import Image

    drawn = [(look, look.said[look.best].own.images) for look in looks if look.artists]
    columns = [originals, *(images for _, images in drawn if images is not None)]
    if len(columns) == 1:
        return None
    rows = min(ROWS, *map(len, columns))  # some coalitions play fewer games
    cells = [np.concatenate([framed(image) for image in c[:rows]]) for c in columns]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(cells, axis=1)).save(path)
    sizes = ", ".join(f"{look.servers} ({look.best})" for look, _ in drawn)
    return path.name, (
        f"One game a row: what the client got, then what servers made of it together: {sizes}; of "
        f"each the adversary whose pictures are the most similar. Prompts: "
        f"{'; '.join(prompts[:rows])}."
    )


def steps(path: Path, looks: Sequence[Look], seed: int) -> tuple[str, str]:
    """Write how often secrets are named after so many steps, as CSV.

    Args:
        path: File to write.
        looks: One coalition a size, at any number of steps.
        seed: Of the bootstrap.

    Returns:
        The file's name and its caption, which says when secrets fall.
    """
    ordered = sorted(looks, key=lambda look: (-look.servers, look.steps))
    keys = [(look, key) for look in ordered for key in look.trials.scores if _names(key)]
    rows = []
    for look, key in keys:
        won = named(look.trials, key)
        low, high = bootstrap(seed, look.trials.arm, key, won)
        secret, _, name = key.partition("/")
        values = (f"{value:.4f}" for value in (won.mean(), low, high))
        label = f"{secret}, {_servers(look.servers)}: {name}"
        rows.append((look.steps, label, *values, 0.01, 1, len(won)))
    _write(path, ("steps", "secret", "named", *HEAD[2:]), rows)
    return path.name, (
        "Share of games in which a secret is named among 100, against the number of steps after "
        "which the servers stopped looking, with a 95 % bootstrap interval. Named in at least 9 of "
        f"10 games: {'; '.join(fallen(ordered))}."
    )


def _names(key: str) -> bool:
    return key.startswith((f"{IMAGE}/", f"{PROMPT}/")) and key != f"{IMAGE}/{BLIND}"


def fallen(looks: Sequence[Look]) -> list[str]:
    """For each coalition and secret, the first step after which an adversary names it."""
    first: dict[tuple[int, str], list[tuple[int, str]]] = {}
    for look in looks:
        for key in filter(_names, look.trials.scores):
            secret, _, name = key.partition("/")
            hits = first.setdefault((look.servers, secret), [])
            if named(look.trials, key).mean() >= FOUND:
                hits.append((look.steps, name))
    return [
        f"{secret}, {_servers(servers)}: "
        + (f"after {min(hits)[0]} ({min(hits)[1]})" if hits else "never")
        for (servers, secret), hits in first.items()
    ]


def _servers(count: int) -> str:
    return f"{count} server{'s' * (count > 1)}"


def named(trials: Trials, key: str) -> Floats:
    """1 in every game in which the real candidate alone has the highest score, else 0."""
    scores = np.nan_to_num(trials.scores[key], nan=-np.inf)
    own = scores[np.arange(len(trials.truth)), trials.truth]
    return np.asarray((scores >= own[:, None]).sum(axis=1) == 1, dtype=np.float64)
