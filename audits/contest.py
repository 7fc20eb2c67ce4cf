"""One defence in one scenario: from configuration to trials to a finding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..adversaries.contract import Adversary
from ..defenses.claims import Claim, DifferentialPrivacy
from ..defenses.protocol import Defense, Mechanism
from ..defenses.spec import Spec
from ..scenarios.contract import Scenario, Setting, Trials
from ..scenarios.games import slug
from .ahead import play_ahead
from .case import Case
from .catalog import entries, name_of, spec_of
from .config import RunConfig, UsageError, configured
from .dispatch import audit_of, shares_of
from .failures import FAILED, Failures, failed_in, without
from .folder import RunFolder, versions
from .prompts.measures import measures_of
from .verdict import Finding, Role, Verdict


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
        found = tuple(each for each in stored if each is not None and not failed_in([each]))
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
            artifacts=[
                folder.artifact((setting.artifacts / name).relative_to(folder.path), caption)
                for name, caption in shown
            ],
        )
        audit = audit_of(self.claim)
        found = audit(case, alpha=alpha, profile=config.profile, seed=config.seed)
        found = replace(found, measures=(*found.measures, *measures_of(case, alpha=alpha)))
        return without(found, failed_in([*trials, *reference]))


def trials_of(
    every: Sequence[Contest],
    config: RunConfig,
    folder: RunFolder,
    setting: Setting,
    failures: Failures | None = None,
) -> dict[str, tuple[Trials, ...]]:
    """Play and judge the games of all contests, once for contests that share them.

    A scenario that judges `together` hands the games of all its defences to one process an
    adversary; else there is one for each defence.

    Args:
        every: Contests.
        config: Of the run.
        folder: Of the run.
        setting: Of the run.
        failures: Told of games that could not be played or judged, which are then left out; None
            raises.

    Returns:
        The `games` of a contest to its arms.
    """
    told = Failures() if failures is None else failures
    found: dict[str, tuple[Trials, ...]] = {}
    groups: dict[str, dict[str, Contest]] = {}
    for each in firsts(every).values():
        with told.of(each.games):
            kept = each.kept(config, folder)
            together = getattr(each.scenario, "together", False)
            if kept is not None:
                found[each.games] = kept
            else:
                name = each.scenario.name if together else each.games
                groups.setdefault(name, {})[each.games] = each
    for name, group in groups.items():
        if setting.at_once > 1:
            play_ahead(group, config, folder, setting.progress)
        played: dict[str, list[Any]] = {}
        for games, each in group.items():
            with told.of(games):
                played[games] = each.play(config, setting)
        own = replace(setting, work=setting.work / name.replace("/", "-"))
        judged = _judged(group, played, own, told)
        for games, trials in judged.items():
            found[games] = group[games].keep(trials, config, folder)
    return found


def firsts(every: Iterable[Contest]) -> dict[str, Contest]:
    """By games the first contest that needs them: it plays them for all."""
    found: dict[str, Contest] = {}
    for each in every:
        found.setdefault(each.games, each)
    return found


def _judged(
    group: Mapping[str, Contest],
    played: Mapping[str, list[Any]],
    setting: Setting,
    told: Failures,
) -> dict[str, list[Trials]]:
    """Judge the games of a group together; where that fails, those of each defence."""
    if not played:
        return {}
    first = group[next(iter(played))]
    arms = [arm for each in played.values() for arm in each]
    mark = len(told.adversaries)
    try:
        judged = iter(first.scenario.judge(arms, first.adversaries, setting))
    except Exception:  # one defence's games, whatever they do to a judge, are not the others'
        if len(played) == 1 or not told.keeps:
            with told.of(first.games):
                raise
            return {}
        own = (_judged(group, {games: each}, setting, told) for games, each in played.items())
        return {games: trials for each in own for games, trials in each.items()}
    return {
        games: [told.noted(next(judged), each, mark) for each in mine]
        for games, mine in played.items()
    }


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
    usual = "release" if DifferentialPrivacy in scenario.about else "client"
    return hasattr(defense, getattr(scenario, "takes", usual))


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
    if config.scenarios == ("all",) and config.profile == "quick":
        values = {**getattr(scenario, "brief", {}), **values}
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
    facts = {k: v for k, v in trials.facts.items() if k not in ("images", "target", FAILED)}
    return replace(trials, facts=facts | {"model": trials.facts["target"]["spec"]})
