"""Which candidate is the real prompt? The indistinguishability game of oblivious generation.

Client --prompts--> server --view--> Adversary --scores--> Referee. For each game the referee
takes a template and draws, uniformly, the real candidate; the client runs the defence on it; the
adversary scores every candidate from the server's view; it wins if it names the real one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..adversaries.classifier import TrainedClassifier
from ..adversaries.contract import Adversary, ThreatModel
from ..adversaries.intersection import Intersection
from ..adversaries.pivot import Pivot
from ..adversaries.plausibility import Plausibility
from ..adversaries.position import Position
from ..adversaries.residue import TemplateResidue
from ..adversaries.timing import Timing
from ..defenses.claims import Obliviousness
from ..defenses.obclip.protocol import ObClip
from ..defenses.protocol import Defense, execute
from ..defenses.seeds import derive, stream
from ..defenses.wire import Party
from ..targets.pipeline import Target
from . import prompts
from .contract import Arm, Setting, Trials, adjusted
from .games import Played, Secret, judge, play, rekeyed, threads_for

SERVER = Party("server/0")
FINE = 40
"""Cheap games of the full profile for each of the quick one: `detectable` falls to 0.05."""

ONE_CURIOUS_SERVER = ThreatModel(coalition=(SERVER,))


@dataclass(frozen=True, kw_only=True)
class WhichPrompt:
    """A curious server guesses which candidate is real.

    Attributes:
        full_games: Games a full arm on the chosen model; 0 leaves the full arms out.
        full_shadow: Labelled games a full arm.
        cheap_games: Games on the tiny random model, two steps, several sessions.
        cheap_shadow: Labelled games of the cheap arm.
        sessions: Executions a cheap game.
        k: Switch points of the full arms.
    """

    name = "which-prompt"
    question = "Which of the candidate prompts did the client really ask for?"
    threat_model = ONE_CURIOUS_SERVER
    about = (Obliviousness,)
    claims = (Obliviousness(),)
    defenses = ("obclip",)
    controls = ("plain",)
    optimum = "intersection"
    full_games: int = 20
    full_shadow: int = 2
    cheap_games: int = 120
    cheap_shadow: int = 40
    sessions: int = 2
    k: tuple[int, ...] = (5, 10)

    def arms(self, defense: Defense, profile: str) -> tuple[Arm, ...]:
        """Full games on the chosen model, one arm for each k, and cheap ones on the tiny model.

        The full profile plays ten times as many full games and `FINE` times as many cheap ones. A
        defence that promises nothing is a control, which a quarter of the cheap games settles.
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
        return (*self._full_arms(defense, factor), cheap, pronouns, again)

    def _full_arms(self, defense: Defense, factor: int) -> tuple[Arm, ...]:
        hybrid = "k" in getattr(defense, "__dataclass_fields__", {})
        switches = self.k if hybrid else self.k[:1]
        games = self.full_games * factor * len(self.k) // len(switches)
        if games == 0:
            return ()
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

    def adversaries(self) -> Mapping[str, Adversary]:
        """One of each technique."""
        return {
            "position": Position(),
            "pivot": Pivot(),
            "template residue": TemplateResidue(),
            "plausibility": Plausibility(),
            "intersection": Intersection(),
            "timing": Timing(),
            "trained classifier": TrainedClassifier(),
        }

    def play(self, arm: Arm, adversaries: Mapping[str, Adversary], setting: Setting) -> Played:
        """Play one arm."""
        for adversary in adversaries.values():
            self.threat_model.check(adversary)
        setting = rekeyed(arm, setting)
        return play(
            arm,
            draw(arm, arm.games, setting.seed, "game"),
            draw(arm, arm.shadow, setting.seed, "shadow"),
            frozenset(Party(party) for party in self.threat_model.coalition),
            setting,
            frozenset().union(*(adversary.reads for adversary in adversaries.values())),
        )

    def judge(
        self, played: Sequence[Played], adversaries: Mapping[str, Adversary], setting: Setting
    ) -> tuple[Trials, ...]:
        """Hand the views of all arms to every adversary, and count."""
        return judge(played, adversaries, self.threat_model, setting)

    def exact(self, defense: Defense, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Noninterference on the tiny model for every form of prompt, on the chosen one for one."""
        cheap = adjusted(defense, steps=2, k=1)
        templates = (*prompts.CHEAP[len(prompts.FULL) :], *prompts.PRONOUNS)
        found = [noninterference(cheap, setting.target("tiny"), templates, setting)]
        if self.full_games:
            full = adjusted(defense, k=self.k[0])
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
    games: int = 120
    shadow: int = 48

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
            "intersection": Intersection(),
            "trained classifier": TrainedClassifier(),
        }

    def exact(self, defense: Defense, setting: Setting) -> tuple[dict[str, Any], ...]:
        """Clocks do not repeat: nothing exact."""
        return ()


def draw(arm: Arm, games: int, seed: int, purpose: str) -> tuple[Secret, ...]:
    """The secrets of `games` games: templates in turn, the real candidate uniform."""
    rng = stream(seed, "truth", arm.name, purpose)
    sets = [ObClip().candidates(prompt) for prompt in arm.prompts]
    chosen = [sets[game % len(sets)] for game in range(games)]
    return tuple(Secret(candidates=c, real=int(rng.integers(len(c)))) for c in chosen)


def noninterference(
    defense: Defense, target: Target, templates: Sequence[str], setting: Setting
) -> dict[str, Any]:
    """Run every candidate of every template with equal coins and compare the server's views.

    Returns:
        Counts, and whether all views of a template are byte-identical: then no server, however
        clever, tells the candidates of these templates apart at these coins.
    """
    differing, executions = [], 0
    with threads_for(target):
        for number, template in enumerate(templates):
            seed = derive(setting.seed, "noninterference", number)
            candidates = ObClip().candidates(template)
            views = {_digest(defense, target, real, seed) for real in candidates}
            executions += len(candidates)
            if len(views) > 1:
                differing.append(template)
            setting.progress("noninterference", number + 1, len(templates))
    return {
        "name": "noninterference",
        "templates": len(templates),
        "executions": executions,
        "identical": not differing,
        "differing": differing,
        "model": target.to_dict()["spec"],
    }


def _digest(defense: Defense, target: Target, real: str, seed: int) -> str:
    transcript = execute(defense, target, real, seed)[1]
    digest = transcript.view({SERVER}).digest()
    transcript.close()
    return digest
