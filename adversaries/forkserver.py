"""A clean process that has imported the libraries, and forks a fresh one for whoever needs it.

Importing PyTorch and diffusers takes seconds, longer than many attacks. This process is started
once (`python -I`, empty working directory, cleared environment) and serves all that a
run starts, at any depth. It imports modules of this project and calls what they make ready for
everybody, but never opens a view or a transcript: what one child was handed, no other can find.

Protocol, over a Unix socket, one connection a child: a JSON line `{"modules": [name, ...],
"ready": [[function, arguments], ...], "call": function, "arguments": [...]}` with the three
standard streams as file descriptors; then `{"status": exit status}` back. Without a call, nothing
is forked. A child whose connection is closed is killed, and so are all when the process that
started the server ends.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn

AVAILABLE = sys.platform == "linux"
"""Elsewhere libraries that have been imported do not survive a fork."""

START = (
    "import json, sys; from latentleak.adversaries.forkserver import serve; "
    "serve(int(sys.argv[1]), json.loads(sys.argv[2]))"
)
STREAMS = 3
BLOCK = 65_536

PATIENCE = 2.0
"""How long a server may take to end what it has started [s]."""

Call = tuple[str, Sequence[Any]]
"""`package.module:function` and its arguments, as JSON."""


class Child:
    """A process that a server has forked: its owner waits for it, and any thread may end it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._ended = False

    def wait(
        self, timeout: float | None = None, go_on: Callable[[], bool] = lambda: False
    ) -> int | None:
        """Until it is over.

        Args:
            timeout: Longest that it may take [s]; it is killed then.
            go_on: Asked whenever that has passed: whether it may take as long again.

        Returns:
            Its exit status, negative for a signal, also where the server has died with it; None if
            it took too long or was ended.
        """
        line = b""
        with self._connection:
            while True:
                try:
                    self._connection.settimeout(timeout)
                    line = self._connection.recv(BLOCK)
                except TimeoutError:
                    if go_on():
                        continue
                    self._ended = True
                except OSError:  # closed meanwhile
                    pass
                break
        if line:
            return int(json.loads(line)["status"])
        return None if self._ended else -signal.SIGKILL

    def end(self) -> None:
        """Kill it, whatever it does."""
        self._ended = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # wakes who waits, and tells the server


class ForkServer:
    """One server, as those see it who ask it for children.

    Args:
        environment: All that the server and its children have.
        address: Of one that runs; it is started when first needed.
    """

    def __init__(self, environment: Mapping[str, str], address: str = "") -> None:
        self._environment = dict(environment)
        self._address = address
        self._starting = Lock()

    def fork(
        self,
        call: str,
        *arguments: Any,
        streams: Sequence[int],
        modules: Sequence[str] = (),
        ready: Sequence[Call] = (),
    ) -> Child:
        """A process that calls a function and ends.

        Args:
            call: `package.module:function`.
            arguments: Of the function, as JSON.
            streams: File descriptors to be its standard input, output and error.
            modules: To have imported; one that fails does so again for who needs it.
            ready: Called in the server, with what they leave in its memory for all children; they
                must start no thread.
        """
        told = {"call": call, "arguments": list(arguments), "ready": list(ready)}
        return Child(self._asked({**told, "modules": list(modules)}, streams))

    def warm(self, modules: Sequence[str]) -> None:
        """Have modules imported before the first child needs them, without waiting for it."""
        self._asked({"modules": list(modules)}, ()).close()

    def _asked(self, request: Mapping[str, Any], streams: Sequence[int]) -> socket.socket:
        with self._starting:
            connection = self._connected()
        with suppress(OSError):  # who waits finds out
            socket.send_fds(connection, [json.dumps(request).encode() + b"\n"], streams)
        return connection

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self._address)
        except OSError:
            connection.close()
            self._start()
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self._address)
        return connection

    def _start(self) -> None:
        scratch = tempfile.TemporaryDirectory(prefix="latentleak-", ignore_cleanup_errors=True)
        self._address = (
            f"\0latentleak-{secrets.token_hex(16)}"  # abstract: no file, no longest path
        )
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._address)
            listener.listen()
            number = listener.fileno()
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", START, str(number), json.dumps(self._environment)],
                cwd=scratch.name,
                env=self._environment,
                stdin=subprocess.PIPE,  # its end is the end of this process
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(number,),
                start_new_session=True,
            )
        atexit.register(_stop, process, scratch)


def _stop(process: subprocess.Popen[bytes], scratch: tempfile.TemporaryDirectory[str]) -> None:
    assert process.stdin is not None
    process.terminate()
    process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(PATIENCE)
    process.kill()
    process.wait()
    scratch.cleanup()


_KNOWN: dict[str, ForkServer] = {}
_KNOWING = Lock()


def fork_server(environment: Mapping[str, str]) -> ForkServer:
    """The server of this environment; one serves all processes below the one that started it."""
    with _KNOWING:
        return _KNOWN.setdefault(_key(environment), ForkServer(environment))


def _key(environment: Mapping[str, str]) -> str:
    return json.dumps(dict(environment), sort_keys=True)


def serve(listener: int, environment: Mapping[str, str]) -> None:
    """The process: import, fork, tell how it ended; until its standard input ends.

    Args:
        listener: Number of the listening socket.
        environment: By which children know this server.
    """
    with socket.socket(fileno=listener) as listening:
        address = os.fsdecode(listening.getsockname())
        _KNOWN[_key(environment)] = ForkServer(environment, address)
        tempfile.tempdir = os.getcwd()  # removed when this ends
        _Server(listening).run()


class _Server:
    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._children: dict[int, socket.socket] = {}
        self._scratch: dict[int, str] = {}
        self._woken, self._waking = socket.socketpair()
        self._ready = selectors.DefaultSelector()

    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._end())  # also in the middle of an import
        self._waking.setblocking(False)
        signal.set_wakeup_fd(self._waking.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._ready.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
        self._ready.register(self._listening, selectors.EVENT_READ, self._begin)
        self._ready.register(self._woken, selectors.EVENT_READ, self._reap)
        while True:
            for key, _ in self._ready.select():
                if key.data is None:
                    self._end()
                key.data()

    def _end(self) -> NoReturn:
        for pid in tuple(self._children):
            self._kill(pid)
        shutil.rmtree(Path.cwd(), ignore_errors=True)
        os._exit(0)

    def _begin(self) -> None:
        connection, _ = self._listening.accept()
        request, streams = _received(connection) if _of_this_user(connection) else ({}, [])
        for module in request.get("modules", ()):
            with suppress(Exception):
                importlib.import_module(module)
        for name, arguments in request.get("ready", ()):
            with suppress(Exception):
                _found(name)(*arguments)
        try:
            if "call" in request:
                self._fork(request, streams, connection)
            else:
                connection.close()
        except OSError:  # no room for another process or its files: who waits finds it gone
            connection.close()
        finally:
            for stream in streams:
                os.close(stream)

    def _fork(
        self, request: Mapping[str, Any], streams: Sequence[int], connection: socket.socket
    ) -> None:
        scratch = tempfile.mkdtemp()
        if (pid := os.fork()) == 0:
            self._become(request, streams, connection, Path(scratch))
        self._children[pid], self._scratch[pid] = connection, scratch
        self._ready.register(connection, selectors.EVENT_READ, partial(self._kill, pid))

    def _reap(self) -> None:
        self._woken.recv(BLOCK)
        for pid in tuple(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                connection = self._children.pop(pid)
                self._ready.unregister(connection)
                shutil.rmtree(self._scratch.pop(pid), ignore_errors=True)
                with connection, suppress(OSError):
                    answer = {"status": os.waitstatus_to_exitcode(status)}
                    connection.sendall(json.dumps(answer).encode() + b"\n")

    def _kill(self, pid: int) -> None:
        """The child and all that it has started, even if it has no group of its own yet."""
        for kill in (os.killpg, os.kill) if pid in self._children else ():
            with suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)

    def _become(
        self,
        request: Mapping[str, Any],
        streams: Sequence[int],
        connection: socket.socket,
        scratch: Path,
    ) -> NoReturn:
        """The child: nothing of its parent's is open, and its files go with it; never returns."""
        status = 1
        try:
            os.setsid()
            signal.set_wakeup_fd(-1)
            for caught in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(caught, signal.SIG_DFL)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            self._ready.close()
            for each in (self._listening, self._woken, self._waking, connection):
                each.close()
            for each in self._children.values():
                each.close()
            (scratch / "empty").mkdir()
            os.chdir(scratch / "empty")
            tempfile.tempdir = str(scratch)
            _found(request["call"])(*request["arguments"])
            status = 0
        except SystemExit as exit_:
            status = exit_.code if isinstance(exit_.code, int) else 1
        except BaseException as error:
            sys.excepthook(type(error), error, error.__traceback__)
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


def _of_this_user(connection: socket.socket) -> bool:
    """Whether who connected is who started this: an abstract address is open to all."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return bool(user == os.getuid())


def _received(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A request, and the streams that came with it; nothing from who has given up."""
    text, streams, _, _ = socket.recv_fds(connection, BLOCK, STREAMS)
    more = text
    while more and not text.endswith(b"\n"):
        text += (more := connection.recv(BLOCK))
    return (json.loads(text) if text.endswith(b"\n") else {}), streams


def _found(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)
