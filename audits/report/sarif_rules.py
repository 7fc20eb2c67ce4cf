"""Rules: what can be wrong with a private system, under short names that stay the same.

`docs/rules/` holds a page for each, written from here:
`python -m latentleak.audits.report.sarif_rules docs/rules`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

from ..verdict import Finding, Role

ELSEWHERE = "urn:latentleak:rules"
"""What pages are called, where nobody says at which address the documentation stands."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of result.

    Attributes:
        id: Short and stable.
        name: The same in words, without spaces.
        title: What is wrong, in one clause.
        means: What a refuted claim of this kind means.
        fix: What to do.
        look: Which part of the report shows it.
    """

    id: str
    name: str
    title: str
    means: str
    fix: str
    look: str

    def uri(self, site: str | None = None) -> str:
        """Of its page on the site of the documentation; a name without address if none is known.

        Args:
            site: Address of the site; that of the package's own metadata if not given.
        """
        base = site or documentation()
        return f"{base.rstrip('/')}/rules/{self.id}.html" if base else f"{ELSEWHERE}/{self.id}"

    def page(self) -> str:
        """Its page in Markdown."""
        sections = (("What it means", self.means), ("How to fix it", self.fix))
        parts = [f"# {self.id}: {self.title}"]
        parts += [f"## {head}\n\n{text}" for head, text in sections]
        parts += [f"## Where to look\n\n{self.look}", _READING]
        return "\n\n".join(parts) + "\n"


_READING = """## How it is reported

A refuted claim is `fail` with level `error`, an inconclusive one `review`, one that is not refuted
`pass`. A pass is not proof: the report's "detectable" says how small a leak could have gone unseen.
See [exports](../exports.md)."""

_ROWS = "The table of adversaries: those marked refute the claim, with their arm and games."

RULES = (
    Rule(
        id="LL-OB-CANDIDATE",
        name="CandidateNamed",
        title="the server names the real candidate too often",
        means=(
            "A server that was sent every candidate prompt finds the real one more often than "
            "once in N, plus the slack that the claim allows. Something in its view depends on "
            "which candidate is real: the order, a row that is computed first, a word that no "
            "substitution covers, a set that differs between sessions, a count of the work."
        ),
        fix=(
            "Send the candidates in an order that does not depend on the real one, let no row be "
            "special, finish all rows alike, and complete the word list. The adversary that "
            "refutes the claim names the cause: `order`, `pivot`, `template residue`, "
            "`intersection`, `singled out`."
        ),
        look=_ROWS + " A line of byte-identical views says whether the view differs at all.",
    ),
    Rule(
        id="LL-OB-PRIOR",
        name="CandidateGuessedFromPrior",
        title="the real candidate can be guessed before anything is seen",
        means=(
            "Candidates are not equally likely to be asked for, so that whoever ranks them by how "
            "often such prompts are used wins more than once in N, without any view."
        ),
        fix=(
            "No protocol mends a prior. State the claim with its prior, hide attributes whose "
            "values are about equally common, or draw candidates so that the posterior is flat."
        ),
        look="The arm with a measured or skewed prior, adversary `plausibility`.",
    ),
    Rule(
        id="LL-OB-TIME",
        name="CandidateTimed",
        title="the client's response time gives the real candidate away",
        means=(
            "Over a real connection, the server's own clock tells which row the client went on "
            "with: the time until its next message depends on the place of the real candidate."
        ),
        fix=(
            "Select the row in constant time, answer after a fixed delay, or send nothing that "
            "depends on when the client is done."
        ),
        look="Adversary `timing` of `which-prompt-timed`; the finding is marked `timed`.",
    ),
    Rule(
        id="LL-DP-RELEASE",
        name="ReleaseExceedsEpsilon",
        title="a release reveals more of one record than its epsilon allows",
        means=(
            "Games with and without one record give, at the stated alpha, a lower bound on "
            "epsilon above the claim. The usual causes: a record that is not clipped, noise for "
            "another sensitivity or neighbouring relation, noise that is reused, amplification "
            "that is claimed but not there, a second release that is not charged."
        ),
        fix=(
            "Clip each record before it is averaged, take the sensitivity of the claimed "
            "relation, calibrate by the analytic Gaussian mechanism, draw fresh noise for every "
            "release, and compose what is released. `latentleak selfcheck dp` lists broken "
            "copies with each of these faults, for comparison."
        ),
        look="The epsilon figure: bound, claim and ceiling; the arms say which records were used.",
    ),
    Rule(
        id="LL-DP-TRAINING",
        name="TrainingExceedsEpsilon",
        title="a training reveals more of one sample than its epsilon allows",
        means=(
            "Canaries that were or were not trained on are told apart so often that the whole "
            "training cannot have the epsilon that is claimed."
        ),
        fix=(
            "Clip gradients per sample and before they are summed, draw the noise once a step at "
            "the scale of the clip, sample batches as the accountant assumes, and charge every "
            "pass over the data, hyper-parameter search included."
        ),
        look=_ROWS,
    ),
    Rule(
        id="LL-MI-MODEL",
        name="MembersTold",
        title="members of the training set are told from others",
        means=(
            "Whoever holds the model says of a sample whether it was trained on, more often than "
            "the claim allows: it fits what it was trained on better than what it was not."
        ),
        fix=(
            "Train for fewer steps or on more data, remove duplicates, or train with differential "
            "privacy. Check first that members and others come from one distribution: the "
            "controls of the finding say so."
        ),
        look="The log-log ROC curve, and the true-positive rate at a false-positive rate of 1 %.",
    ),
    Rule(
        id="LL-HE-VIEW",
        name="ImageInView",
        title="the server's view gives the picture",
        means=(
            "What the server computes on holds the picture: latents or update terms in the clear, "
            "entries that are left unencrypted, or ciphertexts that it can open."
        ),
        fix=(
            "Let the client run what needs plaintext, or evaluate it under encryption; encrypt "
            "every entry and the update term; never hand a decryption back. `he-fully-hardened` "
            "is what that looks like."
        ),
        look="The curve of normalized leakage, and the adversary that is strongest on it.",
    ),
    Rule(
        id="LL-HE-PROMPT",
        name="PromptInView",
        title="the server's view gives the prompt",
        means=(
            "The conditioning, the noise predictions or the latents that the server handles tell "
            "which prompt was asked for, or what it says about a person."
        ),
        fix=(
            "Encode the prompt at the client and keep the embedding there: a text encoder is "
            "public, so that an embedding in the clear is the prompt."
        ),
        look="Retrieval among 100 prompts, and the attributes.",
    ),
    Rule(
        id="LL-HE-ORACLE",
        name="DecryptionOracle",
        title="decryptions that are handed back break the encryption",
        means=(
            "In approximate homomorphic encryption a decryption is a linear equation in the "
            "secret key. Whoever sees two of them under one key solves for it (Li and Micciancio, "
            "2021) and opens everything else."
        ),
        fix=(
            "Do not hand decrypted values to the party that holds the ciphertext. If it must be, "
            "add noise of the size that their proof asks for, or take a fresh key every step."
        ),
        look="Adversaries `stolen key` and `opened ciphertext`; the record of flooding.",
    ),
    Rule(
        id="LL-HE-BITS",
        name="ParametersTooWeak",
        title="parameters fall short of the promised security level",
        means=(
            "The ring degree and the modulus, looked up in the named table, give fewer bits than "
            "are claimed."
        ),
        fix="Take a larger ring degree or a shorter chain of primes; depth one needs 160 bits.",
        look="The measure `bits`, and the table that it was looked up in.",
    ),
    Rule(
        id="LL-MPC-VIEW",
        name="SharesReveal",
        title="servers see more of the secret than the claim allows",
        means=(
            "The shares that one server, or the servers of a coalition, were sent give the picture "
            "or the prompt: the masks are too small, are reused, or cover a part only."
        ),
        fix=(
            "Share in a ring with uniform masks, fresh in every layer, step and branch. Over the "
            "reals a mask hides in part only, and averaging over the steps undoes it."
        ),
        look="Leakage against the size of the coalition.",
    ),
    Rule(
        id="LL-MPC-FIDELITY",
        name="OutputDiffers",
        title="the output is less faithful than promised",
        means="The protected picture differs from the undefended one by more than is claimed.",
        fix="Give the fixed point more fractional bits, or the masks less amplitude.",
        look="The measure of fidelity, with its interval over pictures.",
    ),
    Rule(
        id="LL-MPC-OFFLOAD",
        name="ClientWorksMore",
        title="less work leaves the client than promised",
        means="The share of multiply-accumulate operations at the servers is below the claim.",
        fix="Offload more layers: the presets of the defence state their shares.",
        look="The measure of offload, which is counted and not estimated.",
    ),
    Rule(
        id="LL-CLAIM",
        name="ClaimRefuted",
        title="a claim is refuted",
        means="A claim of a type that has no rule of its own was refuted.",
        fix="Read its statement and the adversary that refutes it.",
        look=_ROWS,
    ),
    Rule(
        id="LL-CONTROL",
        name="ControlMissed",
        title="a control did not come out as expected",
        means=(
            "An undefended pipeline was not broken, or a broken copy was not caught. The claims "
            "beside it are inconclusive, whatever their numbers are."
        ),
        fix="Play more games, or look for what changed in the scenario or its adversaries.",
        look="The controls of each finding.",
    ),
    Rule(
        id="LL-GONE",
        name="ClaimGone",
        title="a claim of the baseline is not in this run",
        means="The run does not measure something that it was held against before.",
        fix="Run the scenario again, or write the baseline anew if the claim was given up.",
        look="`latentleak compare`.",
    ),
)
BY_ID = {rule.id: rule for rule in RULES}
_BY_TYPE = {
    "DifferentialPrivacy": "LL-DP-RELEASE",
    "TrainingPrivacy": "LL-DP-TRAINING",
    "MembershipArea": "LL-MI-MODEL",
    "MembershipRate": "LL-MI-MODEL",
    "Indistinguishability": "LL-HE-ORACLE",
    "SecurityLevel": "LL-HE-BITS",
    "Fidelity": "LL-MPC-FIDELITY",
    "Offload": "LL-MPC-OFFLOAD",
}


def rule_of(finding: Finding) -> Rule:
    """The rule of a finding, by its claim and, for some, its scenario."""
    claim, kind = finding.claim, str(finding.claim.get("type"))
    if finding.role is Role.CONTROL:
        return BY_ID["LL-CONTROL"]
    if kind == "Obliviousness":
        if finding.scenario == "which-prompt-timed":
            return BY_ID["LL-OB-TIME"]
        uniform = claim.get("prior", "uniform") == "uniform"
        return BY_ID["LL-OB-CANDIDATE" if uniform else "LL-OB-PRIOR"]
    if kind == "Hidden":
        what = str(claim.get("what", ""))
        if " from " in what:
            return BY_ID["LL-MPC-VIEW"]
        return BY_ID["LL-HE-PROMPT" if "prompt" in what else "LL-HE-VIEW"]
    return BY_ID[_BY_TYPE.get(kind, "LL-CLAIM")]


def documentation() -> str | None:
    """Address of the documentation, from the package's own metadata; None if it names none."""
    for entry in metadata("latentleak").get_all("Project-URL") or ():
        label, _, address = entry.partition(", ")
        if label.lower() == "documentation":
            return str(address)
    return None


def main(folder: str) -> None:
    """Write a page for each rule."""
    for rule in RULES:
        (Path(folder) / f"{rule.id}.md").write_text(rule.page(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
