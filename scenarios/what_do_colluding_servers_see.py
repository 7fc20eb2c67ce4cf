"""What do n colluding servers see of the picture and the prompt? The games of PPIDM.

Client --shares--> n servers --their views together--> Adversary --picture, prompt--> Referee. For
each game the referee draws a prompt from a list of 100; the client has its picture drawn by way of
n servers. Every execution is looked at by coalitions of 1 to n servers: each adversary says from
what a coalition saw what was drawn and what was asked for; of two executions of one user, whether
the prompt was the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, ClassVar

from ..adversaries.contract import Adversary, Question, ThreatModel
from ..adversaries.decoder_inversion import DecoderInversion
from ..adversaries.linear_reading import LinearReading
from ..adversaries.linking import Linking
from ..adversaries.mask_reuse import MaskReuse
from ..adversaries.model_inversion import ModelInversion
from ..adversaries.naive_decode import NaiveDecode
from ..adversaries.plain_reading import PlainReading
from ..adversaries.prompt_fit import PromptFit
from ..adversaries.share_model import kinds
from ..adversaries.text_reading import TextReading
from ..defenses.claims import Claim, Fidelity, Hidden, Offload
from ..defenses.ppidm.layers import PRESETS
from ..defenses.ppidm.protocol import ALL_BUT_ONE, ONE_SERVER
from ..defenses.wire import Party
from . import collusion
from .coalitions import SERVERS, CoalitionArm, Part, play_once, resolved
from .collusion import Look
from .contract import Setting, Trials, adjusted
from .drawn import CANDIDATES, KNOWS, Drawn, DrawnArm, hear, play
from .games import slug
from .linked import compared, linked
from .recovered_inputs import recovered
from .studio import Studio
from .what_did_the_server_see import draw

LONGER, MORE, LINKS = 6, 4, 16
"""Steps, games under the defence's own preset, and pairs of the full profile for each of the quick
one."""

PAIRS = "games"
"""All arms repeat the same prompts and coins."""

WATCHED: Mapping[str, Callable[[int], tuple[int, ...]]] = {
    "ring": lambda n: (n,),
    "real": lambda n: (n, n - 1),
    "partition": lambda n: (n, 1),
}
"""Sizes of the coalitions whose early looks tell when a secret falls, by mode: all n servers, and
the smallest that has a chance."""


@dataclass(frozen=True, kw_only=True)
class WhatDoColludingServersSee:
    """Servers that were not to collude put together what they saw.

    Attributes:
        games: Games under the defence's own preset; the full profile plays `MORE` times as many.
        few: Games under each of the other presets; the full profile plays `games` at least.
        steps: Denoising steps; the full profile takes `LONGER` times as many.
        early: Numbers of steps after which coalitions are also asked, in half the games.
        pairs: Games of two executions, of one step each; `LINKS` times as many in the full profile.
    """

    name = "what-do-colluding-servers-see"
    question = "What do colluding servers see of the picture and the prompt?"
    threat_model = ThreatModel(coalition=SERVERS, knows=KNOWS)
    about = (Hidden, Offload, Fidelity)
    defenses = ("ppidm-ring", "ppidm-real", "ppidm-partition")
    controls = ("plain",)
    optimum = "plain reading"
    together = True
    parallel = True
    brief: ClassVar[Mapping[str, Any]] = {
        "games": 4,
        "few": 0,
        "steps": 2,
        "early": [],
        "pairs": 2,
    }
    games: int = 12
    few: int = 0
    steps: int = 2
    early: tuple[int, ...] = (1, 2, 4)
    pairs: int = 3

    def __post_init__(self) -> None:
        for name, least in (("games", 2), ("few", 0), ("steps", 1), ("pairs", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be >= {least}")
        if any(steps < 1 for steps in self.early):
            raise ValueError(f"early={self.early} must hold numbers of steps >= 1")

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What the undefended pipeline, which has one server, must be refuted on."""
        return (ONE_SERVER, *ALL_BUT_ONE)

    def arms(self, defense: Any, profile: str) -> tuple[DrawnArm, ...]:
        """Coalitions of every size under every preset; the defence's own is judged."""
        full = profile == "full"
        config = adjusted(defense, steps=self.steps * (LONGER if full else 1))
        games = self.games * (MORE if full else 1)
        if not hasattr(defense, "preset"):
            return (self._plain(config, games),)
        arms = list(self._under(config, games, full=full))
        arms += self._linked(config, self.pairs * (LINKS if full else 1))
        for preset in PRESETS:
            if preset != defense.preset and (full or self.few):
                some = max(self.games if full else 2, self.few)
                own = replace(config, preset=preset)
                arms += self._under(own, some, full=full, measured=True)
                arms += self._linked(own, self.pairs * MORE) if full else ()
        return tuple(arms)

    def _plain(self, defense: Any, games: int) -> DrawnArm:
        return DrawnArm(
            name="full",
            defense=defense,
            model="chosen",
            games=games,
            questions=frozenset({Question.WHAT_WAS_DRAWN, Question.WHICH_PROMPT}),
            knows=KNOWS,
            candidates=CANDIDATES,
            pairs=PAIRS,
        )

    def _under(
        self, defense: Any, games: int, *, full: bool, measured: bool = False
    ) -> Iterator[CoalitionArm]:
        """Coalitions under one preset: the executions first, early looks last.

        What is measured only is so for the smallest coalition and the largest in the quick profile.
        """
        n, base = defense.n, self._plain(defense, games)
        few = measured and not full
        for size in sorted({n, 1}, reverse=True) if few else range(n, 0, -1):
            yield _arm(base, defense.servers[n - size :], measured=measured)
        if few:
            return
        first = replace(base, games=max(2, games // 2))
        for members in _others(defense, all_but_one=full or defense.share == "real"):
            # What one server sees is judged; of larger coalitions the best is shown.
            judged = not measured and (defense.share == "real" or len(members) == 1)
            which = f"({', '.join(party.rpartition('/')[2] for party in members)})"
            yield _arm(base if full else first, members, which=which, measured=not judged)
        for size in WATCHED[defense.share](n):
            for seen in (steps for steps in self.early if steps < defense.steps):
                yield _arm(first, defense.servers[n - size :], measured=True, seen=seen)

    def _linked(self, defense: Any, games: int) -> Iterator[CoalitionArm]:
        """Coalitions that are asked about two executions at once: the prompt is in each step."""
        defense = adjusted(defense, steps=1)
        base = replace(
            self._plain(defense, games),
            questions=frozenset({Question.SAME_PROMPT}),
            pairs="pairs",
            sessions=2,
        )
        for size in range(defense.n, 0, -1):
            yield _arm(base, defense.servers[defense.n - size :], which="two executions")

    def adversaries(self) -> Mapping[str, Adversary]:
        """From adding up shares to statistics of the attacker's own executions."""
        return {
            "plain reading": PlainReading(),
            "naive decode": NaiveDecode(),
            "linear reading": LinearReading(),
            "averaging": LinearReading(steps=0),
            "decoder inversion": DecoderInversion(),
            "model inversion": ModelInversion(),
            "text reading": TextReading(),
            "prompt fit": PromptFit(),
            "mask reuse": MaskReuse(),
            "linking": Linking(),
        }

    def play(
        self, arm: DrawnArm, adversaries: Mapping[str, Adversary], setting: Setting
    ) -> Drawn | Part:
        """Play one arm; those of smaller coalitions are read off that of all servers."""
        for adversary in adversaries.values():
            self.threat_model.check(adversary)
        secrets = draw(arm, setting.seed)
        if arm.sessions > 1:
            secrets = linked(secrets, setting.seed)
        if isinstance(arm, CoalitionArm):
            tap = kinds(setting.target(arm.model), arm.defense.preset)
            return play_once(arm, secrets, tap, setting)
        played = play(arm, secrets, frozenset(arm.defense.servers), setting)
        facts = {"coalition": list(arm.defense.servers), "servers": len(arm.defense.servers)}
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
        studio = Studio(setting)
        looks = []
        for each in every:
            said, arm = heard[slug(each.arm)], each.arm
            if arm.sessions > 1:
                looks.append(Look(played=each, said=said, trials=compared(each, said)))
                continue
            trials = studio.compared(each, said)
            if isinstance(arm, CoalitionArm) and arm.own:
                trials = replace(trials, facts={**trials.facts, **studio.utility(each)})
            looks.append(Look(played=each, said=said, trials=trials))
        return tuple(collusion.shown(look, looks, studio) for look in looks)

    def exact(self, defense: Any, setting: Setting) -> tuple[dict[str, Any], ...]:
        """That all n servers of mode `ring` have every input."""
        return (recovered(defense, setting),) if defense.share == "ring" else ()


def _others(defense: Any, *, all_but_one: bool) -> Iterator[tuple[Party, ...]]:
    """Coalitions of one, and where asked for of all but one, that differ from the last servers.

    In mode `ring` none does: all are alike. In mode `real` those do that lack the last server, who
    has no mask but the rest. In mode `partition` no two are alike.
    """
    n, servers = defense.n, defense.servers
    for size in sorted({1, n - 1} if all_but_one else {1}) if defense.share != "ring" else ():
        if defense.share == "real":
            yield servers[:size]
        else:
            yield from (each for each in combinations(servers, size) if each != servers[n - size :])


def _arm(
    base: DrawnArm,
    members: Sequence[Party],
    *,
    which: str = "",
    measured: bool = False,
    seen: int = 0,
) -> CoalitionArm:
    """A coalition's arm, under the preset of `base`."""
    words = [f"{base.defense.preset}, {len(members)} of {len(base.defense.servers)}", which]
    if seen:
        words.append(f"after {seen} step{'s' * (seen > 1)}")
    return CoalitionArm(
        **{**vars(base), "name": " ".join(filter(None, words)), "measured": measured},
        members=tuple(members),
        seen=seen,
    )
