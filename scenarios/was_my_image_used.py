"""Was my image in the collection that this model was adapted to? The membership game of DP.

Curator --release--> Public --view--> Adversary --score--> Referee. For each game the referee flips
a coin: the curator holds my record, or another one in its place; the adversary sees what was
published, by itself or as pictures drawn from it, and scores "it was used".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..adversaries.contract import Adversary, Knowledge, Question, ThreatModel
from ..adversaries.likelihood_ratio import LikelihoodRatio
from ..adversaries.look_alike import LookAlike
from ..adversaries.reference_vector import ReferenceVector
from ..adversaries.subtraction import Subtraction
from ..defenses.claims import DifferentialPrivacy
from ..defenses.protocol import Mechanism, Space
from ..defenses.wire import PUBLIC
from ..targets import private_sets
from . import neighbours, styled
from .contract import Setting, Trials
from .games import rekeyed
from .releases import PlayedReleases, ReleaseArm, judge, play

if TYPE_CHECKING:
    from ..defenses.dp_adaptation.inversion import Recipe

WHITE_BOX = frozenset({Knowledge.PROTOCOL, Knowledge.TARGET, Knowledge.OTHERS})
"""Everything but whether the record is there, and the noise."""

WITH_MODEL = frozenset({Knowledge.PROTOCOL, Knowledge.TARGET, Knowledge.WEIGHTS})
"""The image in question and the model; no other record."""

GROUPS = (2, 4, 8)
"""Records of one person: what a claim about one record does not cover."""

FINE = 10
"""Games of the full profile for each of the quick one."""


@dataclass(frozen=True, kw_only=True)
class WasMyImageUsed:
    """Anyone who holds a release guesses whether one image was used.

    Attributes:
        games: White-box games of an arm, both worlds together.
        costly: Games in which the model runs, both worlds together; 0 leaves those out.
        collection: Whose images are private: `stickies` or `pictograms`.
        images: How many of them, from the first; 0 takes all.
        inversion_steps: Gradient steps an image; None takes the embeddings that ship.
        records: Canaries and zeros that the curator of the worst case holds.
    """

    name = "was-my-image-used"
    question = "Was my image in the collection that the model was adapted to?"
    threat_model = ThreatModel(coalition=(PUBLIC,), knows=WHITE_BOX | WITH_MODEL)
    about = (DifferentialPrivacy,)
    claims = (DifferentialPrivacy(epsilon=1.0, delta=1e-5),)
    defenses = ("dpagg-ti", "dp-guidance", "dp-sgd-ti")
    controls = ("plain-mean", "latentleak.audits.selfcheck.broken_dp:NoClipping")
    optimum = "likelihood ratio"
    together = True
    brief: ClassVar[Mapping[str, int]] = {"games": 400, "costly": 4}
    games: int = 4000
    costly: int = 80
    collection: private_sets.Name = "stickies"
    images: int = 0
    inversion_steps: int | None = None
    records: int = 200

    def __post_init__(self) -> None:
        for name, least in (("games", 2), ("costly", 0), ("images", 0), ("records", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be >= {least}")
        if self.images == 1:
            raise ValueError("images=1 must be 0 or >= 2; one is the other one's replacement")

    def arms(self, defense: Mechanism, profile: str) -> tuple[ReleaseArm, ...]:
        """Canaries for the worst case, groups of them, real images, and pictures drawn."""
        return tuple(self._arms(defense, 1 if profile == "quick" else FINE))

    def _arms(self, defense: Mechanism, factor: int) -> Iterator[ReleaseArm]:
        worst = ReleaseArm(
            name="canaries",
            defense=defense,
            games=self.games * factor,
            records="canaries",
            knows=WHITE_BOX,
        )
        yield worst
        yield replace(worst, name="re-keyed", control_of="canaries")
        broken = hasattr(defense, "effect")  # a control that canaries settle
        if broken or defense.space not in (Space.TOKEN, Space.IMAGE):
            return
        if defense.claims:
            yield from (replace(worst, name=f"group of {k}", group=k) for k in GROUPS)
        image = replace(worst, name="image", records="image")
        yield image
        yield replace(image, name="near-duplicates", records="family")
        yield replace(
            image,
            name="which image",
            records="candidates",
            question=Question.WHICH_RECORD,
            games=max(2, image.games // 10),
        )
        if self.costly and defense.space is Space.TOKEN:
            model = replace(image, name="model", knows=WITH_MODEL, games=self.costly * factor)
            yield model
            yield replace(model, name="pictures", kind="pictures")

    def adversaries(self) -> Mapping[str, Adversary]:
        """From everything but the noise down to pictures alone."""
        return {
            "likelihood ratio": LikelihoodRatio(),
            "reference vector": ReferenceVector(),
            "look-alike": LookAlike(),
            "subtraction": Subtraction(),
        }

    def play(
        self, arm: ReleaseArm, adversaries: Mapping[str, Adversary], setting: Setting
    ) -> PlayedReleases:
        """Play one arm."""
        for adversary in adversaries.values():
            self.threat_model.check(adversary)
        held = self._held(arm, setting)
        own = rekeyed(arm, setting)
        publish = styled.painter(arm, setting) if arm.kind == "pictures" else None
        played = play(arm, held, own, publish=publish)
        if arm.question is Question.WHICH_RECORD and arm.defense.space is Space.TOKEN:
            shown = styled.reconstructions(played, setting)
            played = replace(played, facts={**played.facts, "images": list(shown)})
        return played

    def _held(self, arm: ReleaseArm, setting: Setting) -> neighbours.Held:
        if arm.records == "canaries":
            return neighbours.canaries(arm.defense, records=self.records, group=arm.group)
        target = setting.target("chosen")
        collection = private_sets.load(self.collection)
        images = collection.images[: self.images or None]
        records = neighbours.embed(
            arm.defense.space,
            target,
            images,
            recipe=self._recipe(),
            cache=setting.artifacts.parent / "inversions",
        )
        if arm.records == "candidates":
            return neighbours.candidates(records, images, name=self.collection)
        if arm.records == "family":
            families = collection.family[: len(images)]
            return neighbours.family(
                records, images, families, name=self.collection, seed=setting.seed
            )
        return neighbours.image(records, images, name=self.collection, seed=setting.seed)

    def _recipe(self) -> Recipe | None:
        from ..defenses.dp_adaptation.inversion import Recipe

        return None if self.inversion_steps is None else Recipe(steps=self.inversion_steps)

    def judge(
        self,
        played: Sequence[PlayedReleases],
        adversaries: Mapping[str, Adversary],
        setting: Setting,
    ) -> tuple[Trials, ...]:
        """Hand what was published to every adversary, and count."""
        return judge(played, adversaries, self.threat_model, setting)

    def exact(self, defense: Mechanism, setting: Setting) -> tuple[dict[str, Any], ...]:
        """The trade-off of the worst case in closed form, where it has one."""
        terms = defense.terms(self.records)
        if terms.rate < 1 or terms.sigma == 0:
            return ()
        return (neighbours.closed_form(terms),)
