"""One defence in one scenario: from configuration to trials to a finding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..adversaries.contract import Adversary
from ..defenses.claims import (
    Claim,
    DifferentialPrivacy,
    Fidelity,
    Hidden,
    Indistinguishability,
    Obliviousness,
    Offload,
    SecurityLevel,
)
from ..defenses.protocol import Defense, Mechanism
from ..defenses.spec import Spec
from ..scenarios.contract import Scenario, Setting, Trials
from ..scenarios.games import slug
from .ahead import play_ahead
from .case import Case
from .catalog import entries, name_of, spec_of
from .config import RunConfig, UsageError, configured
from .folder import RunFolder, versions
from .prompts.measures import measures_of
from .verdict import Finding, Role, Verdict

Audit = Callable[..., Finding]


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One claim of a defence in one scenario.

    Attributes:
        id: `scenario/defence`, and the claim's label where a scenario is about several.
        games: `scenario/defence`: claims of one defence share its games.
        scenario: Configured.
        defense: Configured.
        role: Claim if the defence promises what the scenario is about, else control.
        claim: What is audited.
        adversaries: By name.
        expected: Verdict of a control.
    """

    id: str
    games: str
    scenario: Scenario
    defense: Defense | Mechanism
    role: Role
    claim: Claim
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
        return trials_of([self], config, folder, setting)[self.games]

    def kept(self, config: RunConfig, folder: RunFolder) -> tuple[Trials, ...] | None:
        """What an interrupted run already judged, if that is all."""
        stored = [folder.finished(name) for name in self._names(config)]
        found = tuple(each for each in stored if each is not None)
        return found if len(found) == len(stored) else None

    def play(self, config: RunConfig, setting: Setting) -> list[Any]:
        """Play every arm, or take up those that were played before."""
        arms = self.scenario.arms(self.defense, config.profile)
        return [self.play_arm(number, config, setting) for number in range(len(arms))]

    def play_arm(self, number: int, config: RunConfig, setting: Setting) -> Any:
        """Play one arm."""
        own = replace(setting, work=setting.work / self._prefix)
        arm = self.scenario.arms(self.defense, config.profile)[number]
        return self.scenario.play(arm, self.adversaries, own)

    def keep(
        self, judged: Sequence[Trials], config: RunConfig, folder: RunFolder
    ) -> tuple[Trials, ...]:
        """Store what was judged, in the order of the arms."""
        pairs = zip(self._names(config), judged, strict=True)
        return tuple(folder.keep(name, each) for name, each in pairs)

    @property
    def _prefix(self) -> str:
        return self.games.replace("/", "-")

    def _names(self, config: RunConfig) -> list[str]:
        arms = self.scenario.arms(self.defense, config.profile)
        return [f"{self._prefix}-{slug(arm)}" for arm in arms]

    def exact(self, setting: Setting) -> tuple[Mapping[str, Any], ...]:
        """Exact arguments about the defence, and tests of its shares; none for a control."""
        if self.role is not Role.CLAIM:
            return ()
        return (*self.scenario.exact(self.defense, setting), *shares_of(self.defense, setting))

    def finding(
        self,
        trials: Sequence[Trials],
        reference: Sequence[Trials],
        *,
        config: RunConfig,
        folder: RunFolder,
        setting: Setting,
        alpha: float,
        exact: Sequence[Mapping[str, Any]],
    ) -> Finding:
        """Audit the claim; `exact` is what `exact` gave for any claim of this defence."""
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
            exact=exact,
            threat_model=self.scenario.threat_model.to_dict(),
            provenance={
                "seed": config.seed,
                "profile": config.profile,
                "versions": versions(),
                "target": setting.target("chosen").to_dict(),
            },
            artifacts=[folder.artifact(f"artifacts/{name}", caption) for name, caption in shown],
        )
        audit = audit_of(self.claim)
        found = audit(case, alpha=alpha, profile=config.profile, seed=config.seed)
        return replace(found, measures=(*found.measures, *measures_of(case, alpha=alpha)))


def trials_of(
    every: Sequence[Contest], config: RunConfig, folder: RunFolder, setting: Setting
) -> dict[str, tuple[Trials, ...]]:
    """Play and judge the games of all contests, once for contests that share them.

    A scenario that judges `together` hands the games of all its defences to one process an
    adversary; else there is one for each defence.

    Returns:
        The `games` of a contest to its arms.
    """
    found: dict[str, tuple[Trials, ...]] = {}
    groups: dict[str, dict[str, Contest]] = {}
    for each in every:
        kept = found.get(each.games) or each.kept(config, folder)
        if kept is not None:
            found[each.games] = kept
            continue
        together = getattr(each.scenario, "together", False)
        groups.setdefault(each.scenario.name if together else each.games, {})[each.games] = each
    for name, group in groups.items():
        play_ahead(group, config, folder, setting.progress)
        played = {games: each.play(config, setting) for games, each in group.items()}
        first = next(iter(group.values()))
        own = replace(setting, work=setting.work / name.replace("/", "-"))
        arms = [arm for each in played.values() for arm in each]
        judged = iter(first.scenario.judge(arms, first.adversaries, own))
        for games, each in group.items():
            found[games] = each.keep([next(judged) for _ in played[games]], config, folder)
    return found


def audit_of(claim: Claim) -> Audit:
    """The audit of a type of claim, imported when it is needed.

    Raises:
        TypeError: If no audit takes such claims.
    """
    if isinstance(claim, Fidelity | Offload) or _from_servers(claim):
        from .ppidm.audit import audit as shared

        return shared
    if isinstance(claim, Obliviousness):
        from .obliviousness.audit import audit as oblivious

        return oblivious
    if isinstance(claim, DifferentialPrivacy):
        from .dp_epsilon.audit import audit as private

        return private
    if isinstance(claim, Hidden | Indistinguishability | SecurityLevel):
        from .he.audit import audit as encrypted

        return encrypted
    raise TypeError(
        f"claim={claim} has no audit; claims of type {type(claim).__name__} are not run"
    )


def _from_servers(claim: Claim) -> bool:
    return isinstance(claim, Hidden) and " from " in claim.what


def shares_of(defense: Any, setting: Setting) -> tuple[Mapping[str, Any], ...]:
    """What is recorded of additive shares beside the games; nothing for other defences."""
    if getattr(defense, "share", None) != "ring":
        return ()
    from .ppidm.argument import arguments

    return arguments(defense, setting)


def scenarios_of(config: RunConfig) -> tuple[str, ...]:
    """The scenarios that were asked for; `all` is every one of the catalog."""
    if config.scenarios == ("all",):
        return tuple(entry.id for entry in entries("scenario"))
    return config.scenarios


def contests(config: RunConfig, scenarios: Sequence[str]) -> tuple[Contest, ...]:
    """The chosen defence, or the scenario's own, and the scenario's controls.

    Raises:
        UsageError: If a name, a field or a coalition does not exist, or `--defense` plays in none
            of the scenarios.
    """
    found: list[Contest] = []
    for name in scenarios:
        scenario = scenario_of(name, config)
        chosen = scenario.defenses if config.defense is None else (config.defense,)
        if len(scenarios) > 1 and not all(plays(scenario, each) for each in chosen):
            continue
        adversaries = _adversaries(scenario, config.adversaries)
        for defense in dict.fromkeys((*chosen, *scenario.controls)):
            settings = config.under("defense") if defense in chosen else {}
            built = configured(spec_of("defense", defense).build(), settings, "defense")
            found += contests_of(
                scenario,
                name_of("defense", defense),
                built,
                adversaries,
                expected=Verdict.REFUTED if defense in scenario.controls else None,
            )
    if not found:
        raise UsageError(f"defense={config.defense!r} plays in none of {', '.join(scenarios)}")
    return tuple(found)


def plays(scenario: Scenario, defense: str) -> bool:
    """Whether a defence is of the kind that a scenario is about."""
    return _fits(scenario, spec_of("defense", defense).find())


def _fits(scenario: Scenario, defense: Any) -> bool:
    return hasattr(defense, "release") == (DifferentialPrivacy in scenario.about)


def _concerns(scenario: Scenario, claim: Claim) -> bool:
    """Whether a scenario puts a claim to the test: by its type, and by what it is about."""
    asked: Callable[[Claim], bool] = getattr(scenario, "concerns", lambda claim: True)
    return isinstance(claim, scenario.about) and asked(claim)


def contests_of(
    scenario: Scenario,
    name: str,
    defense: Any,
    adversaries: Mapping[str, Adversary],
    *,
    expected: Verdict | None = None,
) -> tuple[Contest, ...]:
    """Audit every claim of the scenario's types; a defence without one is a control.

    What a scenario holds everybody against `beyond` what is claimed is a control too, unless the
    defence claims it.

    Raises:
        UsageError: If the defence is not of the kind that the scenario plays.
    """
    if not _fits(scenario, defense):
        raise UsageError(
            f"defense={name!r} does not play in {scenario.name}; try {', '.join(scenario.defenses)}"
        )
    own = tuple(claim for claim in defense.claims if _concerns(scenario, claim))
    if not own and expected is None:
        expected = Verdict.REFUTED
    games = f"{scenario.name}/{name}"
    several = len(scenario.claims) > 1
    held = own or scenario.claims
    beyond = [c for c in getattr(scenario, "beyond", ()) if c.label not in {h.label for h in held}]
    pairs = [(claim, expected) for claim in held] + [(c, Verdict.REFUTED) for c in beyond]
    return tuple(
        Contest(
            id=f"{games}/{claim.label}" if several or number else games,
            games=games,
            scenario=scenario,
            defense=defense,
            role=Role.CLAIM if outcome is None else Role.CONTROL,
            claim=claim,
            adversaries=adversaries,
            expected=outcome,
        )
        for number, (claim, outcome) in enumerate(pairs)
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
    return {**chosen, scenario.optimum: own[scenario.optimum]}


def _printed(trials: Trials) -> Trials:
    facts = {k: v for k, v in trials.facts.items() if k not in ("images", "target")}
    return replace(trials, facts=facts | {"model": trials.facts["target"]["spec"]})
