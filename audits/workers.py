"""Parts of a run side by side, in processes of their own.

Each process is forked from one that has imported the libraries. It is told the configuration and
the run folder, then one unit after the other, as JSON lines; it answers with its progress, and with
null at the end of a unit. A unit is an arm that is played ahead of its judgement, or a whole
scenario. Everything that decides a game comes from the configuration and the seed: the findings are
the same bytes however units are shared out.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Condition
from typing import IO, Any

from ..adversaries.forkserver import AVAILABLE, Call, fork_server
from ..adversaries.sealed import MODEL, environment
from ..scenarios.contract import Progress
from ..targets.pipeline import BUILT_IN
from .catalog import spec_of
from .config import RunConfig
from .folder import RunFolder

AT_ONCE = 2
"""Processes."""

MODULES = (
    *MODEL,
    "latentleak.audits.engine",
    "latentleak.scenarios.games",
)
"""What a process imports that plays."""

PROCESS: Call = ("latentleak.audits.workers:main", ())

ARM, SCENARIO = "arm", "scenario"
Unit = tuple[str, str, int]
"""`ARM`, the `games` of a contest and the number of the arm; or `SCENARIO`, its name and 0."""


class Units:
    """What is to be done, in order; some of it only once other units are done.

    Args:
        units: In the order in which they are handed out.
        needs: Units that must be done before another one is handed out.

    Attributes:
        lost: Units on which a process died.
    """

    def __init__(self, units: Iterable[Unit], needs: Mapping[Unit, frozenset[Unit]]) -> None:
        self._waiting = list(units)
        self._needs = needs
        self._done: set[Unit] = set()
        self.lost: list[Unit] = []
        self._changed = Condition()

    def take(self) -> Unit | None:
        """The next unit, once there is one; None when all are handed out."""
        with self._changed:
            while self._waiting:
                for unit in self._waiting:
                    if self._needs.get(unit, frozenset()) <= self._done:
                        self._waiting.remove(unit)
                        return unit
                self._changed.wait()
            return None

    def end(self, unit: Unit, *, lost: bool = False) -> None:
        """A unit is done, or was given up."""
        with self._changed:
            self._done.add(unit)
            self.lost += [unit] if lost else []
            self._changed.notify_all()


def side_by_side(
    units: Units,
    config: RunConfig,
    folder: RunFolder,
    progress: Progress,
    split: Mapping[str, float] | None = None,
) -> None:
    """Let processes do all units. One that dies leaves its unit undone; another takes its place.

    Args:
        units: What is to be done.
        config: Of the run.
        folder: Of the run; what is done is found there.
        progress: Shows how far it is.
        split: Alpha of each claim, where whole scenarios are to be done.
    """
    told = {
        "path": sys.path,
        "environment": dict(os.environ),
        "cwd": str(Path.cwd()),
        "config": config.to_dict(),
        "out": str(folder.path),
        "split": dict(split or {}),
    }
    with tempfile.TemporaryFile("w") as errors, ThreadPoolExecutor(AT_ONCE) as pool:
        workers = [_Worker(told, errors) for _ in range(AT_ONCE)]
        try:
            list(pool.map(lambda worker: worker.work(units, progress), workers))
        finally:
            for worker in workers:
                worker.stop()


def of_use(config: RunConfig) -> bool:
    """Whether there are cores for several processes, and models with not more to do than one."""
    small = config.model in BUILT_IN and config.device in ("auto", "cpu")
    return AVAILABLE and small and (os.cpu_count() or 1) >= AT_ONCE


def warm(config: RunConfig) -> None:
    """Import the libraries once for all processes of a run, while this one does.

    Raises:
        UnknownNameError: A scenario or the defence is not known, told before anything is imported.
    """
    for name in config.scenarios if config.scenarios != ("all",) else ():
        spec_of("scenario", name)
    if config.defense is not None:
        spec_of("defense", config.defense)
    if AVAILABLE and (config.sealed or of_use(config)):
        threads = config.threads if config.sealed else 1
        fork_server(environment(threads)).warm(MODULES)


class _Worker:
    """The parent's end of one process."""

    def __init__(self, told: Mapping[str, Any], errors: IO[str]) -> None:
        self._told = told
        self._errors = errors
        self._stopped = False
        self._start()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        call, arguments = PROCESS
        with ours, theirs:
            self._child = fork_server(environment(1)).fork(
                call,
                *arguments,
                streams=(theirs.fileno(), theirs.fileno(), self._errors.fileno()),
                modules=MODULES,
            )
            self._asking, self._answers = ours.makefile("w"), ours.makefile("r")
        with suppress(OSError):  # who hands out units finds out
            say(self._asking, self._told)

    def work(self, units: Units, progress: Progress) -> None:
        """Hand out units until there are none."""
        while (unit := units.take()) is not None:
            lived = not self._stopped and self._do(unit, progress)
            units.end(unit, lost=not lived)
            if not lived and not self._stopped:
                self._end()
                self._start()

    def _do(self, unit: Unit, progress: Progress) -> bool:
        """Whether the process lived to tell that the unit is done."""
        with suppress(OSError, ValueError):  # dead, or stopped meanwhile
            say(self._asking, unit)
            for line in self._answers:
                said = json.loads(line)
                if said is None:
                    return True
                progress(*said)
        return False

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._stopped = True
        self._end()

    def _end(self) -> None:
        self._child.end()
        self._child.wait()
        for pipe in (self._asking, self._answers):
            with suppress(OSError, ValueError):
                pipe.close()


def say(pipe: IO[str], value: Any) -> None:
    """Write one JSON line."""
    pipe.write(json.dumps(value) + "\n")
    pipe.flush()


def main() -> None:
    """The process: what its parent imports and where it is, then units until there are none."""
    told = json.loads(sys.stdin.readline())
    sys.path[:] = told["path"]
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["cwd"])
    config, folder = RunConfig.of(told["config"]), RunFolder(Path(told["out"]))
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # whatever a library prints is no answer
        _serve(config, folder, told["split"], sys.stdin, answers)


def _serve(
    config: RunConfig,
    folder: RunFolder,
    split: Mapping[str, float],
    requests: IO[str],
    answers: IO[str],
) -> None:
    import torch

    from .contest import contests, scenarios_of
    from .engine import setting_of
    from .part import of_scenario, pictures_of

    torch.set_num_threads(1)  # processes share the cores; threads of two would wait for each other
    names = scenarios_of(config)
    every = contests(config, names)
    by_games = {each.games: each for each in every}
    shared = setting_of(config, folder, lambda *_: None)
    for line in requests:
        what, name, number = json.loads(line)
        scenario = name.partition("/")[0] if what == ARM else name

        def progress(label: str, done: int, total: int, of: str = scenario) -> None:
            say(answers, (label if len(names) == 1 else f"{of}: {label}", done, total))

        setting = replace(shared, progress=progress, at_once=1)
        with suppress(Exception):  # left undone, it fails again where it is reported
            if what == ARM:
                own = pictures_of(scenario, setting) if len(names) > 1 else setting
                by_games[name].play_arm(number, config, own)
            else:
                of_scenario(name, every, config, folder, setting, split)
        say(answers, None)
