"""Play the arms of a scenario side by side, in processes of their own.

A scenario that says `parallel` takes up what was played before, so that arms can be played in any
order by anybody: the run then finds them done. Everything that decides a game comes from the
configuration and the seed; the findings are the same bytes as without.

Each process is told the configuration and the run folder, then one arm after the other, as JSON
lines; it answers with its progress.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from ..scenarios.contract import Progress
from ..targets.pipeline import BUILT_IN
from .config import RunConfig
from .folder import RunFolder

if TYPE_CHECKING:
    from .contest import Contest

AT_ONCE = 2
"""Processes."""

START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from latentleak.audits.ahead import main; main()"
)

Arm = tuple[str, int]
"""`games` of a contest, and the number of the arm."""


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
    waiting: SimpleQueue[Arm] = SimpleQueue()
    parallel = any(getattr(each.scenario, "parallel", False) for each in group.values())
    rebuilt = _rebuilt(config) if parallel else {}
    for games, each in group.items():
        if each == rebuilt.get(games):
            for number, arm in enumerate(each.scenario.arms(each.defense, config.profile)):
                if not getattr(arm, "timed", False):
                    waiting.put((games, number))
    small = config.model in BUILT_IN and config.device in ("auto", "cpu")
    if not small or waiting.qsize() < AT_ONCE or (os.cpu_count() or 1) < AT_ONCE:
        return
    workers: list[subprocess.Popen[str]] = []
    try:
        with tempfile.TemporaryFile("w") as errors, ThreadPoolExecutor(AT_ONCE) as pool:
            try:
                workers += [_started(errors) for _ in range(AT_ONCE)]
                list(pool.map(lambda w: _feed(w, waiting, config, folder, progress), workers))
            finally:
                for worker in workers:
                    worker.kill()
    finally:
        for worker in workers:
            worker.wait()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()


def _rebuilt(config: RunConfig) -> dict[str, Contest]:
    """The contests of a configuration, as a process builds them that knows nothing else."""
    from .contest import contests, scenarios_of

    return {each.games: each for each in contests(config, scenarios_of(config))}


def _started(errors: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def _feed(
    worker: subprocess.Popen[str],
    waiting: SimpleQueue[Arm],
    config: RunConfig,
    folder: RunFolder,
    progress: Progress,
) -> None:
    assert worker.stdin is not None
    assert worker.stdout is not None
    with suppress(BrokenPipeError, Empty):
        _say(worker.stdin, {"config": config.to_dict(), "out": str(folder.path)})
        while True:
            _say(worker.stdin, waiting.get_nowait())
            for line in worker.stdout:
                said = json.loads(line)
                if said is None:
                    break
                progress(*said)
            else:
                return  # it died


def _say(pipe: IO[str], value: Any) -> None:
    pipe.write(json.dumps(value) + "\n")
    pipe.flush()


def main() -> None:
    """The process: the configuration and the folder, then arms until there are none."""
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # whatever a library prints is no answer
        _serve(sys.stdin, answers)


def _serve(requests: IO[str], answers: IO[str]) -> None:
    from .engine import setting_of

    first = json.loads(requests.readline())
    config = RunConfig.of(first["config"])
    every = _rebuilt(config)

    def progress(label: str, done: int, total: int) -> None:
        _say(answers, (label, done, total))

    setting = setting_of(config, RunFolder(Path(first["out"])), progress)
    for line in requests:
        games, number = json.loads(line)
        every[games].play_arm(number, config, setting)
        _say(answers, None)
