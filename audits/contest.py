"""One defence in one scenario: from configuration to trials to a finding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..adversaries.contract import Adversary
from ..defenses.claims import Obliviousness
from ..defenses.protocol import Defense
from ..defenses.spec import Spec
from ..scenarios.contract import Scenario, Setting, Trials
from ..scenarios.games import slug
from .catalog import name_of, spec_of
from .config import RunConfig, UsageError, configured
from .folder import RunFolder, versions
from .obliviousness.audit import Case, audit
from .verdict import Finding, Role, Verdict

PLAIN = "plain"
DEFAULT_DEFENSE = "obclip"


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One defence in one scenario.

    Attributes:
        id: `scenario/defence`.
        scenario: Configured.
        defense: Configured.
        role: Claim if the defence promises obliviousness, else control.
        claim: What is audited.
        adversaries: By name.
        expected: Verdict of a control.
    """

    id: str
    scenario: Scenario
    defense: Defense
    role: Role
    claim: Obliviousness
    adversaries: Mapping[str, Adversary]
    expected: Verdict | None = None

    def announcement(self) -> dict[str, Any]:
        """The threat model, in words, before any number."""
        return {
            "id": self.id,
            "role": self.role.value,
            "question": self.scenario.question,
            "claim": self.claim.to_dict(),
            "threat_model": self.scenario.threat_model.to_dict(),
            "adversaries": list(self.adversaries),
        }

    def trials(self, config: RunConfig, folder: RunFolder, setting: Setting) -> tuple[Trials, ...]:
        """Play and judge every arm, or read what an interrupted run already judged."""
        arms = self.scenario.arms(self.defense, config.profile)
        prefix = self.id.replace("/", "-")
        names = {arm.name: f"{prefix}-{slug(arm)}" for arm in arms}
        stored = [folder.finished(name) for name in names.values()]
        if all(each is not None for each in stored):
            return tuple(each for each in stored if each is not None)
        own = replace(setting, work=setting.work / prefix)
        played = [self.scenario.play(arm, self.adversaries, own) for arm in arms]
        judged = self.scenario.judge(played, self.adversaries, own)
        return tuple(folder.keep(names[each.arm], each) for each in judged)

    def finding(
        self,
        trials: Sequence[Trials],
        reference: Sequence[Trials],
        *,
        config: RunConfig,
        folder: RunFolder,
        setting: Setting,
        alpha: float,
    ) -> Finding:
        """Audit the claim."""
        shown = [images for each in trials if (images := each.facts.get("images"))]
        case = Case(
            id=self.id,
            scenario=self.scenario.name,
            question=self.scenario.question,
            defense={"name": type(self.defense).__name__, **Spec.of(self.defense).to_dict()},
            claim=self.claim,
            role=self.role,
            expected=self.expected,
            trials=[_printed(each) for each in trials],
            reference=reference,
            exact=self.scenario.exact(self.defense, setting) if self.role is Role.CLAIM else (),
            threat_model=self.scenario.threat_model.to_dict(),
            provenance={
                "seed": config.seed,
                "profile": config.profile,
                "versions": versions(),
                "target": setting.target("chosen").to_dict(),
            },
            artifacts=[folder.artifact(f"artifacts/{name}", caption) for name, caption in shown],
        )
        return audit(case, alpha=alpha, profile=config.profile, seed=config.seed)


def contests(config: RunConfig, scenarios: Sequence[str]) -> tuple[Contest, ...]:
    """The chosen defence and the undefended pipeline, in every scenario.

    Raises:
        UsageError: If a name, a field or a coalition does not exist.
    """
    chosen = config.defense or DEFAULT_DEFENSE
    found = []
    for name in scenarios:
        scenario = scenario_of(name, config)
        adversaries = _adversaries(scenario, config.adversaries)
        for defense in dict.fromkeys((chosen, PLAIN)):
            settings = config.under("defense") if defense == chosen else {}
            built = configured(spec_of("defense", defense).build(), settings, "defense")
            found.append(contest(scenario, name_of("defense", defense), built, adversaries))
    return tuple(found)


def contest(
    scenario: Scenario, name: str, defense: Defense, adversaries: Mapping[str, Adversary]
) -> Contest:
    """Audit the defence's own obliviousness claim; without one it is a control."""
    claim = next((c for c in defense.claims if isinstance(c, Obliviousness)), None)
    return Contest(
        id=f"{scenario.name}/{name}",
        scenario=scenario,
        defense=defense,
        role=Role.CONTROL if claim is None else Role.CLAIM,
        claim=claim or Obliviousness(),
        adversaries=adversaries,
        expected=Verdict.REFUTED if claim is None else None,
    )


def scenario_of(name: str, config: RunConfig) -> Any:
    """A configured scenario; `--trials` and `--set defense.k` reach it too."""
    scenario = spec_of("scenario", name).build()
    values = config.under("scenario")
    fields = getattr(scenario, "__dataclass_fields__", {})
    if config.trials is not None:
        values.setdefault("games" if "games" in fields else "cheap_games", config.trials)
    if "k" in fields and (k := config.under("defense").get("k")) is not None:
        values.setdefault("k", [k])
    own = {k: v for k, v in values.items() if k in fields}
    if len(config.scenarios) == 1 and config.scenarios != ("all",):
        own = values
    scenario = configured(scenario, own, "scenario")
    parties = set(scenario.threat_model.coalition)
    if config.coalition and set(config.coalition) != parties:
        raise UsageError(
            f"coalition={', '.join(config.coalition)}: {scenario.name} is played against "
            f"{', '.join(sorted(parties))} only"
        )
    return scenario


def _adversaries(scenario: Scenario, names: Sequence[str]) -> Mapping[str, Adversary]:
    """The scenario's own, or those named; one that works on the undefended pipeline stays."""
    own = scenario.adversaries()
    if not names:
        return own
    chosen: dict[str, Adversary] = {}
    for name in names:
        label = name.replace("-", " ")
        if label in own:
            chosen[label] = own[label]
        else:
            chosen[name_of("adversary", name)] = spec_of("adversary", name).build()
    return {**chosen, "intersection": own["intersection"]}


def _printed(trials: Trials) -> Trials:
    facts = {k: v for k, v in trials.facts.items() if k not in ("images", "target")}
    return replace(trials, facts=facts | {"model": trials.facts["target"]["spec"]})
