"""What was the prompt? Prompt inference, one set of techniques against every defence.

Client --messages--> servers --view of some--> Adversary --a prompt, and scores--> Referee. For each
game the referee draws one of 100 prompts of single persons; the adversary, who knows the model and
the 100, ranks them and says in its own words what was asked for. The subjects of games are held
out: what an adversary trains on never names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..adversaries.contract import Adversary, Question, ThreatModel
from ..adversaries.prompts.attributes import (
    AttentionClassifiers,
    EncodingClassifiers,
    LatentClassifiers,
    NoiseClassifiers,
    PictureClassifiers,
)
from ..adversaries.prompts.corrector import Corrector
from ..adversaries.prompts.nearest import NearestPrompt
from ..adversaries.prompts.nearest_token import NearestToken
from ..adversaries.prompts.noise_fit import NoiseFit
from ..adversaries.prompts.pez import EncodingTokens, PictureTokens
from ..adversaries.prompts.plausible import PlausibilityRanking
from ..adversaries.prompts.stealer import SubjectAndModifiers
from ..adversaries.prompts.vocabulary import game_prompts
from ..adversaries.share_model import kinds
from ..defenses.claims import Claim, Hidden
from ..defenses.seeds import stream
from ..targets.pipeline import BUILT_IN
from . import simulated
from .coalitions import SERVERS, CoalitionArm, Part, play_once, resolved
from .contract import Setting, Trials, adjusted
from .drawn import CANDIDATES, FINE, KNOWS, Drawn, DrawnArm, hear, play
from .games import Secret, slug, threads_for
from .recovered_prompts import Compared
from .released_tokens import ReleasedToken

RELEASES = 8
"""Releases for each game of a protocol: they cost nothing."""

PAIRS = "prompts"
"""All defences are asked for the same prompts, under the same coins."""


@dataclass(frozen=True, kw_only=True)
class WhatWasThePrompt:
    """Curious servers infer the prompt, in words of their own.

    Attributes:
        games: Games a coalition; eight releases for each where a curator publishes.
        steps: Denoising steps; the full profile takes four times as many.
        drawn: First games in which what was recovered is drawn again.
        examples: Own executions that classifiers learn from.
        captions: Public captions that the corrector learns from.
        pulls: Gradient steps of soft tokens.
        every_size: Coalitions of every size; else all servers, and single ones.
    """

    name = "what-was-the-prompt"
    question = "What was the prompt?"
    threat_model = ThreatModel(coalition=SERVERS, knows=KNOWS)
    about = (Hidden,)
    claims = (Hidden(what="prompt", metric="prompt retrieval"),)
    defenses = (
        "he-as-released",
        "he-client-unet",
        "he-encrypted-term",
        "he-full-encryption",
        "he-fully-hardened",
        "ppidm-ring",
        "ppidm-real",
        "ppidm-partition",
        "obclip",
    )
    controls = ("plain",)
    optimum = "nearest prompt"
    together = True
    parallel = True
    brief: ClassVar[Mapping[str, Any]] = {
        "games": 3,
        "steps": 2,
        "drawn": 0,
        "examples": 16,
        "captions": 80,
        "pulls": 8,
        "every_size": False,
    }
    games: int = 12
    steps: int = 4
    drawn: int = 4
    examples: int = 96
    captions: int = 600
    pulls: int = 40
    every_size: bool = True

    def __post_init__(self) -> None:
        least = {"games": 2, "steps": 2, "drawn": 0, "examples": 16, "captions": 8, "pulls": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name}={getattr(self, name)} must be >= {bound}")

    def concerns(self, claim: Claim) -> bool:
        """Of what defences hide, the prompt."""
        return isinstance(claim, Hidden) and claim.what.split()[0] == "prompt"

    def arms(self, defense: Any, profile: str) -> tuple[DrawnArm, ...]:
        """One set of executions a defence; of several servers, coalitions of every size."""
        full = profile == "full"
        config = adjusted(
            defense,
            steps=self.steps * (4 if full else 1),
            k=1,
            method="ddim",
            samples=1,
        )
        base = DrawnArm(
            name="full",
            defense=config,
            model="chosen",
            games=self.games * (FINE if full else 1),
            questions=frozenset({Question.WHICH_PROMPT}),
            knows=KNOWS,
            candidates=CANDIDATES,
            pairs=PAIRS,
        )
        if isinstance(config, ReleasedToken):
            return tuple(_releases(base, config))
        return tuple(self._coalitions(base)) if hasattr(config, "share") else (base,)

    def _coalitions(self, base: DrawnArm) -> Iterator[CoalitionArm]:
        """The last servers, from all to one; in mode `partition` also the first one alone."""
        servers = base.defense.servers
        sizes = range(len(servers), 0, -1) if self.every_size else (len(servers), 1)
        members = [servers[len(servers) - size :] for size in sizes]
        if base.defense.share == "partition":
            members.append(servers[:1])
        for some in members:
            which = "" if some[-1] == servers[-1] else ", the first"
            name = f"{len(some)} of {len(servers)}{which}"
            yield CoalitionArm(**{**vars(base), "name": name}, members=tuple(some))

    def adversaries(self) -> Mapping[str, Adversary]:
        """From what people ask for anyway to soft tokens."""
        classifiers = {
            "encoding classifiers": EncodingClassifiers,
            "attention classifiers": AttentionClassifiers,
            "noise classifiers": NoiseClassifiers,
            "latent classifiers": LatentClassifiers,
            "picture classifiers": PictureClassifiers,
        }
        return {
            "plausibility ranking": PlausibilityRanking(),
            "nearest prompt": NearestPrompt(),
            "noise fit": NoiseFit(),
            "corrector": Corrector(examples=self.captions),
            "soft tokens": EncodingTokens(steps=self.pulls),
            **{name: kind(examples=self.examples) for name, kind in classifiers.items()},
            "subject and modifiers": SubjectAndModifiers(examples=self.examples),
            "nearest token": NearestToken(),
            "soft tokens from picture": PictureTokens(steps=self.pulls),
        }

    def play(
        self, arm: DrawnArm, adversaries: Mapping[str, Adversary], setting: Setting
    ) -> Drawn | Part:
        """Play one arm; smaller coalitions are read off the executions of all servers."""
        for adversary in adversaries.values():
            self.threat_model.check(adversary)
        secrets = draw(arm, setting.seed)
        if isinstance(arm, CoalitionArm):
            tap = kinds(setting.target(arm.model), arm.defense.preset)
            return play_once(arm, secrets, tap, setting)
        members = frozenset(arm.defense.servers)
        played = play(arm, secrets, members, setting)
        facts = {"coalition": sorted(members), "servers": len(members)}
        return replace(played, facts={**played.facts, **facts})

    def judge(
        self,
        played: Sequence[Drawn | Part],
        adversaries: Mapping[str, Adversary],
        setting: Setting,
    ) -> tuple[Trials, ...]:
        """Hand the views of all coalitions to every adversary, and compare."""
        every = resolved(played, setting.work)
        heard = hear(every, adversaries, self.threat_model, setting)
        compared = Compared(setting, self.drawn)
        found = []
        for each in every:
            with threads_for(setting.target(each.arm.model), BUILT_IN):
                found.append(compared.trials(each, heard[slug(each.arm)]))
        return tuple(found)

    def exact(self, defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Whether the server's view can be made up without the secret, ciphertexts aside."""
        if getattr(defense, "encrypt_fraction", None) != 1:
            return ()
        return (simulated.view(adjusted(defense, steps=2), setting),)


def draw(arm: DrawnArm, seed: int) -> tuple[Secret, ...]:
    """The secrets of an arm: one list of prompts for all games, the real one uniform."""
    every: Sequence[str] = getattr(arm.defense, "prompts", game_prompts())
    chosen = stream(seed, "candidates").permutation(len(every))[: arm.candidates]
    prompts = tuple(str(every[i]) for i in chosen)
    rng = stream(seed, "truth", arm.pairs)
    return tuple(
        Secret(candidates=prompts, real=int(rng.integers(len(prompts)))) for _ in range(arm.games)
    )


def _releases(base: DrawnArm, defense: ReleasedToken) -> Iterator[DrawnArm]:
    """The release as it is; beside it, less noise, and a single image without any."""
    many = replace(base, games=RELEASES * base.games)
    yield many
    for epsilon, images in ((8.0, defense.images), (0.0, defense.images), (0.0, 1)):
        noise = f"epsilon {epsilon:g}" if epsilon else "no noise"
        config = replace(defense, epsilon=epsilon, images=images)
        yield replace(many, name=f"{noise}, {images} images", defense=config, measured=True)
