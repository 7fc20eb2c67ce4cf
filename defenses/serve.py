"""Servers as processes of their own, and what each of them recorded.

    python -m latentleak.defenses.serve --spec '{"defense": {"path": "...", "fields": {}}, ...}'

The process announces `{"port": N}` on stdout when it listens, and stops on SIGTERM, on SIGINT or
when its stdin closes, so that it never outlives whoever started it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .codec import ProtocolError
from .seeds import derive
from .session import CLOSED, serve, session_files
from .spec import Spec
from .tcp import Limits, Tcp
from .transcript import Transcript, View
from .wire import Party

if TYPE_CHECKING:
    from ..targets.pipeline import Target
    from .protocol import Defense

__all__ = [
    "CLOSED",
    "ServerSpec",
    "main",
    "parse_spec",
    "record_folder",
    "recorded_views",
    "serve",
    "session_files",
    "spawn_servers",
]

_GRACE = 30.0


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """What one server process runs; its JSON form is what `--spec` takes.

    Attributes:
        defense: `path` and `fields` of a `Spec`.
        target: Keyword arguments of `targets.load`.
        party: Which of the defence's servers this is.
        seed: Seed of this server; session n draws from `derive(seed, "session", n)`.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        record: Folder for the records of its sessions, or None.
        tap: Message kinds whose payloads are kept; None keeps all.
        limits: Fields of `Limits` [s].
        threads: Threads of torch, or None for torch's choice.
    """

    defense: dict[str, Any]
    target: dict[str, Any]
    party: str
    seed: int
    host: str = "127.0.0.1"
    port: int = 0
    record: str | None = None
    tap: list[str] | None = None
    limits: dict[str, float] = field(default_factory=dict)
    threads: int | None = None

    def run(self, ready: Callable[[int], None], stop: threading.Event) -> None:
        """Open the models and serve until `stop` is set.

        Raises:
            ValueError: If the defence, the target or the limits cannot be built as asked.
        """
        from ..targets.pipeline import load

        try:
            defense, limits = Spec(**self.defense).build(), Limits(**self.limits)
            target = load(**self.target)
        except TypeError as error:
            raise ValueError(f"spec of {self.party}: {error}") from error
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        serve(
            defense,
            target,
            Party(self.party),
            host=self.host,
            port=self.port,
            record=None if self.record is None else Path(self.record),
            seed=self.seed,
            ready=ready,
            stop=stop,
            tap=None if self.tap is None else frozenset(self.tap),
            limits=limits,
        )


def parse_spec(text: str) -> ServerSpec:
    """Read the JSON form of a `ServerSpec`.

    Raises:
        ValueError: If it is not JSON, a key is missing or unknown.
    """
    values = json.loads(text)
    if not isinstance(values, dict):
        raise ValueError(f"spec must be a JSON object, not a {type(values).__name__}")
    known = ServerSpec.__dataclass_fields__
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"spec has no key {unknown[0]!r}; valid keys: {', '.join(known)}")
    missing = sorted({"defense", "target", "party", "seed"} - set(values))
    if missing:
        raise ValueError(f"spec lacks the key {missing[0]!r}")
    return ServerSpec(**values)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one server; the exit status is 0 after a stop, 2 for a wrong specification."""
    parser = argparse.ArgumentParser(prog="python -m latentleak.defenses.serve")
    parser.add_argument("--spec", required=True, help="what to serve, as JSON")
    text = parser.parse_args(arguments).spec
    out = sys.stdout  # for the port alone: what a plug-in prints goes to stderr
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s: %(message)s")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    try:
        with redirect_stdout(sys.stderr):
            parse_spec(text).run(
                lambda port: print(f'{{"port": {port}}}', file=out, flush=True), stop
            )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _stop_at_end_of_input(stop: threading.Event) -> None:
    with suppress(OSError):  # closed already
        while os.read(0, 1 << 12):
            pass
    stop.set()


@contextmanager
def spawn_servers(
    defense: Defense,
    target: Target,
    record: Path | None,
    *,
    seed: int,
    tap: frozenset[str] | None = None,
    limits: Limits | None = None,
    threads: int | None = None,
    start: float = 120.0,
) -> Iterator[Tcp]:
    """Start one process per server on this machine; stop them at the end of the block.

    Args:
        defense: The protocol, a dataclass that `Spec.of` can name; all its servers are started.
        target: The models; each process opens its own.
        record: Folder whose sub-folders (see `record_folder`) get each server's records, or None.
        seed: The server `p` gets `derive(seed, "server", p)`.
        tap: Message kinds whose payloads are recorded; None records all.
        limits: How long client and servers wait for each other.
        threads: Threads of torch in each process, as many as here by default, so that
            processes compute bit for bit what one process would.
        start: How long the servers may take to open their models [s].

    Yields:
        The transport, ready for `execute`.

    Raises:
        RuntimeError: If a server does not start.
        SpecError: If the defence has a field without JSON form.
    """
    import torch

    spec, limits = Spec.of(defense), limits or Limits()
    with ExitStack() as stack:
        processes = {}
        for party in defense.servers:
            server = ServerSpec(
                defense={"path": spec.path, "fields": dict(spec.fields)},
                target=asdict(target),
                party=party,
                seed=derive(seed, "server", party),
                record=None if record is None else str(record_folder(record, party)),
                tap=None if tap is None else sorted(tap),
                limits=asdict(limits),
                threads=threads or torch.get_num_threads(),
            )
            processes[party] = stack.enter_context(_process(server))
        deadline = time.monotonic() + start
        ports = {party: _port(party, process, deadline) for party, process in processes.items()}
        yield Tcp({party: ("127.0.0.1", port) for party, port in ports.items()}, limits=limits)


@contextmanager
def _process(spec: ServerSpec) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"{__package__}.serve", "--spec", json.dumps(asdict(spec))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(party: Party, process: subprocess.Popen[bytes], deadline: float) -> int:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise RuntimeError(f"{party} did not start in time; give it more with start=SECONDS")
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{party} did not start; its own message is on stderr")
    return int(json.loads(line)["port"])


def record_folder(root: Path, party: Party) -> Path:
    """Where `spawn_servers` lets a server keep its records."""
    return root / party.replace("/", "-")


def recorded_views(root: Path, coalition: Iterable[Party]) -> Iterator[View]:
    """The recorded sessions as `coalition` saw them: the union of its members' own records.

    Members keep no common clock, so the messages stand member by member, in order of name.

    Args:
        root: What `spawn_servers` was given as `record`.
        coalition: Servers.

    Yields:
        One view per session, in order.

    Raises:
        ProtocolError: If members recorded different sessions, or a record was changed.
    """
    members = sorted(set(coalition))
    files = {party: session_files(record_folder(root, party)) for party in members}
    names = {tuple(path.name for path in paths) for paths in files.values()}
    if len(names) != 1:
        counts = ", ".join(f"{party}: {len(paths)}" for party, paths in files.items()) or "nobody"
        raise ProtocolError(f"the coalition must have recorded the same sessions; it has {counts}")
    for paths in zip(*files.values(), strict=True):
        views = []
        for party, path in zip(members, paths, strict=True):
            transcript = Transcript.load(path)
            views.append(transcript.view({party}))
            transcript.close()
        messages = [message for view in views for message in view.messages]
        yield View(
            coalition=frozenset(members),
            messages=tuple(replace(message, number=i) for i, message in enumerate(messages)),
            coins={party: seed for view in views for party, seed in view.coins.items()},
            public=views[0].public,
        )


if __name__ == "__main__":
    sys.exit(main())
