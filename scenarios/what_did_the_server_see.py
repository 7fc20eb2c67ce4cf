"""What did the server see of the prompt and the picture? The games of HE-Diffusion.

Client --messages--> server --view--> Adversary --picture, prompt--> Referee. For each game the
referee draws a prompt from a list of 100; the client has its picture drawn; the adversary says
from the server's view what was drawn and what was asked for. In further games it says which of
100 latents, alike wherever they are in the clear, the ciphertexts hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..adversaries.candidate_latent import ClearLatent, Reselection, TermMatch
from ..adversaries.conditioning import NearestConditioning
from ..adversaries.contract import Adversary, Knowledge, Question, ThreatModel
from ..adversaries.fill_in import FillIn
from ..adversaries.key_theft import StolenKey
from ..adversaries.latent_reading import LatentReading
from ..adversaries.noise_prediction import NoisePrediction
from ..adversaries.opened_ciphertext import OpenedCiphertext
from ..adversaries.plain_reading import PlainReading
from ..adversaries.selection_leak import SelectionLeak
from ..defenses.claims import Claim, Hidden, Indistinguishability, SecurityLevel
from ..defenses.he_diffusion.protocol import HeDiffusion
from ..defenses.seeds import derive, stream
from ..defenses.wire import Party
from ..targets.captions import PersonPrompt
from ..targets.emoji import Emoji
from ..targets.pipeline import BUILT_IN
from . import challenges, likeness, simulated, stolen
from .contract import Setting, Trials, adjusted
from .drawn import (
    CANDIDATES,
    FINE,
    KNOWS,
    Drawn,
    DrawnArm,
    Said,
    compare_latents,
    compare_pictures,
    hear,
    play,
)
from .games import Secret, slug, threads_for

SERVER = Party("server/0")
CHOOSES = frozenset({Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.TARGET})
"""The model, and latents to choose from."""

STARTS = 16
"""Images of the tiny model that start together: entries enough for a selection to differ."""

TINY = 64
"""Entries of one latent of the tiny model."""

FILLED = 1.25
"""Encrypted entries over slots with which one ciphertext is full, whatever the selection."""


@dataclass(frozen=True, kw_only=True)
class WhatDidTheServerSee:
    """A curious server reconstructs the picture, the prompt, and the key.

    Attributes:
        games: Games a defence about picture and prompt; 0 leaves those out.
        steps: Sampling steps in them; the full profile takes twice as many.
        method: Sampler in them: with so few steps PLMS draws latents twice as large as they should
            be, and pictures that no client keeps.
        latents: Games about the client's first latent; 0 leaves those out.
        keys: Games about the last ciphertext; 0 leaves those out.
        curve: Games for each threshold of the curve; 0 leaves it out.
        taus: These thresholds.
        samples: Images an execution where decryptions are handed back, so that one ciphertext is
            full; the first is judged.
    """

    name = "what-did-the-server-see"
    question = "What did the server see of the prompt and the picture?"
    threat_model = ThreatModel(coalition=(SERVER,), knows=KNOWS | CHOOSES)
    about = (Hidden, Indistinguishability, SecurityLevel)
    defenses = (
        "he-as-released",
        "he-client-unet",
        "he-encrypted-term",
        "he-full-encryption",
        "he-fully-hardened",
    )
    controls = ("plain",)
    optimum = "plain reading"
    together = True
    parallel = True
    brief: ClassVar[Mapping[str, Any]] = {
        "games": 6,
        "steps": 4,
        "latents": 3,
        "keys": 2,
        "curve": 2,
        "taus": [0.05, 0.9],
    }
    games: int = 24
    steps: int = 10
    method: str = "ddim"
    latents: int = 6
    keys: int = 3
    curve: int = 4
    taus: tuple[float, ...] = (0.05, 0.2, 0.5, 0.9)
    samples: int = 5

    def __post_init__(self) -> None:
        least = {"games": 0, "steps": 1, "latents": 0, "keys": 0, "curve": 0, "samples": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name}={getattr(self, name)} must be >= {bound}")

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What HE-Diffusion claims; the undefended pipeline must be refuted on each."""
        return HeDiffusion().claims

    def arms(self, defense: Any, profile: str) -> tuple[DrawnArm, ...]:
        """Pictures and prompts on the chosen model, the curve over tau, and latents on the tiny.

        A server that is handed latents or update terms in the clear is settled by a fraction of
        the games; so is a view that can be simulated, for which the exact argument speaks.
        """
        factor = 1 if profile == "quick" else FINE
        steps = self.steps if profile == "quick" else 2 * self.steps
        return tuple(self._arms(defense, factor, steps))

    def _arms(self, defense: Any, factor: int, steps: int) -> Iterator[DrawnArm]:
        handed = _unet(defense) == "server"
        full = DrawnArm(
            name="full",
            defense=adjusted(
                defense,
                steps=steps,
                method=self.method,
                samples=self.samples if handed else 1,
            ),
            model="chosen",
            games=max(2, self.games * factor // _share(defense)),
            questions=frozenset({Question.WHAT_WAS_DRAWN, Question.WHICH_PROMPT}),
            knows=KNOWS,
            candidates=CANDIDATES,
        )
        if self.games:
            yield full
        if self.games and self.curve and _follows_threshold(defense):
            for tau in self.taus:
                yield replace(
                    full,
                    name=f"tau {tau:g}",
                    defense=replace(full.defense, threshold=tau),
                    games=max(2, self.curve * factor),
                    questions=frozenset({Question.WHAT_WAS_DRAWN}),
                    measured=True,
                    pairs="full",
                )
        choice = replace(
            full,
            model="tiny",
            knows=CHOOSES,
        )
        if self.latents:
            yield replace(
                choice,
                name="first latent",
                defense=adjusted(defense, steps=1, samples=STARTS),
                games=max(2, self.latents * factor),
                questions=frozenset({Question.WHICH_LATENT}),
                challenge="start",
            )
        if self.keys and hasattr(defense, "ckks"):
            yield replace(
                choice,
                name="last ciphertext",
                defense=adjusted(defense, steps=5, samples=_filling(defense)),
                games=max(2, self.keys * factor),
                questions=frozenset({Question.WHICH_PLAINTEXT}),
                challenge="end",
            )

    def adversaries(self) -> Mapping[str, Adversary]:
        """From reading what is in the clear to stealing the key."""
        return {
            "plain reading": PlainReading(),
            "latent reading": LatentReading(),
            "noise prediction": NoisePrediction(),
            "stolen key": StolenKey(),
            "zero fill-in": FillIn(method="zero"),
            "linear fill-in": FillIn(method="lmmse"),
            "learned fill-in": FillIn(method="ridge"),
            "model fill-in": FillIn(method="repaint", draws=1, steps=5, resample=1),
            "selection leak": SelectionLeak(),
            "nearest conditioning": NearestConditioning(),
            "clear latent": ClearLatent(),
            "reselection": Reselection(),
            "term match": TermMatch(),
            "opened ciphertext": OpenedCiphertext(),
        }

    def play(self, arm: DrawnArm, adversaries: Mapping[str, Adversary], setting: Setting) -> Drawn:
        """Play one arm."""
        for adversary in adversaries.values():
            self.threat_model.check(adversary)
        coalition = frozenset(Party(party) for party in self.threat_model.coalition)
        played = play(arm, draw(arm, setting.seed), coalition, setting)
        if not arm.challenge:
            return played
        return replace(played, target=challenges.candidates(played, setting))

    def judge(
        self, played: Sequence[Drawn], adversaries: Mapping[str, Adversary], setting: Setting
    ) -> tuple[Trials, ...]:
        """Hand the views of all arms to every adversary, and compare."""
        heard = hear(played, adversaries, self.threat_model, setting)
        clip = likeness.ClipScores()
        trials = [self._compared(each, heard[slug(each.arm)], setting, clip) for each in played]
        return tuple(_with_curves(played, trials, setting))

    def _compared(
        self,
        each: Drawn,
        said: Mapping[str, Said],
        setting: Setting,
        clip: likeness.ClipScores,
    ) -> Trials:
        if each.arm.challenge:
            return compare_latents(each, said)
        target = setting.target(each.arm.model)
        people = vocabulary(each.arm.candidates, setting.seed)
        prompts = [str(person) for person in people]
        seed, cache = derive(setting.seed, "decoys"), setting.work.parent
        with threads_for(target, BUILT_IN):
            pool = likeness.decoys(target, each.arm.defense, prompts, seed, cache=cache)
            originals = likeness.firsts(target, each.latents)
            compared = compare_pictures(each, said, pool, originals, clip)
        compared = replace(compared, facts={**compared.facts, "attributes": stated(people)})
        if each.arm.measured:
            return compared
        asked = [secret.candidates[secret.real] for secret in each.secrets]
        path = setting.artifacts / f"{slug(each.arm)}.png"
        return _with_images(compared, stolen.side_by_side(path, originals, asked, said))

    def exact(self, defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Whether the server's view can be made up without the secret, ciphertexts aside.

        It cannot where part of a latent is in the clear: nothing is run then.
        """
        if getattr(defense, "encrypt_fraction", None) != 1:
            return ()
        return (simulated.view(adjusted(defense, steps=2), setting),)


def draw(arm: DrawnArm, seed: int) -> tuple[Secret, ...]:
    """The secrets of an arm: one list of prompts for all games, the real one uniform."""
    prompts = tuple(str(person) for person in vocabulary(arm.candidates, seed))
    rng = stream(seed, "truth", arm.pairs or arm.name)
    return tuple(
        Secret(candidates=prompts, real=int(rng.integers(len(prompts)))) for _ in range(arm.games)
    )


def vocabulary(count: int, seed: int) -> tuple[PersonPrompt, ...]:
    """Different prompts of single persons, in random order."""
    found: dict[str, PersonPrompt] = {}
    rng = stream(seed, "vocabulary")
    while len(found) < count:
        found |= {str(person): person for person in Emoji.open().prompts(count, rng)}
    return tuple(found.values())[:count]


def _share(defense: Any) -> int:
    """One over the share of games with which a defence is settled."""
    if _unet(defense) == "none":
        return 1
    if _unet(defense) == "server":
        return 4
    return 1 if _follows_threshold(defense) else 3


def _unet(defense: Any) -> str:
    return str(getattr(defense, "unet", "none"))


def _filling(defense: Any) -> int:
    """Images of the tiny model that fill one ciphertext."""
    return -(-int(FILLED * defense.ckks.slots) // TINY)


def _follows_threshold(defense: Any) -> bool:
    partial = getattr(defense, "encrypt_fraction", 1.0) is None
    return partial and bool(getattr(defense, "encrypt_update_term", False))


def stated(people: Sequence[PersonPrompt]) -> dict[str, list[str]]:
    """What each candidate prompt says of the person."""
    return {
        "gender": [person.gender for person in people],
        "tone": [person.tone for person in people],
    }


def _with_images(trials: Trials, shown: tuple[str, str] | None) -> Trials:
    return trials if shown is None else replace(trials, facts={**trials.facts, "images": shown})


def _with_curves(
    played: Sequence[Drawn], trials: Sequence[Trials], setting: Setting
) -> Iterator[Trials]:
    """Write the curve of each defence, and name it in its last arm."""
    curves: dict[str, list[tuple[float, Trials]]] = {}
    for each, found in zip(played, trials, strict=True):
        if each.arm.measured:
            name = slug(replace(each.arm, name="curve"))
            curves.setdefault(name, []).append((float(each.arm.defense.threshold), found))
    for found in trials:
        ends = [name for name, arms in curves.items() if found is arms[-1][1]]
        if ends:
            path = setting.artifacts / f"{ends[0]}.csv"
            yield _with_images(found, stolen.curve(path, curves[ends[0]]))
        else:
            yield found
