"""How bytes travel: the same halves in one process, or over TCP in several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..targets.work import meter
from .codec import decode, encode
from .wire import Link, Party, Reply, Server

if TYPE_CHECKING:
    from ..targets.pipeline import Target
    from .protocol import Defense


class InProcess:
    """All parties in this process; still, only bytes pass between them."""

    @contextmanager
    def connect(self, defense: Defense, target: Target, seeds: dict[Party, int]) -> Iterator[Link]:
        """Start one session with fresh server halves."""
        yield _Direct({p: defense.server(p, target, seed) for p, seed in seeds.items()})


class _Direct:
    def __init__(self, servers: Mapping[Party, Server]) -> None:
        self._servers = servers

    def request(self, requests: Mapping[Party, tuple[str, bytes]]) -> Mapping[Party, Reply]:
        replies = {}
        for party, (kind, payload) in requests.items():
            with meter() as work:
                answer = encode(self._servers[party].handle(kind, decode(payload)))
            replies[party] = Reply(payload=answer, work=work.take())
        return replies
