"""The whole report as a record, the same for every format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..cells import load_cells
from ..verdict import Finding, Verdict
from . import formats, words
from .cards import Card, card
from .costs import Cost, costs
from .facts import Fact, fact, facts, models, text
from .order import worst, worst_first
from .pairs import Overview, overview
from .read import check_artifacts, load_findings, load_run
from .threats import Threat, threats


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that a report says.

    Attributes:
        headline: What leaks, to whom.
        verdict: The worst claim's; None without claims.
        subtitle: What the headline does not mean.
        problems: What a reader must know before believing any of it.
        threats: One per game and threat model.
        overview: The matrix, and what its cells open to.
        cards: Findings, worst first.
        costs: Of each defence, where they were counted.
        run: How the run was made.
        alphas: Alpha of each claim.
        versions: Software.
        models: What was attacked: names and labelled values.
    """

    headline: str
    verdict: Verdict | None
    subtitle: str
    problems: tuple[str, ...]
    threats: tuple[Threat, ...]
    overview: Overview
    cards: tuple[Card, ...]
    costs: tuple[Cost, ...]
    run: tuple[Fact, ...]
    alphas: tuple[tuple[str, str], ...]
    versions: tuple[Fact, ...]
    models: tuple[tuple[str, tuple[Fact, ...]], ...]

    @property
    def tone(self) -> str:
        """The verdict as a style."""
        return "none" if self.verdict is None else self.verdict.value.lower().replace("_", "-")

    @property
    def claims(self) -> tuple[Card, ...]:
        """Those that count."""
        return tuple(c for c in self.cards if c.is_claim)

    @property
    def controls(self) -> tuple[Card, ...]:
        """Those whose verdict was known beforehand."""
        return tuple(c for c in self.cards if not c.is_claim)


def load_page(folder: str | Path) -> Page:
    """Read a run folder and prepare everything that a report says.

    Raises:
        RunFolderError: The folder cannot be read.
    """
    run, findings = load_run(folder), worst_first(load_findings(folder))
    cards = tuple(card(f, number, Path(folder)) for number, f in enumerate(findings, start=1))
    verdict = worst(c.finding.verdict for c in cards if c.is_claim)
    headline, subtitle = _headline(cards, verdict)
    versions, split = run.get("versions"), run.get("alpha_split")
    return Page(
        headline=headline,
        verdict=verdict,
        subtitle=subtitle,
        problems=_problems(findings, check_artifacts(folder, findings)),
        threats=threats(cards),
        overview=overview(cards, load_cells(folder), run),
        cards=cards,
        costs=costs(cards),
        run=_run_facts(run, findings),
        alphas=tuple((str(k), formats.level(v)) for k, v in _mapping(split).items()),
        versions=facts(_mapping(versions)),
        models=tuple(map(_model, models(findings))),
    )


def _headline(cards: Sequence[Card], verdict: Verdict | None) -> tuple[str, str]:
    if not cards:
        return "No findings in this run", "Nothing was audited, so nothing was shown."
    if verdict is None:
        return "Controls only", "No claim was audited: this run says nothing about a defence."
    claims = [c for c in cards if c.is_claim and c.finding.verdict is verdict]
    first = claims[0].finding
    what = words.leak(first.claim, claims[0].coalition)
    names = formats.joined(list(dict.fromkeys(c.name for c in claims)))
    if verdict is Verdict.REFUTED:
        return f"Refuted: {what}", f"Against {names}, at least one adversary won too often."
    if verdict is Verdict.INCONCLUSIVE:
        return f"Undecided whether {what}", f"For {names}, the evidence supports neither side."
    return (
        f"No sign that {what}",
        "No adversary of this run did better than the claim allows. That is not proof of "
        "security: “detectable” below says how small a leak could have gone unseen.",
    )


def _problems(findings: Sequence[Finding], altered: Sequence[str]) -> tuple[str, ...]:
    missed = [
        f"The control {f.id} came out {words.LABELS[f.verdict]}, expected "
        f"{words.LABELS[f.expected]}: do not believe the claims beside it."
        for f in findings
        if f.expected is not None and f.surprising
    ]
    rows = [row for f in findings for row in f.rows]
    if any(row.games.get("sealed") is False for row in rows):
        missed.append(
            "Adversaries ran unsealed: not for publication. Run again with sealed adversaries."
        )
    return (*missed, *(words.sentence(problem) for problem in altered))


def _run_facts(run: Mapping[str, Any], findings: Sequence[Finding]) -> tuple[Fact, ...]:
    command, config = run.get("command"), _mapping(run.get("config"))
    shown: dict[str, Any] = {
        "command": " ".join(map(str, command)) if isinstance(command, list) else command,
        "started": run.get("started"),
        "took": _duration(run.get("seconds")),
        "exit status": _status(run.get("exit_status")),
        "sealed": _sealed(findings, config),
        **{k: v for k, v in config.items() if k != "sealed"},
        "host": text(run["host"]) if run.get("host") else None,
    }
    return tuple(
        fact(label.replace("_", " "), value) for label, value in shown.items() if value is not None
    )


def _model(model: Mapping[str, Any]) -> tuple[str, tuple[Fact, ...]]:
    rest = {k: v for k, v in model.items() if k not in ("spec", "digests")}
    return text(model["spec"]), facts({**rest, "SHA-256": model["digests"]})


def _duration(value: Any) -> Any:
    return formats.seconds(value) if isinstance(value, int | float) else value


def _status(value: Any) -> Any:
    meanings = {
        0: "no claim refuted",
        1: "a claim refuted",
        3: "inconclusive",
        4: "a scenario or the program failed",
        130: "interrupted",
    }
    return f"{value} ({meanings[value]})" if value in meanings else value


def _sealed(findings: Sequence[Finding], config: Mapping[str, Any]) -> str | None:
    recorded = {row.games["sealed"] for f in findings for row in f.rows if "sealed" in row.games}
    if not recorded and "sealed" in config:
        recorded = {config["sealed"]}
    if not recorded:
        return None
    if recorded == {True}:
        return "yes: every adversary ran in an isolated process of its own"
    return "no" if recorded == {False} else "in part"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
