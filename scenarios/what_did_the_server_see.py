"""What did the server see of the prompt and the picture? The games of HE-Diffusion.

Client --messages--> server --view--> Adversary --picture, prompt--> Referee. For each game the
referee draws a prompt from a list of 100; the client has its picture drawn; the adversary says
from the server's view what was drawn and what was asked for. In further games it says which of
100 latents, alike wherever they are in the clear, the ciphertexts hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from ..targets.emoji import Emoji
from . import challenges, likeness, simulated, stolen
from .contract import Setting, Trials, adjusted
from .drawn import Drawn, DrawnArm, compare_latents, compare_pictures, hear, play
from .games import Secret, slug, threads_for

SERVER = Party("server/0")
KNOWS = frozenset({Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.CANDIDATES})
"""The model and the 100 prompts; no other execution."""

CHOOSES = frozenset({Knowledge.PROTOCOL, Knowledge.WEIGHTS, Knowledge.TARGET})
"""The model, and latents to choose from."""

CANDIDATES = 100
TAUS = (0.05, 0.2, 0.5, 0.9)
FINE = 16
"""Games of the full profile for each of the quick one."""

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
        latents: Games about the client's first latent; 0 leaves those out.
        keys: Games about the last ciphertext; 0 leaves those out.
        curve: Games for each threshold of the curve; 0 leaves it out.
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
    games: int = 48
    steps: int = 4
    latents: int = 16
    keys: int = 4
    curve: int = 8
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

        A server that is handed every latent is settled by a third of the games; a view that can
        be simulated by half of them, since there the exact argument speaks.
        """
        factor = 1 if profile == "quick" else FINE
        steps = self.steps if profile == "quick" else 2 * self.steps
        return tuple(self._arms(defense, factor, steps))

    def _arms(self, defense: Any, factor: int, steps: int) -> Iterator[DrawnArm]:
        handed = _unet(defense) == "server"
        full = DrawnArm(
            name="full",
            defense=adjusted(defense, steps=steps, samples=self.samples if handed else 1),
            model="chosen",
            games=max(2, self.games * factor // _share(defense)),
            questions=frozenset({Question.WHAT_WAS_DRAWN, Question.WHICH_PROMPT}),
            knows=KNOWS,
            candidates=CANDIDATES,
        )
        if self.games:
            yield full
        if self.games and self.curve and _follows_threshold(defense):
            for tau in TAUS:
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
                defense=adjusted(defense, steps=1),
                games=max(2, self.latents * factor),
                questions=frozenset({Question.WHICH_LATENT}),
                challenge="start",
            )
        if self.keys and hasattr(defense, "ckks"):
            yield replace(
                choice,
                name="last ciphertext",
                defense=adjusted(defense, steps=3, samples=_filling(defense)),
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
            "fill-in": FillIn(),
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
        trials = []
        for each in played:
            said = heard[each.arm.name]
            if each.arm.challenge:
                trials.append(compare_latents(each, said))
                continue
            target = setting.target(each.arm.model)
            prompts = each.secrets[0].candidates
            seed = derive(setting.seed, "decoys")
            with threads_for(target):
                pool = likeness.decoys(target, each.arm.defense, prompts, seed)
                originals = likeness.firsts(target, each.latents)
            compared = compare_pictures(each, said, pool, originals)
            if not each.arm.measured:
                asked = [secret.candidates[secret.real] for secret in each.secrets]
                path = setting.artifacts / f"{slug(each.arm)}.png"
                shown = stolen.side_by_side(path, originals, asked, said)
                compared = _with_images(compared, shown)
            trials.append(compared)
        return tuple(_with_curve(played, trials, setting))

    def exact(self, defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Whether the server's view can be made up without the secret, ciphertexts aside."""
        return (simulated.view(adjusted(defense, steps=2), setting),)


def draw(arm: DrawnArm, seed: int) -> tuple[Secret, ...]:
    """The secrets of an arm: one list of prompts for all games, the real one uniform."""
    prompts = vocabulary(arm.candidates, seed)
    rng = stream(seed, "truth", arm.pairs or arm.name)
    return tuple(
        Secret(candidates=prompts, real=int(rng.integers(len(prompts)))) for _ in range(arm.games)
    )


def vocabulary(count: int, seed: int) -> tuple[str, ...]:
    """Different prompts of single persons, in random order."""
    found: dict[str, None] = {}
    rng = stream(seed, "vocabulary")
    while len(found) < count:
        found |= dict.fromkeys(str(prompt) for prompt in Emoji.open().prompts(count, rng))
    return tuple(found)[:count]


def _share(defense: Any) -> int:
    if _unet(defense) == "server":
        return 3
    return 2 if getattr(defense, "fresh_keys", False) else 1


def _unet(defense: Any) -> str:
    return str(getattr(defense, "unet", "none"))


def _filling(defense: Any) -> int:
    """Images of the tiny model that fill one ciphertext."""
    return -(-int(FILLED * defense.ckks.slots) // TINY)


def _follows_threshold(defense: Any) -> bool:
    partial = getattr(defense, "encrypt_fraction", 1.0) is None
    return partial and bool(getattr(defense, "encrypt_update_term", False))


def _with_images(trials: Trials, shown: tuple[str, str] | None) -> Trials:
    return trials if shown is None else replace(trials, facts={**trials.facts, "images": shown})


def _with_curve(
    played: Sequence[Drawn], trials: Sequence[Trials], setting: Setting
) -> Iterator[Trials]:
    """Write the curve once, and name it in its last arm."""
    arms = [
        (float(each.arm.defense.threshold), found)
        for each, found in zip(played, trials, strict=True)
        if each.arm.measured
    ]
    for found in trials:
        if arms and found is arms[-1][1]:
            name = slug(replace(played[0].arm, name="curve"))
            yield _with_images(found, stolen.curve(setting.artifacts / f"{name}.csv", arms))
        else:
            yield found
