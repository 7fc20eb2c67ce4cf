"""Everything that is drawn to judge guesses about pictures: decoys, originals, standard runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..defenses.ppidm.macs import count_macs
from ..defenses.seeds import derive
from ..targets.pipeline import BUILT_IN
from . import likeness, standard_run
from .contract import Setting, Trials
from .drawn import Drawn, Said, compare_pictures
from .games import threads_for
from .likeness import Pictures
from .what_did_the_server_see import stated, vocabulary


class Studio:
    """Compares what adversaries drew with what clients got; draws nothing twice.

    Args:
        setting: Of the run.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._clip = likeness.ClipScores()
        self._originals: dict[bytes, Pictures] = {}

    def originals(self, played: Drawn) -> Pictures:
        """What the client got in each game, shape (games, height, width, 3)."""
        key = played.latents.tobytes()
        if key not in self._originals:
            target = self.setting.target(played.arm.model)
            with threads_for(target, BUILT_IN):
                self._originals[key] = likeness.firsts(target, played.latents)
        return self._originals[key]

    def compared(self, played: Drawn, said: Mapping[str, Said]) -> Trials:
        """Trials of an arm; LPIPS, CLIP only where it is more than part of a curve."""
        arm, setting = played.arm, self.setting
        people = vocabulary(arm.candidates, setting.seed)
        prompts, seed = [str(person) for person in people], derive(setting.seed, "decoys")
        target = setting.target(arm.model)
        with threads_for(target, BUILT_IN):
            pool = likeness.decoys(target, arm.defense, prompts, seed, cache=setting.work.parent)
            originals = self.originals(played)
            clip = None if arm.measured else self._clip
            compared = compare_pictures(played, said, pool, originals, clip)
        return replace(compared, facts={**compared.facts, "attributes": stated(people)})

    def utility(self, played: Drawn) -> dict[str, Any]:
        """How much of the work leaves, and how close pictures are to those of the standard run."""
        arm, setting = played.arm, self.setting
        target = setting.target(arm.model)
        unet: Any = target.open("unet").unet
        macs = count_macs(unet, arm.defense.preset)
        facts: dict[str, Any] = {
            "offload_share": macs.share,
            "macs": {"total": macs.total, "named": macs.named, "served": macs.served},
        }
        if not arm.measured:
            with threads_for(target, BUILT_IN):
                facts["psnr"] = standard_run.psnr(played, setting, cache=setting.work.parent)
        return facts
