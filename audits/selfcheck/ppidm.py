"""Hold the audit of additive shares against its broken copies and the honest original.

Each audit plays games about prompts on the tiny model, in which all servers but one collude, tests
the shares of one more execution, and judges the claim "prompt from all but one server hidden".
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...adversaries.contract import Adversary, Question, ThreatModel
from ...adversaries.mask_reuse import MaskReuse
from ...adversaries.plain_reading import PlainReading
from ...adversaries.sealed import AT_ONCE
from ...adversaries.share_model import kinds as tapped
from ...defenses.plain import Plain
from ...defenses.ppidm.protocol import ALL_BUT_ONE, Ppidm
from ...defenses.seeds import derive
from ...defenses.spec import Spec
from ...defenses.wire import Party
from ...scenarios.contract import Progress, Setting, Trials, silent
from ...scenarios.drawn import CANDIDATES, KNOWS, PROMPT, Drawn, DrawnArm, hear, play
from ...scenarios.games import slug
from ...scenarios.what_did_the_server_see import draw
from ..case import Case
from ..config import RunConfig
from ..engine import setting_of
from ..folder import RunFolder
from ..ppidm.argument import arguments
from ..ppidm.audit import audit
from ..statistics import at_most
from ..verdict import Finding, Role, Verdict
from .broken_ppidm import BROKEN, HONEST

if TYPE_CHECKING:
    from rich.table import Table

CLAIM = ALL_BUT_ONE[1]
GAMES, SERVERS = 6, 3
FAILURE = 1e-6
"""Probability that a line of a working audit comes out as not expected."""

ADVERSARIES: Mapping[str, Adversary] = {
    "plain reading": PlainReading(),
    "mask reuse": MaskReuse(pictures=False),
}
CAPTION = (
    "refuted: audits in which the claim is refuted; shares: those in which its shares are told "
    "from uniform ones; prompts: games, of all audits, in which the adversary names the prompt."
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What repeated audits of one copy said.

    Attributes:
        name: Of the copy.
        effect: What its mistake does; empty for the honest protocol.
        audits: How many, on streams of their own.
        refuted: Audits that refute the claim.
        spared: Audits that say NOT_REFUTED.
        shares: Audits in which the shares' own row refutes.
        won: Games, of all audits, in which the prompt is named.
        games: How many there were.
        broken: Whether the copy is.
        most: Refutations of an honest protocol that a working audit exceeds with probability 1e-6.
    """

    name: str
    effect: str
    audits: int
    refuted: int
    spared: int
    shares: int
    won: int
    games: int
    broken: bool
    most: int

    @property
    def as_expected(self) -> bool:
        """Broken: refuted always, since no mistake here is subtle. Honest: not but by chance."""
        if self.broken:
            return self.refuted == self.audits
        return self.refuted <= self.most and self.refuted + self.spared == self.audits

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return values | {"as_expected": self.as_expected}


def check(
    *,
    seed: int = 0,
    alpha: float = 0.01,
    audits: int = 3,
    kinds: Sequence[type[Ppidm]] = (*BROKEN, *HONEST),
    sealed: bool = True,
    at_once: int = AT_ONCE,
    progress: Progress = silent,
) -> tuple[Check, ...]:
    """Audit every copy `audits` times.

    A broken copy that is not refuted, or an honest protocol that is, makes the audit itself
    suspect.

    Args:
        seed: Of every random stream.
        alpha: Of each audit.
        audits: Repetitions.
        kinds: Copies to audit, and honest protocols.
        sealed: Adversaries in processes of their own.
        at_once: Adversaries that play at the same time.
        progress: Shows how far it is.
    """
    config = RunConfig(model="tiny", seed=seed, alpha=alpha, sealed=sealed)
    with tempfile.TemporaryDirectory(prefix="latentleak-") as root:
        folder = RunFolder.start(Path(root) / "run", config, resume=False)
        setting = replace(setting_of(config, folder, progress), at_once=at_once)
        cases = list(_cases([kind(n=SERVERS) for kind in kinds], audits, setting))
        found = [audit(case, alpha=alpha, profile="quick", seed=seed) for case in cases]
    return tuple(
        _check(kind, found[number * audits : (number + 1) * audits], alpha)
        for number, kind in enumerate(kinds)
    )


def _cases(defenses: Sequence[Ppidm], audits: int, setting: Setting) -> Iterator[Case]:
    """Every audit of every defence, all adversaries sealed once."""
    numbers = range(audits)
    arms = [_arm(replace(each, steps=1), number) for each in defenses for number in numbers]
    played = [_played(arm, setting) for arm in (_arm(Plain(steps=1), 0), *arms)]
    model = ThreatModel(coalition=arms[0].defense.servers, knows=KNOWS)
    heard = hear(played, ADVERSARIES, model, setting)
    plain, *others = (_trials(each, heard[slug(each.arm)]) for each in played)
    for position, trials in enumerate(others):
        defense, number = defenses[position // audits], position % audits
        own = replace(setting, seed=derive(setting.seed, "audit", number))
        setting.progress("shares", position + 1, len(others))
        yield Case(
            id=f"selfcheck/{type(defense).__name__.lower()}",
            scenario="selfcheck",
            question="What do all servers but one see of the prompt?",
            defense={"name": type(defense).__name__, **Spec.of(defense).to_dict()},
            claim=CLAIM,
            role=Role.CONTROL,
            trials=[trials],
            reference=[plain],
            exact=arguments(defense, own),
            threat_model=model.to_dict(),
        )


def _arm(defense: Any, number: int) -> DrawnArm:
    return DrawnArm(
        name=f"audit {number}",
        defense=defense,
        model="tiny",
        games=GAMES,
        questions=frozenset({Question.WHICH_PROMPT}),
        knows=KNOWS,
        candidates=CANDIDATES,
    )


def _played(arm: DrawnArm, setting: Setting) -> Drawn:
    shares = hasattr(arm.defense, "preset")
    tap = tapped(setting.target("tiny"), arm.defense.preset) if shares else None
    return play(arm, draw(arm, setting.seed), _coalition(arm), setting, tap)


def _coalition(arm: DrawnArm) -> frozenset[Party]:
    """All servers but the first, which has a mask; the last has what is left."""
    return frozenset(arm.defense.servers[1:] or arm.defense.servers)


def _trials(played: Drawn, said: Mapping[str, Any]) -> Trials:
    arm = played.arm
    return Trials(
        arm=arm.name,
        truth=played.truth,
        counts=played.truth * 0 + CANDIDATES,
        scores={f"{PROMPT}/{name}": each.own.scores for name, each in said.items()},
        swapped={f"{PROMPT}/{name}": each.swapped.scores for name, each in said.items()},
        facts={"coalition": sorted(_coalition(arm)), "servers": len(arm.defense.servers)},
    )


def _check(kind: type[Ppidm], findings: Sequence[Finding], alpha: float) -> Check:
    rows = [row for finding in findings for row in finding.rows]
    games = [row for row in rows if row.adversary == "mask reuse"]
    return Check(
        name=kind.__name__,
        effect=getattr(kind, "effect", ""),
        audits=len(findings),
        refuted=sum(each.verdict is Verdict.REFUTED for each in findings),
        spared=sum(each.verdict is Verdict.NOT_REFUTED for each in findings),
        shares=sum(row.refutes for row in rows if row not in games),
        won=sum(row.wins or 0 for row in games),
        games=sum(row.n for row in games),
        broken=kind not in HONEST,
        most=at_most(len(findings), alpha, failure=FAILURE),
    )


def table(checks: Sequence[Check]) -> Table:
    """For a terminal of 80 columns; what is not as expected is red."""
    from rich.table import Table

    shown = Table(box=None, padding=(0, 1, 0, 0), caption=CAPTION, caption_justify="left")
    shown.add_column("copy", no_wrap=True)
    for head in ("refuted", "spared", "shares", "prompts", "must"):
        shown.add_column(head, no_wrap=True, justify="right")
    for each in checks:
        shown.add_row(
            each.name,
            f"{each.refuted} of {each.audits}",
            f"{each.spared} of {each.audits}",
            f"{each.shares} of {each.audits}",
            f"{each.won} of {each.games}",
            f"= {each.audits}" if each.broken else f"<= {each.most}",
            style="" if each.as_expected else "bold red",
        )
    return shown
