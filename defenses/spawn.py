"""Server halves in processes of their own on this machine, and what each of them recorded."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .codec import ProtocolError
from .seeds import derive
from .serve import ServerSpec, session_files
from .spec import Spec
from .tcp import Limits, Tcp
from .transcript import Transcript, View
from .wire import Party

_GRACE = 10.0


@contextmanager
def spawn_servers(
    defense: Spec,
    target: Mapping[str, Any],
    parties: Sequence[Party],
    record: Path | None,
    seed: int,
    *,
    tap: frozenset[str] | None = None,
    limits: Limits | None = None,
    threads: int | None = None,
    start: float = 120.0,
) -> Iterator[Tcp]:
    """Start one process per server on this machine; stop them at the end of the block.

    Args:
        defense: The protocol; found by the processes from the present working directory.
        target: Keyword arguments of `targets.load`.
        parties: The servers to start.
        record: Folder whose sub-folders (see `record_folder`) get each server's records, or None.
        seed: The server `p` gets `derive(seed, "server", p)`.
        tap: Message kinds whose payloads are recorded; None records all.
        limits: How long client and servers wait for each other.
        threads: Threads of torch in each process, or None for torch's choice.
        start: How long the servers may take to open their models [s].

    Yields:
        The transport, ready for `execute`.

    Raises:
        RuntimeError: If a server does not start.
    """
    limits = limits or Limits()
    with ExitStack() as stack:
        processes = {}
        for party in parties:
            spec = ServerSpec(
                defense={"path": defense.path, "fields": dict(defense.fields)},
                target=dict(target),
                party=party,
                seed=derive(seed, "server", party),
                record=None if record is None else str(record_folder(record, party)),
                tap=None if tap is None else sorted(tap),
                limits=asdict(limits),
                threads=threads,
            )
            processes[party] = stack.enter_context(_process(spec))
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
