"""The same halves in several processes: length-prefixed frames over TCP.

One connection is one session:

    1. client -> server: OPEN, the SHA-256 of the party's name and the public parameters
    2. server -> client: OPEN, the same bytes; the server half is new
    3. client -> server: MESSAGE [x];  server -> client: MESSAGE, or ERROR and the end
    4. the client closes

Frames are bounded in size before a byte of them is stored, and in time as a whole, so that a
peer that sends slowly, too much, or nonsense causes a `ProtocolError` and nothing worse. Each
endpoint reads its own clock, which starts at 0 when the connection does.
"""

from __future__ import annotations

import enum
import hashlib
import json
import math
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from .codec import ProtocolError
from .protocol import public_parameters
from .wire import MAX_KIND, MAX_PAYLOAD, Link, Party, Reply, check_kind, check_size

if TYPE_CHECKING:
    from ..targets.pipeline import Target
    from .protocol import Defense

Address = tuple[str, int]
Clock = Callable[[], float]

MAGIC = b"LLW1"
"""First bytes of every frame: the protocol and its version."""

MAX_ERROR = 1024
"""Longest text of an error frame [bytes]."""

POLL = 0.1
"""How often a wait looks whether it should end [s]."""

_HEAD = struct.Struct(">4sBBI")  # magic, what, length of the kind, length of the payload
_CHUNK = 1 << 20
_LINGER = 0.5


class What(enum.IntEnum):
    """What a frame is."""

    OPEN = 1
    MESSAGE = 2
    ERROR = 3


_LARGEST = {What.OPEN: 32, What.MESSAGE: MAX_PAYLOAD, What.ERROR: MAX_ERROR}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame; only a message has a kind."""

    what: What
    payload: bytes
    kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long an endpoint waits.

    Attributes:
        connect: For a connection, and a server for the opening frame [s].
        read: For the peer's next frame, computation of the peer included [s].
        write: For one frame to leave [s].
    """

    connect: float = 10.0
    read: float = 600.0
    write: float = 60.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{item.name}={value} must be > 0 and finite [s]")


class Channel:
    """One connection, read and written in whole frames, with a clock of its own.

    Args:
        sock: A connected stream socket; the channel closes it.
        limits: How long to wait.
        clock: Monotonic clock [s]; stamps count from its value now.
    """

    def __init__(self, sock: socket.socket, limits: Limits, clock: Clock = time.perf_counter):
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self._limits = limits
        self._clock = clock
        self._zero = clock()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self.sock.close()

    def send(self, frame: Frame) -> float:
        """Send one frame.

        Returns:
            When its last byte left this program [s, own clock].

        Raises:
            ProtocolError: If the frame is not allowed, or the peer does not take it in time.
        """
        head = pack_head(frame)
        self.sock.settimeout(self._limits.write)
        try:
            self.sock.sendall(head + frame.payload[:_CHUNK])
            self.sock.sendall(memoryview(frame.payload)[_CHUNK:])
        except TimeoutError:
            raise ProtocolError(f"the peer did not read for {self._limits.write:g} s") from None
        except OSError as error:
            raise ProtocolError(f"the connection is lost: {error.strerror or error}") from None
        return self._clock() - self._zero

    def receive(
        self, seconds: float | None = None, stop: threading.Event | None = None
    ) -> tuple[Frame | None, float]:
        """Wait for one whole frame.

        Args:
            seconds: For how long; the limit `read` by default.
            stop: Ends the wait for a first byte when set.

        Returns:
            The frame, or None if the peer closed instead, and when it was here [s, own clock].

        Raises:
            ProtocolError: If the bytes are no frame, are cut short, or come late.
        """
        wait = self._limits.read if seconds is None else seconds
        deadline = time.monotonic() + wait
        head = self._exactly(_HEAD.size, deadline, wait, stop, may_end=True)
        if not head:
            return None, self._clock() - self._zero
        what, kind_size, size = unpack_head(head)
        kind = self._exactly(kind_size, deadline, wait)
        payload = self._exactly(size, deadline, wait)
        now = self._clock() - self._zero
        return Frame(what=what, kind=_kind(kind), payload=payload), now

    def refuse(self, reason: str) -> None:
        """Tell the peer why the session ends, if it still listens."""
        payload = reason.encode("utf-8", "replace")[:MAX_ERROR]
        deadline = time.monotonic() + _LINGER
        try:
            self.send(Frame(what=What.ERROR, payload=payload))
            # Bytes left unread at the close would reset the connection and lose the reason.
            self.sock.shutdown(socket.SHUT_WR)
            while (left := deadline - time.monotonic()) > 0:
                self.sock.settimeout(left)
                if not self.sock.recv(_CHUNK):
                    break
        except (ProtocolError, OSError):
            return

    def _exactly(
        self,
        size: int,
        deadline: float,
        wait: float,
        stop: threading.Event | None = None,
        *,
        may_end: bool = False,
    ) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self._some(size - len(data), deadline, wait, None if data else stop)
            if not chunk and may_end and not data:
                return b""
            if not chunk:
                raise ProtocolError(f"the connection ended {size - len(data)} bytes too early")
            data += chunk
        return bytes(data)

    def _some(self, size: int, deadline: float, wait: float, stop: threading.Event | None) -> bytes:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ProtocolError(f"the peer sent no whole frame within {wait:g} s")
            self.sock.settimeout(left if stop is None else min(left, POLL))
            try:
                return self.sock.recv(min(size, _CHUNK))
            except TimeoutError:
                if stop is not None and stop.is_set():
                    raise ProtocolError("the server is stopping") from None
            except OSError as error:
                raise ProtocolError(f"the connection is lost: {error.strerror or error}") from None


class Tcp:
    """Server halves behind addresses; the processes there were started by somebody else.

    The servers draw their own coins and keep their own records (see `serve`); the seeds that
    `connect` is given are not sent to anybody.

    Args:
        addresses: Where each server listens.
        limits: How long to wait.
        clock: The client's clock [s].
    """

    def __init__(
        self,
        addresses: Mapping[Party, Address],
        *,
        limits: Limits | None = None,
        clock: Clock = time.perf_counter,
    ) -> None:
        self.addresses = dict(addresses)
        self._limits = limits or Limits()
        self._clock = clock

    @contextmanager
    def connect(self, defense: Defense, target: Target, seeds: dict[Party, int]) -> Iterator[Link]:
        """Open a session with fresh server halves at every party in `seeds`.

        Raises:
            ProtocolError: If a server cannot be reached, or runs something else.
            ValueError: If a party has no address.
        """
        missing = sorted(set(seeds) - set(self.addresses))
        if missing:
            known = ", ".join(sorted(self.addresses)) or "none"
            raise ValueError(f"party {missing[0]!r} has no address; known: {known}")
        with ExitStack() as stack:
            channels = {}
            for party in seeds:
                channels[party] = stack.enter_context(self._dial(party))
                fingerprint = session_fingerprint(party, defense)
                with _naming(party):
                    channels[party].send(Frame(what=What.OPEN, payload=fingerprint))
                    if _expect(channels[party], What.OPEN)[0].payload != fingerprint:
                        raise ProtocolError("opened another session than asked")
            yield _Remote(channels, self._limits)

    def _dial(self, party: Party) -> Channel:
        host, port = self.addresses[party]
        try:
            sock = socket.create_connection((host, port), timeout=self._limits.connect)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ProtocolError(
                f"{party} at {host}:{port} cannot be reached ({reason}); is it running?"
            ) from None
        return Channel(sock, self._limits, self._clock)


class _Remote:
    def __init__(self, channels: Mapping[Party, Channel], limits: Limits) -> None:
        self._channels = channels
        self._limits = limits
        self._usable = True

    def request(self, requests: Mapping[Party, tuple[str, bytes]]) -> Mapping[Party, Reply]:
        unknown = sorted(set(requests) - set(self._channels))
        if unknown:
            raise ProtocolError(f"{unknown[0]} takes no part in this session")
        if not self._usable:
            raise ProtocolError("the session ended with an earlier error; open a new one")
        self._usable = False  # until all have answered: a late answer must not pass for the next
        sent = {}
        for party, (kind, payload) in requests.items():
            with _naming(party):
                frame = Frame(what=What.MESSAGE, kind=kind, payload=payload)
                sent[party] = self._channels[party].send(frame)
        replies = {}
        for party in self._as_they_come(requests):
            with _naming(party):
                frame, received = _expect(self._channels[party], What.MESSAGE)
                if frame.kind != requests[party][0]:
                    raise ProtocolError(f"answered {requests[party][0]!r} with {frame.kind!r}")
            replies[party] = Reply(payload=frame.payload, sent=sent[party], received=received)
        self._usable = True
        return replies

    def _as_they_come(self, parties: Iterable[Party]) -> Iterator[Party]:
        deadline = time.monotonic() + self._limits.read
        with selectors.DefaultSelector() as selector:
            for party in parties:
                selector.register(self._channels[party].sock, selectors.EVENT_READ, party)
            while waiting := selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    names = ", ".join(sorted(key.data for key in waiting.values()))
                    raise ProtocolError(f"no answer of {names} within {self._limits.read:g} s")
                for key, _ in ready:
                    selector.unregister(key.fileobj)
                    yield key.data


def session_fingerprint(party: Party, defense: Defense) -> bytes:
    """SHA-256 by which both ends know that they run the same protocol with the same parameters."""
    parts = {"party": party, "public": public_parameters(defense)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()


def pack_head(frame: Frame) -> bytes:
    """Return all bytes of a frame that come before its payload.

    Raises:
        ProtocolError: If the frame is not allowed.
    """
    if frame.what is What.MESSAGE:
        check_kind(frame.kind)
        check_size(frame.payload, frame.kind)
    kind = frame.kind.encode("ascii")
    head = _HEAD.pack(MAGIC, frame.what, len(kind), len(frame.payload))
    unpack_head(head)
    return head + kind


def unpack_head(head: bytes) -> tuple[What, int, int]:
    """Return what a frame is, and the lengths of its kind and payload.

    Raises:
        ProtocolError: If these are not the first bytes of an allowed frame.
    """
    magic, code, kind_size, size = _HEAD.unpack(head)
    if magic != MAGIC:
        raise ProtocolError("the bytes are no frame of this protocol and version")
    if code not in {what.value for what in What}:
        raise ProtocolError(f"a frame is of the unknown type {code}")
    what = What(code)
    if not (0 < kind_size <= MAX_KIND if what is What.MESSAGE else kind_size == 0):
        raise ProtocolError(f"a frame of type {what.name} has a kind of {kind_size} bytes")
    if size > _LARGEST[what]:
        raise ProtocolError(
            f"a frame of type {what.name} announces {size} bytes; at most {_LARGEST[what]} are read"
        )
    return what, kind_size, size


def _kind(raw: bytes) -> str:
    if not raw:
        return ""
    kind = raw.decode("ascii", "replace")
    check_kind(kind)
    return kind


@contextmanager
def _naming(party: Party) -> Iterator[None]:
    try:
        yield
    except ProtocolError as error:
        raise ProtocolError(f"{party}: {error}") from None


def _expect(channel: Channel, what: What) -> tuple[Frame, float]:
    frame, received = channel.receive()
    if frame is None:
        raise ProtocolError("closed the connection instead of answering")
    if frame.what is What.ERROR:
        text = frame.payload.decode("utf-8", "replace")
        plain = "".join(c if c.isprintable() else "?" for c in text)
        raise ProtocolError(f"refused: {plain}")
    if frame.what is not what:
        raise ProtocolError(f"sent a frame of type {frame.what.name} where {what.name} must come")
    return frame, received
