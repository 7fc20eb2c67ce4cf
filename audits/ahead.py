"""Which arms of a scenario, and which scenarios of a run, are worth a process of their own.

A scenario that says `parallel` takes up what was played before, so that arms can be played in any
order by anybody: the run then finds them done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from ..scenarios.contract import Progress
from .config import RunConfig
from .folder import RunFolder
from .workers import ARM, AT_ONCE, SCENARIO, Unit, Units, of_use, side_by_side

if TYPE_CHECKING:
    from .contest import Contest


def play_ahead(
    group: Mapping[str, Contest], config: RunConfig, folder: RunFolder, progress: Progress
) -> None:
    """Play the arms of contests side by side, where that is of use.

    It is not for contests that the configuration alone does not give, for a single arm, on a
    single core, for models that have more to do than one core, or where clocks are read. What
    fails here is left undone, and fails again where it is reported.

    Args:
        group: `games` to contest, all of one scenario.
        config: Of the run.
        folder: Of the run.
        progress: Shows how far it is.
    """
    if not of_use(config):
        return
    if not any(getattr(each.scenario, "parallel", False) for each in group.values()):
        return
    rebuilt = _rebuilt(config)
    same = [each for games, each in group.items() if each == rebuilt.get(games)]
    arms = _arms(same, config)
    if len(arms) >= AT_ONCE:
        side_by_side(Units(arms, {}), config, folder, progress)


def do_ahead(
    every: Sequence[Contest],
    config: RunConfig,
    folder: RunFolder,
    progress: Progress,
    split: Mapping[str, float],
) -> frozenset[str]:
    """Do the scenarios of a run side by side, where that is of use.

    Arms come first, those of the scenario with the most work before the others', and are judged
    once all are played. What is played in one piece fills the end.

    Args:
        every: Contests of the run, as the configuration alone gives them.
        config: Of the run.
        folder: Of the run; what is done is found there.
        progress: Shows how far it is.
        split: Alpha of each claim.

    Returns:
        Scenarios in which a process died.
    """
    if not of_use(config):
        return frozenset()
    whole: list[Unit] = []
    pieces: list[tuple[int, list[Unit]]] = []
    needs: dict[Unit, frozenset[Unit]] = {}
    for name in dict.fromkeys(each.scenario.name for each in every):
        own = {each.games: each for each in every if each.scenario.name == name}
        unit = (SCENARIO, name, 0)
        arms: list[Unit] = []
        with suppress(Exception):  # arms that cannot be told fail where it is reported
            arms += _unplayed(own.values(), config, folder)
        needs[unit] = frozenset(arms)
        if arms:
            pieces.append((len(arms) * len(own[next(iter(own))].adversaries), [*arms, unit]))
        else:
            whole.append(unit)
    ordered = sorted(pieces, key=itemgetter(0), reverse=True)
    units = Units([*chain.from_iterable(each for _, each in ordered), *whole], needs)
    side_by_side(units, config, folder, progress, split)
    return frozenset(name for what, name, _ in units.lost if what == SCENARIO)


def _unplayed(every: Iterable[Contest], config: RunConfig, folder: RunFolder) -> Iterator[Unit]:
    for each in every:
        if getattr(each.scenario, "parallel", False) and each.kept(config, folder) is None:
            yield from _arms([each], config)


def _arms(every: Iterable[Contest], config: RunConfig) -> list[Unit]:
    """What takes long comes first: arms on the tiny model are last."""
    found = [
        (getattr(arm, "model", "") == "tiny", (ARM, each.games, number))
        for each in every
        for number, arm in enumerate(each.scenario.arms(each.defense, config.profile))
        if not getattr(arm, "timed", False)
    ]
    return [unit for _, unit in sorted(found, key=itemgetter(0))]


def _rebuilt(config: RunConfig) -> dict[str, Contest]:
    """The contests of a configuration, as a process builds them that knows nothing else."""
    from .contest import contests, firsts, scenarios_of

    return firsts(contests(config, scenarios_of(config)))
