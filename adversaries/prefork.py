"""A clean process that has imported the libraries, and forks a fresh one for each adversary.

Importing PyTorch and diffusers takes seconds, longer than many attacks. This process is started
like any sealed one (`python -I`, empty working directory, cleared environment), is told which of
the project's modules an adversary needs, imports them, and forks. It never opens a view: what one
adversary was handed, no other one can find here. What follows from the public model alone (see
`PRIMERS`) is made here once, where the numeric libraries have one thread and forks are safe.

Protocol, one JSON value a line: `{"root": folder, "imports": [module, ...], "model": fields of a
Target or null}` in, `{"status": exit status}` out. The child's errors are in `root/stderr`.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

AVAILABLE = sys.platform == "linux"
"""Elsewhere libraries that have been imported do not survive a fork."""

ERRORS = "stderr"

PRIMERS = {
    "latentleak.adversaries.he_views": "prime",
    "latentleak.adversaries.fill_in": "public_latents",
    "latentleak.adversaries.noise_prediction": "public_latents",
    "latentleak.adversaries.selection_leak": "public_latents",
}
"""By module, a function of a `Target` that is called where an adversary imports the module."""

GLANCE = 0.5
"""Longest wait before a look whether another thread has stopped the process [s]."""


class Prefork:
    """The parent's end, a context manager: one thread runs it, any may stop it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._empty = tempfile.TemporaryDirectory(prefix="latentleak-")
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Prefork:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._empty.cleanup()

    def run(
        self,
        root: Path,
        imports: Sequence[str],
        *,
        model: Mapping[str, Any] | None = None,
        timeout: float,
    ) -> int | None:
        """Play the jobs under `root` in a fresh process.

        Args:
            root: As `sealed.run_jobs` reads it.
            imports: Modules of this project to have ready.
            model: Fields of the `Target` whose public material is to be ready.
            timeout: Longest that it may take [s].

        Returns:
            Its exit status, negative for a signal; None if it took too long or was stopped.
        """
        process = self._process or self._start()
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):
            request = {"root": str(root), "imports": list(imports), "model": model}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        line = ""
        with suppress(ValueError), selectors.DefaultSelector() as ready:  # closed meanwhile
            ready.register(process.stdout, selectors.EVENT_READ)
            deadline = time.monotonic() + timeout
            # Who closes a pipe that another thread waits for does not wake it: look up at times.
            while not ready.select(min(GLANCE, max(0.0, deadline - time.monotonic()))):
                if self._process is not process:
                    return None
                if time.monotonic() >= deadline:
                    self.stop()
                    return None
            line = process.stdout.readline()
        if line:
            return int(json.loads(line)["status"])
        if self._process is not process:
            return None
        status = process.wait()
        self.stop()
        return status

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-I", "-m", __name__],
            cwd=self._empty.name,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def stop(self) -> None:
        """Kill the process and whatever plays in it; the next run starts another."""
        if self._process is None:
            return
        process, self._process = self._process, None
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


_IDLE: defaultdict[tuple[tuple[str, str], ...], list[Prefork]] = defaultdict(list)


@contextmanager
def lent(environment: Mapping[str, str]) -> Iterator[Prefork]:
    """A process that waits for the next borrower once it is given back, and ends with this one."""
    idle = _IDLE[tuple(sorted(environment.items()))]
    fork = idle.pop() if idle else _registered(Prefork(environment))
    try:
        yield fork
    finally:
        idle.append(fork)


def _registered(fork: Prefork) -> Prefork:
    atexit.register(fork.__exit__, None, None, None)
    return fork


def serve() -> None:
    """The process: import, fork, wait, answer; ends with its standard input."""
    for line in iter(sys.stdin.readline, ""):
        request: dict[str, Any] = json.loads(line)
        for module in request["imports"]:
            with suppress(Exception):  # the adversary meets the same error, and reports it
                importlib.import_module(module)
        if request["model"] is not None:
            _prime(request["model"])
        child = os.fork()
        if child == 0:
            _play(Path(request["root"]))
        _, status = os.waitpid(child, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


def _prime(model: Mapping[str, Any]) -> None:
    """Make what follows from the model alone; each primer remembers what it made."""
    for name, function in PRIMERS.items():
        if (module := sys.modules.get(name)) is not None:
            with suppress(Exception):  # the adversary meets the same error, and reports it
                from ..targets.pipeline import Target

                getattr(module, function)(Target(**model))


def _play(root: Path) -> None:
    """The child: no pipe of its parent's, a folder of its own; never returns."""
    status = 1
    try:
        _redirect(root)
        with tempfile.TemporaryDirectory(prefix="latentleak-") as empty:
            os.chdir(empty)
            from .sealed import run_jobs

            run_jobs(root)
            os.chdir("/")
        status = 0
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _redirect(root: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    errors = os.open(root / ERRORS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for source, goal in ((nothing, 0), (nothing, 1), (errors, 2)):
        os.dup2(source, goal)
    os.close(nothing)
    os.close(errors)


if __name__ == "__main__":
    serve()
