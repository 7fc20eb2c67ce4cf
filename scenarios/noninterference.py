"""Equal coins, another real prompt: are the server's views the same bytes?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..defenses.obclip.protocol import ObClip
from ..defenses.protocol import Defense, execute
from ..defenses.seeds import derive
from ..targets.pipeline import Target
from .contract import Setting
from .games import threads_for


def noninterference(
    defense: Defense, target: Target, templates: Sequence[str], setting: Setting
) -> dict[str, Any]:
    """Run every candidate of every template with equal coins and compare the server's views.

    Returns:
        Counts, and whether all views of a template are byte-identical: then no server, however
        clever, tells the candidates of these templates apart at these coins.
    """
    differing, executions = [], 0
    with threads_for(target):
        for number, template in enumerate(templates):
            seed = derive(setting.seed, "noninterference", number)
            candidates = ObClip().candidates(template)
            views = {_digest(defense, target, real, seed) for real in candidates}
            executions += len(candidates)
            if len(views) > 1:
                differing.append(template)
            setting.progress("noninterference", number + 1, len(templates))
    return {
        "name": "noninterference",
        "templates": len(templates),
        "executions": executions,
        "identical": not differing,
        "differing": differing,
        "model": target.to_dict()["spec"],
    }


def _digest(defense: Defense, target: Target, real: str, seed: int) -> str:
    transcript = execute(defense, target, real, seed)[1]
    digest = transcript.view(frozenset(defense.servers)).digest()
    transcript.close()
    return digest
