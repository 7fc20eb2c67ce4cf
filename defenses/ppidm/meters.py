"""What a run costs: bytes and round trips to each server, seconds on each side."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..transport import InProcess
from ..wire import CLIENT, Link, Message, Party, Reply

if TYPE_CHECKING:
    from ...targets.pipeline import Target
    from ..protocol import Defense


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What crossed between the client and one server in a step, on average.

    Attributes:
        up: Payload bytes to the server.
        down: Payload bytes back.
        round_trips: Requests, each with its reply.
    """

    up: float
    down: float
    round_trips: float


def traffic(messages: Iterable[Message], steps: int) -> dict[Party, Traffic]:
    """Traffic of an execution, by server.

    Args:
        messages: A transcript whose payloads were kept.
        steps: Denoising steps of the execution, at least 1.
    """
    if steps < 1:
        raise ValueError(f"steps={steps} must be >= 1")
    counts: dict[Party, list[int]] = {}
    for message in messages:
        if message.sender == CLIENT:
            total = counts.setdefault(message.receiver, [0, 0, 0])
            total[0] += len(message.payload)
            total[2] += 1
        else:
            counts.setdefault(message.sender, [0, 0, 0])[1] += len(message.payload)
    return {
        party: Traffic(up=up / steps, down=down / steps, round_trips=trips / steps)
        for party, (up, down, trips) in counts.items()
    }


@dataclass
class Stopwatch:
    """A transport in one process that times both sides: pass it to `execute`.

    The views of an execution stay free of clocks: what is measured stays here.

    Attributes:
        inner: Carries the bytes.
        client: Seconds at the client: sharing, non-linearities, serialization, recording.
        servers: Seconds in which servers answered, serialization included, all of them together.
        requests: Requests, one for each server that was asked.
    """

    inner: InProcess = field(default_factory=InProcess)
    client: float = 0.0
    servers: float = 0.0
    requests: int = 0

    @contextmanager
    def connect(self, defense: Defense, target: Target, seeds: dict[Party, int]) -> Iterator[Link]:
        """Start one session; preparing the servers' weights is not counted."""
        with self.inner.connect(defense, target, seeds) as link:
            start, before = time.perf_counter(), self.servers
            try:
                yield _Timed(link, self)
            finally:
                elapsed = time.perf_counter() - start
                self.client += elapsed - (self.servers - before)


class _Timed:
    def __init__(self, link: Link, watch: Stopwatch) -> None:
        self._link = link
        self._watch = watch

    def request(self, requests: Mapping[Party, tuple[str, bytes]]) -> Mapping[Party, Reply]:
        start = time.perf_counter()
        replies = self._link.request(requests)
        self._watch.servers += time.perf_counter() - start
        self._watch.requests += len(requests)
        return replies
