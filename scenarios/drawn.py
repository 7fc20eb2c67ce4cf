"""The referee of pictures: play the protocol, keep what the client got, seal, compare."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..adversaries.contract import (
    Adversary,
    Auxiliary,
    Guesses,
    Knowledge,
    Question,
    Scores,
    ThreatModel,
)
from ..adversaries.jobs import Job
from ..defenses.codec import Array
from ..defenses.protocol import execute
from ..defenses.seeds import derive, stream
from ..defenses.transcript import View
from ..defenses.views import Views
from ..defenses.wire import CLIENT, Party
from ..targets.pipeline import BUILT_IN
from . import costs, likeness
from .asking import ask
from .contract import Setting, Trials
from .games import Secret, slug, threads_for
from .likeness import Pictures

Latents = npt.NDArray[np.float32]

IMAGE, PROMPT, LATENT = "image", "prompt", "latent"
"""First part of the names under which scores are kept: what was guessed."""

KNOWS = frozenset({Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES})
"""The model and a closed list of prompts; no other execution."""

CANDIDATES, FINE = 100, 16
"""Prompts of that list; games of the full profile for each of the quick one."""

LPIPS, CLIP = "LPIPS", "CLIP"
"""Further measures of a guessed picture."""

STEP_KINDS = ("denoise", "update")
"""Message kinds that hold a partly encrypted latent."""

BLIND = "nothing seen"
"""Stands for an adversary that shows the same picture in every game."""


@dataclass(frozen=True, kw_only=True)
class DrawnArm:
    """One set of games.

    Attributes:
        name: Unique within the scenario and defence.
        defense: The protocol as configured for this arm.
        model: Target specification, see `targets.load`.
        games: How many.
        questions: What is asked of the adversaries.
        knows: What the threat model grants here.
        candidates: Candidates of each game.
        challenge: What the candidates of a game about latents are: `start`, the client's initial
            latents, or `end`, the numbers in the last ciphertext; empty without such candidates.
        measured: Part of a curve, not of a verdict.
        pairs: Arm whose prompts and coins it repeats; empty for its own.
        sessions: Executions a game.
        control_of: No arm of this scenario is a control of another.
    """

    name: str
    defense: Any
    model: str
    games: int
    questions: frozenset[Question]
    knows: frozenset[Knowledge]
    candidates: int
    challenge: str = ""
    measured: bool = False
    pairs: str = ""
    sessions: int = 1
    control_of: str = ""

    def __post_init__(self) -> None:
        for name, least in (("games", 2), ("sessions", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name}={getattr(self, name)} of arm {self.name!r} must be >= {least}"
                )

    def takes(self, adversary: Adversary, kinds: frozenset[str]) -> bool:
        """Whether an adversary plays: its question, its needs, and something that it reads."""
        asked = bool(self.questions & adversary.plays) and adversary.needs <= self.knows
        return asked and bool(adversary.reads & kinds)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """An arm that has been played; secrets and latents stay with the referee.

    Attributes:
        arm: The arm.
        secrets: Candidate prompts of each game, and which is real.
        latents: What the client's first execution ended with, shape (games, samples, channels,
            height, width).
        target: Facts that are granted about latents, by name.
        views: What the server saw.
        weights: Reference to the model.
        facts: For the finding.
    """

    arm: DrawnArm
    secrets: tuple[Secret, ...]
    latents: Latents
    target: Mapping[str, Array] | None
    views: Views
    weights: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def truth(self) -> npt.NDArray[np.int64]:
        """Column of the real candidate, shape (games,)."""
        return np.array([secret.real for secret in self.secrets], dtype=np.int64)

    @property
    def kinds(self) -> frozenset[str]:
        """Message kinds that this defence sends."""
        return frozenset(message.kind for message in self.views.view(0).messages)


def play(
    arm: DrawnArm,
    secrets: Sequence[Secret],
    coalition: frozenset[Party],
    setting: Setting,
    tap: frozenset[str] | None = None,
) -> Drawn:
    """Play an arm, or take up what an interrupted run already played.

    Args:
        arm: What is played.
        secrets: One a game.
        coalition: Whose view is kept.
        setting: Of the run; views go to its `work` folder.
        tap: Message kinds whose payloads are kept; None keeps all.
    """
    folder = setting.work / slug(arm)
    target = setting.target(arm.model)
    if not (folder / "latents.npz").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        ends: list[Latents] = []
        tally = costs.Tally()
        with threads_for(target, BUILT_IN):
            played = _views(arm, secrets, coalition, setting, ends, tally, tap)
            Views.of(played, folder / "game.views")
        tally.keep(folder)
        _replace(folder / "latents.npz", np.concatenate(ends))
    with np.load(folder / "latents.npz", allow_pickle=False) as stored:
        latents = stored["latents"]
    views = Views.load(folder / "game.views")
    return Drawn(
        arm=arm,
        secrets=tuple(secrets),
        latents=latents,
        target=None,
        views=views,
        weights={**target.to_dict(), "open": dataclasses.asdict(target)},
        facts={**_facts(arm, setting, folder), "encrypted": encrypted_share(views)},
    )


def _facts(arm: DrawnArm, setting: Setting, folder: Path) -> dict[str, Any]:
    ckks = getattr(arm.defense, "ckks", None)
    return {
        "target": setting.target(arm.model).to_dict(),
        "steps": arm.defense.steps,
        "samples": getattr(arm.defense, "samples", 1),
        "candidates": [arm.candidates, arm.candidates],
        "parameters": None
        if ckks is None
        else {"degree": ckks.degree, "modulus_bits": list(ckks.modulus_bits)},
        "sealed": setting.sealed,
        "timed": False,
        "measured": arm.measured,
        "cost": costs.kept(folder),
        "images": [],
    }


def _views(
    arm: DrawnArm,
    secrets: Sequence[Secret],
    coalition: frozenset[Party],
    setting: Setting,
    ends: list[Latents],
    tally: costs.Tally,
    tap: frozenset[str] | None,
) -> Iterator[list[View]]:
    target = setting.target(arm.model)
    for game, secret in enumerate(secrets):
        views = []
        for session in range(arm.sessions):
            seed = seed_of(arm, setting, game, session)
            output, transcript = execute(arm.defense, target, secret.asked(session), seed, tap=tap)
            tally.add(transcript)
            views.append(transcript.view(coalition))
            transcript.close()
            if session == 0:
                ends.append(output.latents.float().cpu().numpy()[None])
        setting.progress(f"{slug(arm)}: games", game + 1, len(secrets))
        yield views


def seed_of(arm: DrawnArm, setting: Setting, game: int, session: int = 0) -> int:
    """Seed of one execution: the same for every defence, so that games can be paired."""
    later = ("session", session) if session else ()
    return derive(setting.seed, arm.pairs or arm.name, "game", game, *later)


def encrypted_share(views: Views) -> float | None:
    """Mean share of the latent that is encrypted, over games and steps; None if nothing is."""
    shares = [
        len(asked["indices"]) / asked["rest"].size
        for game in range(len(views))
        for kind in STEP_KINDS
        for asked in views.arrays(game, kind, sender=CLIENT)
    ]
    return float(np.mean(shares)) if shares else None


def _replace(path: Path, latents: Latents) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, allow_pickle=False, latents=latents)
    os.replace(partial, path)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one adversary said of one arm: about its own views, and about other executions'.

    Attributes:
        own: About its own views.
        swapped: About other executions'; None where the arm is part of a curve only.
    """

    own: Guesses
    swapped: Guesses | None


def hear(
    played: Sequence[Drawn],
    adversaries: Mapping[str, Adversary],
    threat_model: ThreatModel,
    setting: Setting,
) -> dict[str, dict[str, Said]]:
    """Seal each adversary once, over all arms that it plays in and their swapped-view controls.

    Arms of a curve have no control: no verdict rests on them.

    Returns:
        Arm to adversary to what it said.
    """
    players = {
        name: (
            adversary,
            [
                replace(job, seed=derive(job.seed, name))
                for each in played
                if each.arm.takes(adversary, each.kinds)
                for job in _jobs(each, threat_model, setting)
            ],
        )
        for name, adversary in adversaries.items()
    }
    said = ask(players, {slug(each.arm): each.arm for each in played}, setting)
    return {
        slug(each.arm): {
            name: Said(own=own[slug(each.arm)], swapped=own.get(slug(each.arm) + "/swapped"))
            for name, own in said.items()
            if slug(each.arm) in own
        }
        for each in played
    }


def _jobs(played: Drawn, threat_model: ThreatModel, setting: Setting) -> tuple[Job, ...]:
    name = slug(played.arm)
    facts = Auxiliary(
        candidates=tuple(secret.candidates for secret in played.secrets),
        weights=played.weights,
        target=played.target,
    )
    job = Job(
        name=name,
        views=played.views,
        auxiliary=replace(threat_model, knows=played.arm.knows).grant(facts),
        seed=derive(setting.seed, "adversary", name),
    )
    if played.arm.measured:
        return (job,)
    order = stream(setting.seed, "swap", name).permutation(len(played.secrets))
    swap = np.empty_like(order)
    swap[order] = np.roll(order, 1)  # every game sees another one's view
    return job, replace(job, name=name + "/swapped", swap=swap)


def compare_latents(played: Drawn, heard: Mapping[str, Said]) -> Trials:
    """Trials of an arm about latents."""
    return _trials(
        played,
        {f"{LATENT}/{name}": said.own.scores for name, said in heard.items()},
        {f"{LATENT}/{name}": said.swapped.scores for name, said in heard.items() if said.swapped},
        {},
    )


def compare_pictures(
    played: Drawn,
    heard: Mapping[str, Said],
    pool: Pictures,
    originals: Pictures,
    clip: likeness.ClipScores | None,
) -> Trials:
    """Trials of an arm about pictures and prompts.

    Args:
        played: The arm.
        heard: What each adversary said of it.
        pool: One picture of each candidate prompt, shape (candidates, height, width, 3).
        originals: What the client got, shape (games, height, width, 3).
        clip: Remembers what it embedded; None leaves out LPIPS and CLIP.
    """
    galleries = [
        _with(pool, original, secret.real)
        for original, secret in zip(originals, played.secrets, strict=True)
    ]
    mean = pool.astype(np.float64).mean(axis=0).round().astype(np.uint8)
    blind = np.repeat(mean[None], len(originals), axis=0)
    scores = {f"{IMAGE}/{BLIND}": likeness.pixel_scores(blind, galleries)}
    scores |= _further(BLIND, blind, galleries, originals, clip)
    swapped: dict[str, Scores] = {}
    for name, said in heard.items():
        if said.own.images is not None:
            scores[f"{IMAGE}/{name}"] = likeness.pixel_scores(said.own.images, galleries)
            scores |= _further(name, said.own.images, galleries, originals, clip)
        if said.swapped is not None and said.swapped.images is not None:
            swapped[f"{IMAGE}/{name}"] = likeness.pixel_scores(said.swapped.images, galleries)
        if said.own.scores.shape[1]:
            scores[f"{PROMPT}/{name}"] = said.own.scores
            if said.swapped is not None:
                swapped[f"{PROMPT}/{name}"] = said.swapped.scores
    return _trials(played, scores, swapped, {})


def _further(
    name: str,
    guessed: Pictures,
    galleries: Sequence[Pictures],
    originals: Pictures,
    clip: likeness.ClipScores | None,
) -> dict[str, Scores]:
    if clip is None:
        return {}
    return {
        f"{LPIPS}/{name}": likeness.perceptual_scores(guessed, originals),
        f"{CLIP}/{name}": clip(guessed, galleries),
    }


def _with(pool: Pictures, original: Pictures, column: int) -> Pictures:
    gallery = pool.copy()
    gallery[column] = original
    return np.asarray(gallery)


def _trials(
    played: Drawn,
    scores: Mapping[str, Scores],
    swapped: Mapping[str, Scores],
    facts: Mapping[str, Any],
) -> Trials:
    return Trials(
        arm=played.arm.name,
        truth=played.truth,
        counts=np.full(len(played.secrets), played.arm.candidates, dtype=np.int64),
        scores=scores,
        swapped=swapped,
        facts={**played.facts, **facts},
    )
