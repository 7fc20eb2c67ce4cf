"""What every adversary achieved in each game: the numbers behind the rows of a finding.

An outcome is higher the worse it is for the defence. Two runs that played the same games can so
be compared game by game.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..defenses.seeds import stream
from ..scenarios.contract import Trials
from .statistics import guesses
from .verdict import Finding, Row

Floats = npt.NDArray[np.float64]

WON, GUESSED, GAIN, LOSS = "won", "guessed", "gain", "lost fidelity"
"""Kinds: games won; right guesses of one bit; similarity of a picture; PSNR, negative."""

BLIND = "image/nothing seen"
"""Scores of whoever shows the same picture in every game."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """One adversary in one arm, game by game.

    Attributes:
        arm: Set of games.
        adversary: Its name.
        kind: What is counted.
        games: Digest of which games these are: equal where two runs played the same, and empty
            where that is unknown.
        values: One a game, shape (n,), half precision; 0 or 1 for games won and guesses.
    """

    arm: str
    adversary: str
    kind: str
    games: str
    values: Floats

    @property
    def key(self) -> str:
        """Which outcomes these are, in every run alike."""
        return f"{self.arm}/{self.adversary}/{self.kind}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form: bits, or little-endian half precision, in base 64."""
        binary = self.kind in (WON, GUESSED)
        packed = np.packbits(self.values > 0) if binary else self.values.astype("<f2")
        return {
            "arm": self.arm,
            "adversary": self.adversary,
            "kind": self.kind,
            "games": self.games,
            "n": self.values.size,
            "values": base64.b64encode(packed.tobytes()).decode("ascii"),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Outcomes:
        """Read what `to_dict` wrote.

        Raises:
            KeyError: If a key is missing.
            ValueError: If there are not `n` values.
        """
        data, n = base64.b64decode(record["values"], validate=True), int(record["n"])
        if record["kind"] in (WON, GUESSED):
            values = np.unpackbits(np.frombuffer(data, dtype=np.uint8), count=n)
        else:
            values = np.frombuffer(data, dtype="<f2")
        if values.size != n:
            raise ValueError(f"{record['arm']}/{record['adversary']} must hold {n} values")
        names = {name: str(record[name]) for name in ("arm", "adversary", "kind", "games")}
        return cls(**names, values=values.astype(np.float64))


def outcomes_of(folder: Path, finding: Finding) -> tuple[Outcomes, ...]:
    """Outcomes behind a finding, from the trials of its run folder.

    Rows without games of their own, such as tests of masks, have none.
    """
    found: dict[str, Outcomes] = {}
    trials = dict(_arms(folder, finding))
    for row in finding.rows:
        arm = trials.get(row.arm)
        each = None if arm is None else _outcomes(arm, row, finding)
        if each is not None:
            found.setdefault(each.key, each)
    if finding.claim.get("type") == "Fidelity":
        for arm in trials.values():
            if psnr := arm.facts.get("psnr"):
                each = _made(arm, "client", LOSS, -np.asarray(psnr, dtype=np.float64), finding)
                found.setdefault(each.key, each)
    return tuple(found.values())


def _arms(folder: Path, finding: Finding) -> Iterator[tuple[str, Trials]]:
    games = "-".join(finding.id.split("/")[:2])
    start = f"{games}-{finding.defense.get('name', '')}-".lower()
    for facts in sorted((folder / "trials").glob("*.json")):
        if not facts.stem.startswith(start):
            continue
        stored = json.loads(facts.read_text(encoding="utf-8"))
        if facts.stem == start + _slug(stored["arm"]):
            arrays = facts.with_suffix(".npz")
            yield stored["arm"], Trials.load(arrays, arm=stored["arm"], facts=stored["facts"])


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower())


def _outcomes(trials: Trials, row: Row, finding: Finding) -> Outcomes | None:
    keys = [row.adversary, *(f"{part}/{row.adversary}" for part in _parts(finding))]
    key = next((key for key in keys if key in trials.scores), None)
    if key is None:
        return None
    scores, seed = trials.scores[key], int(finding.provenance.get("seed", 0))
    if scores.shape[1] == 1:
        inside = trials.truth == 1
        kind, values = GUESSED, guessed(inside, scores[:, 0], name=trials.arm)
    elif row.wins is not None:
        rng = stream(seed, "judge", trials.arm, key, "ties")
        won = guesses(scores, rng=rng, candidates=trials.counts) == trials.truth
        kind, values = WON, np.asarray(won, dtype=np.float64)
    elif BLIND in trials.scores:
        kind, values = GAIN, _gain(trials, scores)
    else:
        return None
    return _made(trials, row.adversary, kind, values, finding)


def _parts(finding: Finding) -> tuple[str, ...]:
    what = str(finding.claim.get("what", "")).partition(" ")[0]
    return ("image",) if what == "image" else ("prompt", "latent")


def _made(trials: Trials, adversary: str, kind: str, values: Floats, finding: Finding) -> Outcomes:
    digest = hashlib.sha256()
    for array in (trials.truth, trials.counts):
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    target = trials.facts.get("target")
    model = target.get("spec") if isinstance(target, Mapping) else trials.facts.get("model")
    named = [finding.scenario, trials.arm, finding.provenance.get("seed"), model]
    digest.update(json.dumps(named).encode())
    return Outcomes(
        arm=trials.arm,
        adversary=adversary,
        kind=kind,
        games=digest.hexdigest()[:16],
        values=values.astype(np.float16).astype(np.float64),
    )


def _gain(trials: Trials, scores: Floats) -> Floats:
    """(MSE_prior - MSE) / mean MSE_prior; 0 in a game that the attack failed on."""
    real = np.arange(len(trials.truth)), trials.truth
    prior, own = -trials.scores[BLIND][real], -scores[real]
    gain = (prior - own) / prior.mean()
    return np.asarray(np.nan_to_num(gain, nan=0.0, posinf=0.0, neginf=0.0), dtype=np.float64)


def guessed(inside: npt.NDArray[np.bool_], scores: Floats, *, name: str) -> Floats:
    """Is one bit guessed in a random half of the games, by a threshold fitted on the others?

    The threshold is the one with the largest TPR - FPR. A failed score is a wrong guess.

    Args:
        inside: The bit, shape (n,).
        scores: Higher means that it is set, shape (n,).
        name: Which halves: the same for the same name and n.

    Returns:
        0 or 1 for each of the n // 2 games that set no threshold.
    """
    order = stream(0, "outcomes", name).permutation(len(scores))
    fit, held = np.sort(order[::2]), np.sort(order[1::2])
    usable = np.isfinite(scores[fit])
    tried = np.unique(scores[fit][usable])
    if not tried.size:
        return np.zeros(held.size)
    below = [
        np.searchsorted(np.sort(scores[fit][side & usable]), tried) / max(1, side.sum())
        for side in (inside[fit], ~inside[fit])
    ]
    cut = tried[int(np.argmax(below[1] - below[0]))]
    right = ((scores[held] >= cut) == inside[held]) & ~np.isnan(scores[held])
    return np.asarray(right, dtype=np.float64)
