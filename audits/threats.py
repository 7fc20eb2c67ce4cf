"""The threat model as data: what goes wrong, for whom, who measures it, who claims against it.

Identifiers never change their meaning. LINDDUN categories are those of its 2023 edition. MITRE
ATLAS has no technique for a curious inference server; the nearest is named.

References:
    Deng, Wuyts, Scandariato, Preneel, Joosen, A privacy threat analysis framework (2011),
    Requirements Engineering 16, 3-32; LINDDUN, https://linddun.org.
    MITRE ATLAS, https://atlas.mitre.org.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .verdict import Finding, Row


class Linddun(str, enum.Enum):
    """Categories of privacy threats."""

    LINKING = "Linking"
    IDENTIFYING = "Identifying"
    NON_REPUDIATION = "Non-repudiation"
    DETECTING = "Detecting"
    DISCLOSURE = "Data disclosure"
    UNAWARENESS = "Unawareness"
    NON_COMPLIANCE = "Non-compliance"


MEMBERSHIP = "AML.T0024.000"
INVERSION = "AML.T0024.001"
EXTRACTION = "AML.T0024.002"
INFERENCE_API = "AML.T0024"
OBFUSCATE = "AML.M0002"
CONTROL_ACCESS = "AML.M0005"
ENCRYPT = "AML.M0012"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """Which findings, and which of their rows, measure a threat.

    Attributes:
        scenario: Id.
        claims: Types of claim; empty takes all.
        what: A word in what the claim keeps hidden; empty takes all.
        adversaries: Rows and measures of these; empty takes all.
        arms: Rows and measures of arms whose name starts so; empty takes all.
    """

    scenario: str
    claims: tuple[str, ...] = ()
    what: str = ""
    adversaries: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()

    def takes(self, finding: Finding) -> bool:
        """Whether a finding is about the threat."""
        return (
            finding.scenario == self.scenario
            and (not self.claims or finding.claim.get("type") in self.claims)
            and self.what in str(finding.claim.get("what", ""))
        )

    @property
    def partial(self) -> bool:
        """Whether single rows are meant, which have no verdict of their own."""
        return bool(self.adversaries or self.arms)

    def rows(self, finding: Finding) -> tuple[Row, ...]:
        """The rows of a finding that are about the threat."""
        return tuple(row for row in finding.rows if self._about(row.adversary, row.arm))

    def records(self, finding: Finding) -> tuple[Mapping[str, Any], ...]:
        """Measures beside the rows that are about the threat: arms outside every claim."""
        return tuple(
            record
            for record in finding.measures
            if isinstance(record.get("estimate"), int | float)
            and self._about(str(record.get("adversary", "")), str(record.get("arm", "")))
        )

    def _about(self, adversary: str, arm: str) -> bool:
        mine = not self.adversaries or adversary in self.adversaries
        return mine and (not self.arms or arm.startswith(self.arms))


@dataclass(frozen=True, kw_only=True)
class Threat:
    """One thing that can go wrong.

    Attributes:
        id: Stable.
        title: What happens, in one clause.
        attacker: Who does it, seeing what.
        linddun: Category.
        atlas: Techniques of MITRE ATLAS, the nearest ones.
        mitigations: Mitigations of MITRE ATLAS that a defence amounts to.
        measure: What measures it; None if nothing does.
        defenses: Ids of the defences that claim against it.
        note: Why nothing measures it, or why nobody claims against it.
    """

    id: str
    title: str
    attacker: str
    linddun: Linddun
    atlas: tuple[str, ...] = ()
    mitigations: tuple[str, ...] = ()
    measure: Measure | None = None
    defenses: tuple[str, ...] = ()
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self) | {"linddun": self.linddun.value}


HE: tuple[str, ...] = ("he-as-released", "he-client-unet", "he-encrypted-term")
HE += ("he-full-encryption", "he-fully-hardened")
PPIDM = ("ppidm-ring", "ppidm-real", "ppidm-partition")
RELEASES = ("dpagg-ti", "dp-guidance", "dp-sgd-ti")
SERVER, SERVERS, PUBLIC = "one curious server", "colluding servers", "anyone with the release"

THREATS: tuple[Threat, ...] = (
    Threat(
        id="T-CANDIDATE",
        title="the server names the real prompt among the candidates",
        attacker=SERVER,
        linddun=Linddun.DISCLOSURE,
        atlas=(INFERENCE_API,),
        mitigations=(OBFUSCATE,),
        measure=Measure(scenario="which-prompt", claims=("Obliviousness",)),
        defenses=("obclip",),
    ),
    Threat(
        id="T-PRIOR",
        title="the real prompt is guessed from how often such prompts are asked for",
        attacker="anyone who sees the candidates",
        linddun=Linddun.DISCLOSURE,
        measure=Measure(scenario="which-prompt", arms=("skewed prior",)),
        note="outside the claim: it assumes a uniform prior",
    ),
    Threat(
        id="T-TIME",
        title="the client's response time gives the real prompt away",
        attacker="one curious server with a clock",
        linddun=Linddun.DETECTING,
        atlas=(INFERENCE_API,),
        measure=Measure(scenario="which-prompt-timed"),
        defenses=("obclip",),
    ),
    Threat(
        id="T-ATTRIBUTE",
        title="the server learns which attributes a prompt mentions",
        attacker=SERVER,
        linddun=Linddun.DETECTING,
        atlas=(INFERENCE_API,),
        measure=Measure(scenario="which-prompt", arms=("mentions",)),
        note="the candidate set shows it by design",
    ),
    Threat(
        id="T-PUBLISHED",
        title="a picture that the user published is matched with its request",
        attacker=SERVER,
        linddun=Linddun.LINKING,
        atlas=(INFERENCE_API,),
        measure=Measure(scenario="which-prompt", arms=("published",)),
        note="outside the claim: the picture itself is public",
    ),
    Threat(
        id="T-MARKED",
        title="a server marks each candidate's picture and recognises the published one",
        attacker="one malicious server",
        linddun=Linddun.LINKING,
        atlas=(INFERENCE_API,),
        measure=Measure(scenario="which-prompt", arms=("marked",)),
        note="outside the claim: servers are semi-honest",
    ),
    Threat(
        id="T-SESSIONS",
        title="several sessions of one user are intersected",
        attacker=SERVER,
        linddun=Linddun.LINKING,
        atlas=(INFERENCE_API,),
        measure=Measure(scenario="which-prompt", adversaries=("intersection",)),
        defenses=("obclip",),
    ),
    Threat(
        id="T-VIEW-IMAGE",
        title="the server reconstructs the picture from what it computes on",
        attacker=SERVER,
        linddun=Linddun.DISCLOSURE,
        atlas=(INVERSION,),
        mitigations=(ENCRYPT,),
        measure=Measure(scenario="what-did-the-server-see", claims=("Hidden",), what="image"),
        defenses=HE,
    ),
    Threat(
        id="T-VIEW-PROMPT",
        title="the server reads the prompt from what it computes on",
        attacker=SERVER,
        linddun=Linddun.DISCLOSURE,
        atlas=(INFERENCE_API,),
        mitigations=(ENCRYPT,),
        measure=Measure(scenario="what-did-the-server-see", claims=("Hidden",), what="prompt"),
        defenses=HE,
    ),
    Threat(
        id="T-PROMPT",
        title="the prompt is recovered word by word, whatever it says",
        attacker=SERVER,
        linddun=Linddun.DISCLOSURE,
        atlas=(INFERENCE_API,),
        mitigations=(ENCRYPT,),
        measure=Measure(scenario="what-was-the-prompt"),
        defenses=(*HE, *PPIDM),
    ),
    Threat(
        id="T-KEY",
        title="decryptions that come back give the secret key",
        attacker=SERVER,
        linddun=Linddun.DISCLOSURE,
        atlas=(INFERENCE_API,),
        mitigations=(ENCRYPT,),
        measure=Measure(scenario="what-did-the-server-see", claims=("Indistinguishability",)),
        defenses=HE,
    ),
    Threat(
        id="T-PARAMETERS",
        title="parameters of the encryption are weaker than promised",
        attacker="anyone with a ciphertext",
        linddun=Linddun.DISCLOSURE,
        mitigations=(ENCRYPT,),
        measure=Measure(scenario="what-did-the-server-see", claims=("SecurityLevel",)),
        defenses=HE,
    ),
    Threat(
        id="T-SHARES",
        title="servers put their shares together and see picture or prompt",
        attacker=SERVERS,
        linddun=Linddun.DISCLOSURE,
        atlas=(INVERSION,),
        mitigations=(ENCRYPT,),
        measure=Measure(scenario="what-do-colluding-servers-see", claims=("Hidden",)),
        defenses=PPIDM,
    ),
    Threat(
        id="T-RELEASE-MEMBER",
        title="one image is found to have been used for a release",
        attacker=PUBLIC,
        linddun=Linddun.DETECTING,
        atlas=(MEMBERSHIP,),
        mitigations=(OBFUSCATE,),
        measure=Measure(scenario="was-my-image-used", claims=("DifferentialPrivacy",)),
        defenses=RELEASES,
    ),
    Threat(
        id="T-RELEASE-IMAGE",
        title="an unknown record is reconstructed from a release and all others",
        attacker="anyone with the release and every other record",
        linddun=Linddun.DISCLOSURE,
        atlas=(INVERSION,),
        mitigations=(OBFUSCATE,),
        measure=Measure(scenario="was-my-image-used", arms=("which image",)),
        defenses=RELEASES,
    ),
    Threat(
        id="T-RELEASE-GROUP",
        title="a person with several images is found to have been used for a release",
        attacker=PUBLIC,
        linddun=Linddun.DETECTING,
        atlas=(MEMBERSHIP,),
        measure=Measure(scenario="was-my-image-used", arms=("group", "near-duplicates")),
        note="the claims are about one image",
    ),
    Threat(
        id="T-TRAINING",
        title="a sample is found to have been trained on",
        attacker="anyone with the model",
        linddun=Linddun.DETECTING,
        atlas=(MEMBERSHIP,),
        mitigations=(OBFUSCATE, CONTROL_ACCESS),
        measure=Measure(scenario="was-it-in-training"),
        defenses=("from-scratch", "early-stopped", "dp-sgd-fine-tune"),
    ),
    Threat(
        id="T-INTEGRITY",
        title="a server returns wrong values and changes the picture",
        attacker="one malicious server",
        linddun=Linddun.NON_REPUDIATION,
        note="servers are semi-honest in every claim; no game is about integrity",
    ),
    Threat(
        id="T-NETWORK",
        title="a third party reads the traffic between client and servers",
        attacker="the network",
        linddun=Linddun.DISCLOSURE,
        atlas=(INFERENCE_API,),
        mitigations=(ENCRYPT,),
        note="the transport has no encryption; it belongs inside a channel that has",
    ),
    Threat(
        id="T-TRAFFIC",
        title="how often and when somebody asks tells who and what for",
        attacker="the network or a server",
        linddun=Linddun.IDENTIFYING,
        note="games draw each user's requests alike; none is about habits",
    ),
    Threat(
        id="T-HARDWARE",
        title="caches, memory or power tell what a party computed",
        attacker="a neighbour on the machine",
        linddun=Linddun.DISCLOSURE,
        note="a view holds bytes and, over TCP, times; nothing of the hardware",
    ),
    Threat(
        id="T-EXTRACT",
        title="queries copy the server's model",
        attacker="a client",
        linddun=Linddun.DISCLOSURE,
        atlas=(EXTRACTION,),
        note="models are public here; clients are never attackers",
    ),
    Threat(
        id="T-CURATOR",
        title="whoever collects the images uses them otherwise",
        attacker="the curator",
        linddun=Linddun.UNAWARENESS,
        note="the curator is trusted in every claim about a release",
    ),
)


def by_scenario(scenario: str) -> tuple[Threat, ...]:
    """The threats that a scenario measures."""
    return tuple(t for t in THREATS if t.measure is not None and t.measure.scenario == scenario)


def unmeasured(threats: Sequence[Threat] = THREATS) -> tuple[Threat, ...]:
    """Those that are modelled, and that no scenario measures."""
    return tuple(threat for threat in threats if threat.measure is None)
