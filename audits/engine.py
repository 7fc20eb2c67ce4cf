"""Run scenarios against defences, audit the claims, keep everything in one folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..adversaries.contract import Adversary
from ..defenses.claims import Obliviousness
from ..defenses.protocol import Defense
from ..defenses.spec import Spec
from ..scenarios.contract import Arm, Progress, Scenario, Setting, Trials, silent
from ..scenarios.games import slug
from ..targets.pipeline import Target, load
from .catalog import entries, name_of, spec_of
from .config import RunConfig, UsageError, configured
from .folder import RunFolder, host, versions
from .obliviousness.audit import Case, audit
from .statistics import split_alpha
from .verdict import SCHEMA, Finding, Role, Verdict

PLAIN = "plain"
DEFAULT_DEFENSE = "obclip"
Announce = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: The run folder.
        findings: Claims first, as in `findings.jsonl`.
    """

    folder: Path
    findings: tuple[Finding, ...]

    @property
    def exit_status(self) -> int:
        """1 if a claim is refuted, 3 if one is inconclusive, else 0."""
        verdicts = {f.verdict for f in self.findings if f.role is Role.CLAIM}
        if Verdict.REFUTED in verdicts:
            return 1
        return 3 if Verdict.INCONCLUSIVE in verdicts else 0

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "folder": self.folder.name,
            "exit_status": self.exit_status,
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def __repr__(self) -> str:
        lines = "\n  ".join(repr(finding) for finding in self.findings)
        return f"<RunResult {self.folder.name}, exit status {self.exit_status}\n  {lines}>"


@dataclass(frozen=True, kw_only=True)
class _Contest:
    """One defence in one scenario."""

    id: str
    scenario: Scenario
    name: str
    defense: Defense
    role: Role
    claim: Obliviousness
    adversaries: Mapping[str, Adversary]

    def arms(self, config: RunConfig) -> tuple[Arm, ...]:
        return self.scenario.arms(self.defense, config.profile)


def run(
    config: RunConfig,
    *,
    out: Path | str,
    resume: bool = False,
    progress: Progress = silent,
    announce: Announce | None = None,
) -> RunResult:
    """Play, attack, audit; write the run folder.

    Args:
        config: What to run.
        out: The run folder; must not exist unless `resume`.
        resume: Complete an interrupted run of the same configuration.
        progress: Shows how far it is.
        announce: Called with the threat model of each claim before any number.

    Raises:
        UsageError: If the configuration cannot be run, or `out` holds another run.
    """
    started, clock = datetime.now(timezone.utc), time.monotonic()
    contests = _contests(config)
    folder = RunFolder.start(Path(out), config, resume=resume)
    claims = [c.id for c in contests if c.role is Role.CLAIM]
    split = split_alpha(config.alpha, claims=claims) if claims else {}
    record = {
        "schema": SCHEMA,
        "command": ["latentleak", *sys.argv[1:]],
        "config": config.to_dict(),
        "alpha_split": split,
        "versions": versions(),
        "host": host(),
        "started": started.isoformat(timespec="seconds"),
    }
    folder.write_record(record)
    setting = _setting(config, folder, progress)
    trials: dict[str, tuple[Trials, ...]] = {}
    findings = []
    for contest in sorted(contests, key=lambda c: c.name != PLAIN):
        if announce is not None:
            announce(_announcement(contest))
        trials[contest.id] = _trials(contest, config, folder, setting)
    for contest in contests:
        findings.append(_finding(contest, contests, trials, config, folder, setting, split))
    result = RunResult(folder=folder.path, findings=tuple(findings))
    folder.write_findings(result.findings)
    seconds = round(time.monotonic() - clock, 1)
    folder.write_record(record | {"seconds": seconds, "exit_status": result.exit_status})
    folder.clean()
    return result


def _contests(config: RunConfig) -> tuple[_Contest, ...]:
    names = config.scenarios
    if names == ("all",):
        names = tuple(entry.id for entry in entries("scenario"))
    contests = []
    for name in names:
        scenario = configured(
            spec_of("scenario", name).build(), config.under("scenario"), "scenario"
        )
        scenario = _with_trials(scenario, config.trials)
        _check_coalition(scenario, config.coalition)
        adversaries = _adversaries(scenario, config.adversaries)
        chosen = config.defense or DEFAULT_DEFENSE
        for defense_name in dict.fromkeys((chosen, PLAIN)):
            defense = _defense(defense_name, config if defense_name == chosen else None)
            claim = next((c for c in defense.claims if isinstance(c, Obliviousness)), None)
            contests.append(
                _Contest(
                    id=f"{scenario.name}/{name_of('defense', defense_name)}",
                    scenario=_follow(scenario, config),
                    name=defense_name,
                    defense=defense,
                    role=Role.CONTROL if claim is None else Role.CLAIM,
                    claim=claim or Obliviousness(),
                    adversaries=adversaries,
                )
            )
    return tuple(contests)


def _defense(name: str, config: RunConfig | None) -> Defense:
    built = spec_of("defense", name).build()
    settings = {} if config is None else config.under("defense")
    defense: Defense = configured(built, settings, "defense")
    return defense


def _follow(scenario: Any, config: RunConfig) -> Any:
    """`--set defense.k` sets the switch point of the full games too."""
    k = config.under("defense").get("k")
    if k is None or "k" in config.under("scenario"):
        return scenario
    return configured(scenario, {"k": [k]}, "scenario")


def _with_trials(scenario: Any, trials: int | None) -> Any:
    if trials is None:
        return scenario
    names = getattr(scenario, "__dataclass_fields__", {})
    name = "games" if "games" in names else "cheap_games"
    return replace(scenario, **{name: trials})


def _check_coalition(scenario: Scenario, coalition: tuple[str, ...]) -> None:
    own = tuple(scenario.threat_model.coalition)
    if coalition and set(coalition) != set(own):
        raise UsageError(
            f"--coalition {', '.join(coalition)}: {scenario.name} is played against "
            f"{', '.join(own)} only"
        )


def _adversaries(scenario: Scenario, names: Sequence[str]) -> Mapping[str, Adversary]:
    own = scenario.adversaries()
    if not names:
        return own
    chosen: dict[str, Adversary] = {}
    for name in names:
        plain = name.replace("-", " ")
        if plain in own:
            chosen[plain] = own[plain]
        else:
            chosen[name_of("adversary", name)] = spec_of("adversary", name).build()
    if not any(name in own for name in chosen):
        chosen = {**chosen, "intersection": own["intersection"]}
    return chosen


def _setting(config: RunConfig, folder: RunFolder, progress: Progress) -> Setting:
    opened: dict[str, Target] = {}

    def target(name: str) -> Target:
        if name not in opened:
            if name == "chosen":
                opened[name] = load(
                    config.model,
                    local=config.local_model,
                    revision=config.revision,
                    dtype=config.dtype,
                    device=config.device,
                )
            else:
                opened[name] = load(name, device="cpu")
        return opened[name]

    return Setting(
        target=target,
        seed=config.seed,
        work=folder.work,
        artifacts=folder.artifacts,
        threads=config.threads,
        sealed=config.sealed,
        progress=progress,
    )


def _trials(
    contest: _Contest, config: RunConfig, folder: RunFolder, setting: Setting
) -> tuple[Trials, ...]:
    arms = contest.arms(config)
    prefix = contest.id.replace("/", "-")
    names = {arm.name: f"{prefix}-{slug(arm)}" for arm in arms}
    stored = [folder.finished(name) for name in names.values()]
    if all(each is not None for each in stored):
        return tuple(each for each in stored if each is not None)
    own = replace(setting, work=setting.work / prefix)
    played = [contest.scenario.play(arm, contest.adversaries, own) for arm in arms]
    judged = contest.scenario.judge(played, contest.adversaries, own)
    return tuple(folder.keep(names[trials.arm], trials) for trials in judged)


def _announcement(contest: _Contest) -> dict[str, Any]:
    return {
        "id": contest.id,
        "role": contest.role.value,
        "question": contest.scenario.question,
        "claim": contest.claim.to_dict(),
        "threat_model": contest.scenario.threat_model.to_dict(),
        "adversaries": list(contest.adversaries),
    }


def _finding(
    contest: _Contest,
    contests: Sequence[_Contest],
    trials: Mapping[str, tuple[Trials, ...]],
    config: RunConfig,
    folder: RunFolder,
    setting: Setting,
    split: Mapping[str, float],
) -> Finding:
    control = contest.role is Role.CONTROL
    reference = next(
        c.id for c in contests if c.scenario.name == contest.scenario.name and c.name == PLAIN
    )
    shown = [images for t in trials[contest.id] if (images := t.facts.get("images"))]
    case = Case(
        id=contest.id,
        scenario=contest.scenario.name,
        question=contest.scenario.question,
        defense={"name": type(contest.defense).__name__, **Spec.of(contest.defense).to_dict()},
        claim=contest.claim,
        role=contest.role,
        expected=Verdict.REFUTED if control else None,
        trials=[_without_images(t) for t in trials[contest.id]],
        reference=trials[reference],
        exact=() if control else contest.scenario.exact(contest.defense, setting),
        threat_model=contest.scenario.threat_model.to_dict(),
        provenance={
            "seed": config.seed,
            "profile": config.profile,
            "versions": versions(),
            "target": setting.target("chosen").to_dict(),
        },
        artifacts=[folder.artifact(f"artifacts/{name}", caption) for name, caption in shown],
    )
    alpha = split.get(contest.id, config.alpha)
    return audit(case, alpha=alpha, profile=config.profile, seed=config.seed)


def _without_images(trials: Trials) -> Trials:
    facts = {k: v for k, v in trials.facts.items() if k not in ("images", "target")}
    target = trials.facts["target"]
    return replace(trials, facts=facts | {"model": target["spec"]})
