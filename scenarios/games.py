"""The referee's work, common to all scenarios: play the games, keep the truth, seal, judge."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..adversaries import published
from ..adversaries.contract import (
    Adversary,
    Auxiliary,
    Knowledge,
    Question,
    Shadow,
    ThreatModel,
)
from ..adversaries.jobs import Job
from ..defenses.protocol import Output, execute
from ..defenses.seeds import derive, stream
from ..defenses.transcript import View
from ..defenses.views import Views
from ..defenses.wire import Party
from ..targets.pipeline import BUILT_IN, Target
from . import costs
from .asking import ask
from .contract import Arm, NamedArm, Setting, Trials, derangement
from .pictures import Gallery

Pictures = npt.NDArray[np.uint8]

PUBLISHED = "published.npy"


@dataclass(frozen=True, kw_only=True)
class Secret:
    """One game's secret: the candidates, and which of them is real.

    Attributes:
        candidates: In canonical order.
        real: Column of the real one.
        later: What each later session asks for, by the real column; sessions beyond repeat the
            candidate itself.
        best_guess: Probability of the likeliest candidate before anything is seen; None for 1/N.
    """

    candidates: tuple[str, ...]
    real: int
    later: tuple[tuple[str, ...], ...] = ()
    best_guess: float | None = None

    def asked(self, session: int) -> str:
        """The prompt of one session."""
        texts = self.later[session - 1] if 0 < session <= len(self.later) else self.candidates
        return texts[self.real]


@dataclass(frozen=True, kw_only=True)
class Games:
    """Games of one arm: the truth, which the referee keeps, and the views, which it hands out."""

    secrets: tuple[Secret, ...]
    views: Views

    @property
    def candidates(self) -> tuple[tuple[str, ...], ...]:
        """The candidates of each game."""
        return tuple(secret.candidates for secret in self.secrets)

    @property
    def truth(self) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Column of the real candidate, shape (games,)."""
        return np.array([secret.real for secret in self.secrets], dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Played:
    """An arm that has been played.

    Attributes:
        arm: What was played.
        games: Scored games.
        shadow: Labelled games.
        facts: For the finding.
        published: The picture of each scored game, where it was published.
    """

    arm: Arm
    games: Games
    shadow: Games
    facts: Mapping[str, Any]
    published: Pictures | None = None


def play(
    arm: Arm,
    hidden: Sequence[Secret],
    shadow: Sequence[Secret],
    coalition: frozenset[Party],
    setting: Setting,
    tap: frozenset[str],
) -> Played:
    """Play an arm, or take up what an interrupted run already played.

    Args:
        arm: What is played.
        hidden: Secrets of the scored games.
        shadow: Of the labelled games, on disjoint streams.
        coalition: Whose view is kept.
        setting: Of the run; views go to its `work` folder.
        tap: Message kinds that any adversary of the scenario reads.
    """
    folder = setting.work / slug(arm)
    target = setting.target(arm.model)
    if not (folder / "done.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        referee = _Referee(arm, target, coalition, setting, folder, tap)
        with threads_for(target, BUILT_IN):
            referee.views("game", hidden)
            referee.views("shadow", shadow)
        referee.tally.keep(folder)
        partial = folder / "partial.json"
        partial.write_text(json.dumps(list(referee.images)))
        os.replace(partial, folder / "done.json")
    images = json.loads((folder / "done.json").read_text())
    sets = [len(secret.candidates) for secret in hidden]
    return Played(
        arm=arm,
        games=Games(secrets=tuple(hidden), views=Views.load(folder / "game.views")),
        shadow=Games(secrets=tuple(shadow), views=Views.load(folder / "shadow.views")),
        facts={
            "target": target.to_dict(),
            "sessions": arm.sessions,
            "shadow_games": arm.shadow,
            "templates": len(arm.prompts),
            "candidates": [min(sets), max(sets)],
            "tap": sorted(tap),
            "timed": arm.timed,
            "sealed": setting.sealed,
            "images": images,
            "cost": costs.kept(folder),
            "control_of": arm.control_of,
            "prior": arm.prior,
            "best_guess": _best_guess(hidden),
            "outside": arm.outside,
        },
        published=_published(folder),
    )


def _best_guess(hidden: Sequence[Secret]) -> float:
    """Mean success of the best guess without a view."""
    each = [secret.best_guess or 1 / len(secret.candidates) for secret in hidden]
    return float(np.mean(each))


def _published(folder: Path) -> Pictures | None:
    path = folder / PUBLISHED
    return np.load(path, allow_pickle=False) if path.exists() else None


@contextmanager
def threads_for(target: Target, single: Container[str] = ("tiny",)) -> Iterator[None]:
    """One thread for models whose operations are smaller than a thread's start.

    Args:
        target: Whose turn it is.
        single: Specifications of such models; in small batches the embedded one is too.
    """
    import torch

    before = torch.get_num_threads()
    if target.spec in single:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rekeyed(arm: NamedArm, setting: Setting) -> Setting:
    """The setting of a control arm: its seed comes from the operating system.

    An adversary that guessed the run's seed loses its gain here. The seed is kept beside the
    views until they are scored, so that an interrupted run goes on with the same games.
    """
    if not arm.control_of:
        return setting
    path = setting.work / f"{slug(arm)}.seed"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(str(secrets.randbits(62)))
        os.replace(partial, path)
    return replace(setting, seed=int(path.read_text()))


def slug(arm: NamedArm) -> str:
    """File name of an arm under its defence."""
    text = f"{type(arm.defense).__name__}-{arm.name}".lower()
    return "".join(letter if letter.isalnum() else "-" for letter in text)


@dataclass
class _Referee:
    arm: Arm
    target: Target
    coalition: frozenset[Party]
    setting: Setting
    folder: Path
    tap: frozenset[str]
    images: tuple[str, ...] = ()
    tally: costs.Tally = field(default_factory=costs.Tally)

    def views(self, purpose: str, hidden: Sequence[Secret]) -> None:
        path = self.folder / f"{purpose}.views"
        if self.arm.timed:
            Views.of(self._over_tcp(purpose, hidden), path)
            return
        gallery = None
        if self.arm.images and purpose == "game":
            gallery = Gallery(self.target, self.setting.artifacts)
        Views.of(self._in_process(purpose, hidden, gallery), path)
        if gallery is not None:
            self.images = gallery.save(slug(self.arm))

    def _in_process(
        self, purpose: str, hidden: Sequence[Secret], gallery: Gallery | None
    ) -> Iterator[list[View]]:
        shown = self.arm.question is Question.WHICH_ROW_WAS_PUBLISHED and purpose == "game"
        pictures: list[Pictures] | None = [] if shown else None
        for game, secret in enumerate(hidden):
            played = [
                self._session(secret.asked(session), self._seed(purpose, game, session))
                for session in range(self.arm.sessions)
            ]
            sessions = [view for _, view in played]
            if gallery is not None:
                gallery.add(secret.candidates[secret.real], played[0][0], sessions[0])
            if pictures is not None:
                pictures.append(published.pictures(self.target, played[0][0].latents)[0])
            self._progress(purpose, game, len(hidden))
            yield sessions
        if pictures is not None:
            np.save(self.folder / PUBLISHED, np.stack(pictures), allow_pickle=False)

    def _session(self, real: str, seed: int) -> tuple[Output, View]:
        output, transcript = execute(self.arm.defense, self.target, real, seed, tap=self.tap)
        self.tally.add(transcript)
        view = transcript.view(self.coalition)
        transcript.close()
        return output, view

    def _over_tcp(self, purpose: str, hidden: Sequence[Secret]) -> list[list[View]]:
        from ..defenses.serve import recorded_views, spawn_servers

        records = self.folder / purpose
        seed = derive(self.setting.seed, self.arm.name, purpose, "servers")
        with spawn_servers(
            self.arm.defense, self.target, records, seed=seed, tap=self.tap
        ) as transport:
            for game, secret in enumerate(hidden):
                real = secret.asked(0)
                own = self._seed(purpose, game, 0)
                execute(self.arm.defense, self.target, real, own, transport=transport)[1].close()
                self._progress(purpose, game, len(hidden))
        return [[view] for view in recorded_views(records, self.coalition)]

    def _seed(self, purpose: str, game: int, session: int) -> int:
        return derive(self.setting.seed, self.arm.name, purpose, game, session)

    def _progress(self, purpose: str, game: int, total: int) -> None:
        self.setting.progress(f"{slug(self.arm)}: {purpose}s", game + 1, total)


def judge(
    played: Sequence[Played],
    adversaries: Mapping[str, Adversary],
    threat_model: ThreatModel,
    setting: Setting,
) -> tuple[Trials, ...]:
    """Seal each adversary once, over all arms that it plays and their swapped-view controls.

    The arms may be those of several defences. Only here do guesses and truth meet.
    """
    jobs = [_jobs(number, each, threat_model, setting) for number, each in enumerate(played)]

    def mine(name: str) -> list[Job]:
        own = [
            job
            for pair, each in zip(jobs, played, strict=True)
            if each.arm.question in adversaries[name].plays
            for job in pair
        ]
        return [replace(job, seed=derive(job.seed, name)) for job in own]

    said = ask(
        {name: (adversary, mine(name)) for name, adversary in adversaries.items()},
        {str(number): each.arm for number, each in enumerate(played)},
        setting,
    )
    return tuple(
        Trials(
            arm=each.arm.name,
            truth=each.games.truth,
            counts=np.array([len(c) for c in each.games.candidates], dtype=np.int64),
            scores={n: g[job.name].scores for n, g in said.items() if job.name in g},
            swapped={n: g[swap.name].scores for n, g in said.items() if swap.name in g},
            facts=each.facts,
        )
        for (job, swap), each in zip(jobs, played, strict=True)
    )


def _jobs(
    number: int, played: Played, threat_model: ThreatModel, setting: Setting
) -> tuple[Job, Job]:
    facts = Auxiliary(
        candidates=played.games.candidates,
        weights={"open": asdict(setting.target(played.arm.model))},
        shadow=Shadow(
            views=played.shadow.views,
            candidates=played.shadow.candidates,
            labels=played.shadow.truth,
        ),
        target=None if played.published is None else {"published": played.published},
    )
    job = Job(
        name=str(number),
        views=played.games.views,
        auxiliary=granted(threat_model, played.arm).grant(facts),
        seed=derive(setting.seed, "adversary", played.arm.name),
    )
    swap = derangement(played.games.candidates, stream(setting.seed, "swap", played.arm.name))
    return job, replace(job, name=f"{number}/swapped", swap=swap)


def granted(threat_model: ThreatModel, arm: Arm) -> ThreatModel:
    """The threat model of an arm: where a picture was published, the server has it too."""
    if arm.question is not Question.WHICH_ROW_WAS_PUBLISHED:
        return threat_model
    return replace(threat_model, knows=threat_model.knows | {Knowledge.TARGET})
