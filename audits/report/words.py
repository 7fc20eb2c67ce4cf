"""What names in a finding mean, in one line each, for a reader who is new to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..verdict import Verdict
from .formats import joined

LABELS = {
    Verdict.REFUTED: "REFUTED",
    Verdict.INCONCLUSIVE: "INCONCLUSIVE",
    Verdict.NOT_REFUTED: "NOT REFUTED",
}
SYMBOLS = {Verdict.REFUTED: "✕", Verdict.INCONCLUSIVE: "?", Verdict.NOT_REFUTED: "○"}

VERDICTS = {
    Verdict.REFUTED: (
        "At least one adversary did better than the claim allows. Were the claim true, this "
        "would happen with probability at most alpha, all adversaries and arms counted."
    ),
    Verdict.INCONCLUSIVE: (
        "This run can support neither side: too few games, a control that did not hold, or a "
        "quantity that was not measured. The reason is given."
    ),
    Verdict.NOT_REFUTED: (
        "These adversaries, in this many games, found no more than the claim allows. This is not "
        "“secure”: a better adversary, or a leak smaller than “detectable”, may remain."
    ),
}

GLOSSARY = {
    "advantage": "Share of games won, less the share that pure guessing wins.",
    "interval": (
        "Two-sided and exact: the values that the games are compatible with. All rows of a "
        "finding hold at once, at its alpha."
    ),
    "epsilon at least": (
        "Lower bound: these games exclude (e, delta)-differential privacy for every smaller e, "
        "under what the named method assumes. Each end of its interval holds by itself."
    ),
    "adjusted p": (
        "Probability of so many wins if the claim held, after Holm's correction for every "
        "adversary and arm. The claim is refuted where it is at most alpha."
    ),
    "critical": "Wins from which a row refutes the claim by itself, all rows paid for.",
    "detectable": (
        "The smallest true leak that these games would have found with probability 0.9. "
        "Anything smaller could have gone unseen."
    ),
    "ceiling": (
        "The largest lower end of an interval that even a perfect attack could have reached with "
        "this many games. A claim that allows more than that, in the hatched zone, could not have "
        "been refuted."
    ),
    "swapped views": (
        "The same adversary on the views of other games. It must fall back to guessing; if it "
        "does not, it knows something that it should not."
    ),
    "control": (
        "A case whose outcome is known beforehand, such as no defence at all. If it does not "
        "come out as expected, do not believe the claims beside it."
    ),
}

ASSUMPTIONS = {
    "semi-honest": "Servers follow the protocol; they only look, remember and compute.",
    "non-colluding": "Servers outside the coalition do not share what they see with it.",
    "uniform-prior": "Before anything is seen, every candidate is equally likely to be real.",
    "secret-seed": "The client's randomness is secret; the seed it comes from is never revealed.",
    "idealized-numerics": "Arithmetic counts as exact; rounding is outside the claim.",
    "complete-lexicon": "The declared word list covers every word that gives an attribute away.",
}

KNOWLEDGE = {
    "protocol": "how the defence works, in full",
    "candidates": "the candidate prompts of each game",
    "weights": "the model that is attacked, weights included",
    "shadow": "labelled executions on other secrets, to train on",
    "target": "the record in question, and what stands in its place if it was not used",
    "others": "every other record of the collection",
}

BEHAVIORS = {
    "semi-honest": "follows the protocol and keeps everything it sees (semi-honest)",
}

_PARTIES = {"server/0": "the server", "public": "anyone who holds the release"}
_SECRETS = {
    "Obliviousness": "which of the candidate prompts is the real one",
    "DifferentialPrivacy": "whether a given record was used",
    "TrainingPrivacy": "whether a given sample was trained on",
    "MembershipArea": "which samples were trained on",
    "MembershipRate": "which samples were trained on",
    "Indistinguishability": "which of two chosen secrets was used",
}
_SHORTFALLS = {
    "SecurityLevel": "the parameters fall short of the promised security level",
    "Fidelity": "the output is less faithful than promised",
    "Offload": "less work leaves the client than promised",
}
_LIMITS = {
    "Obliviousness": "slack",
    "Indistinguishability": "advantage",
    "Hidden": "normalized_leakage_at_most",
    "DifferentialPrivacy": "epsilon",
    "TrainingPrivacy": "epsilon",
    "MembershipArea": "at_most",
    "MembershipRate": "at_most",
}
_CHANCES = {"MembershipArea": 0.5}
"""What an estimate is less of, where that is not 0."""


def party(coalition: Sequence[str]) -> str:
    """Who is curious.

    >>> party(["server/0"]), party(["server/0", "server/1"])
    ('the server', 'server/0 and server/1 together')
    """
    if not coalition:
        return "an observer"
    if len(coalition) == 1:
        return _PARTIES.get(coalition[0], coalition[0])
    numbers = [party.removeprefix("server/") for party in coalition]
    if len(coalition) > 2 and all(number.isdigit() for number in numbers):
        return f"servers {joined(numbers)} together"
    return f"{joined(coalition)} together"


def released(coalition: Sequence[str]) -> bool:
    """Whether the curious party sees a publication instead of taking part in a protocol."""
    return tuple(coalition) == ("public",)


def secret(claim: Mapping[str, Any]) -> str:
    """What the claim keeps from the curious party."""
    if claim.get("type") == "Hidden":
        return f"the {claim['what']}" if "what" in claim else "what is hidden"
    return _SECRETS.get(str(claim.get("type")), "what the claim protects")


_SHORT = {
    "Obliviousness": "real prompt",
    "DifferentialPrivacy": "membership",
    "TrainingPrivacy": "membership",
    "MembershipArea": "membership",
    "MembershipRate": "membership",
    "Indistinguishability": "chosen secrets",
    "SecurityLevel": "security level",
    "Fidelity": "fidelity",
    "Offload": "offload",
}


def short(claim: Mapping[str, Any]) -> str:
    """What a claim is about, in two or three words.

    >>> short({"type": "Hidden", "what": "prompt from one server"}), short({"type": "Fidelity"})
    ('prompt from one server', 'fidelity')
    """
    if claim.get("type") == "Hidden":
        return str(claim.get("what", "what is hidden"))
    return _SHORT.get(str(claim.get("type")), "the claim")


def leak(claim: Mapping[str, Any], coalition: Sequence[str]) -> str:
    """What it means, in one clause, that the claim is refuted."""
    shortfall = _SHORTFALLS.get(str(claim.get("type")))
    verb = "learn" if len(coalition) > 1 else "learns"
    return shortfall or f"{party(coalition)} {verb} {secret(claim)}"


def limit(claim: Mapping[str, Any]) -> float | None:
    """The value of the estimate up to which the claim holds, where it has one."""
    value = claim.get(_LIMITS.get(str(claim.get("type")), ""))
    if not isinstance(value, int | float):
        return None
    by_chance = claim.get("at_fpr", _CHANCES.get(str(claim.get("type")), 0.0))
    return float(value) - float(by_chance)


def sentence(clause: str) -> str:
    """A clause with a capital and a full stop."""
    text = clause.strip()
    return text[:1].upper() + text[1:] + ("" if text[-1:] in ".!?" else ".")
