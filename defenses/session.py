"""One server half behind a socket, and its own record of what it saw."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .codec import ProtocolError, decode, encode
from .protocol import public_parameters
from .seeds import derive
from .tcp import POLL, Channel, Clock, Frame, Limits, What, session_fingerprint
from .transcript import Transcript
from .wire import CLIENT, Message, Party, Server

if TYPE_CHECKING:
    from ..targets.pipeline import Target
    from .protocol import Defense

CLOSED = "connection-closed"
"""Kind of the last message of a server's record: when the client went away, with no payload.

A server always sees that, and it tells how long the client went on after the last answer.
"""

_LOG = logging.getLogger(__name__)


def serve(
    defense: Defense,
    target: Target,
    me: Party,
    *,
    seed: int,
    host: str = "127.0.0.1",
    port: int = 0,
    record: Path | None = None,
    ready: Callable[[int], None] | None = None,
    stop: threading.Event | None = None,
    tap: frozenset[str] | None = None,
    limits: Limits | None = None,
    clock: Clock = time.perf_counter,
) -> None:
    """Be one server of `defense`: one session after the other until `stop` is set.

    A client that sends nonsense loses its session; the server goes on. Session n is recorded
    as this server saw it (its messages, stamps and coins) in `record/session-NNNN.transcript`,
    written when the session ends. A folder with records is continued, never overwritten.

    Args:
        defense: The protocol.
        target: The models.
        me: Which server to be.
        seed: Seed of this server's coins.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        record: Folder for the records.
        ready: Called with the port once clients can connect.
        stop: Ends the loop within a fraction of a second, once the answer in progress is done.
        tap: Message kinds whose payloads are recorded; None records all.
        limits: How long to wait for a client.
        clock: This server's clock [s].

    Raises:
        ValueError: If `me` is not a server of `defense`, or `seed` is negative.
        OSError: If the address is taken, or a record cannot be written.
    """
    if me not in defense.servers:
        raise ValueError(f"party={me!r} must be one of {', '.join(defense.servers)}")
    if seed < 0:
        raise ValueError(f"seed={seed} must be >= 0")
    half = _Half(
        defense=defense,
        target=target,
        me=me,
        seed=seed,
        record=record,
        tap=tap,
        limits=limits or Limits(),
        clock=clock,
    )
    number = half.first_session()
    with socket.create_server((host, port)) as listener:
        listener.settimeout(POLL)
        if ready is not None:
            ready(listener.getsockname()[1])
        half.accept(listener, number, stop or threading.Event())


@dataclass(frozen=True, kw_only=True)
class _Half:
    defense: Defense
    target: Target
    me: Party
    seed: int
    record: Path | None
    tap: frozenset[str] | None
    limits: Limits
    clock: Clock

    def first_session(self) -> int:
        """One after the last that is recorded."""
        if self.record is None:
            return 0
        self.record.mkdir(parents=True, exist_ok=True)
        files = session_files(self.record)
        return _number(files[-1]) + 1 if files else 0

    def accept(self, listener: socket.socket, number: int, stop: threading.Event) -> None:
        """Serve one connection after the other."""
        while not stop.is_set():
            try:
                sock, _ = listener.accept()
            except TimeoutError:
                continue
            except ConnectionError as error:  # the client left before it was let in
                _LOG.warning("a connection was lost: %s", error)
                continue
            with Channel(sock, self.limits, self.clock) as channel:
                number += self.session(channel, number, stop)

    def session(self, channel: Channel, number: int, stop: threading.Event) -> bool:
        """Serve one connection; False if it never became a session."""
        try:
            opening = self._greeted(channel, stop)
        except ProtocolError as error:
            _LOG.warning("a connection was refused: %s", error)
            channel.refuse(str(error))
            return False
        coins = derive(self.seed, "session", number)
        transcript = Transcript(
            public=public_parameters(self.defense), coins={self.me: coins}, tap=self.tap
        )
        record = _Record(self.me, transcript)
        try:
            half = self.defense.server(self.me, self.target, coins)
            channel.send(opening)
            _converse(channel, half, record, stop)
        except ProtocolError as error:
            _LOG.warning("session %d ended early: %s", number, error)
            channel.refuse(str(error))
        except Exception:  # a client's message may break a half in any way; the server goes on
            _LOG.exception("session %d failed", number)
            channel.refuse("the server failed on this message; its own log says why")
        finally:
            record.flush()
            if self.record is not None:
                transcript.save(self.record / f"session-{number:04d}.transcript")
            transcript.close()
        return True

    def _greeted(self, channel: Channel, stop: threading.Event) -> Frame:
        frame, _ = channel.receive(self.limits.connect, stop)
        if frame is None or frame.what is not What.OPEN:
            raise ProtocolError("the first frame must be of type OPEN")
        if frame.payload != session_fingerprint(self.me, self.defense):
            raise ProtocolError(
                f"this is {self.me} of {type(self.defense).__name__} with its own parameters; "
                "the client asked for another party, defence or configuration"
            )
        return frame


class _Record:
    """Puts one server's messages into its transcript.

    What was said is put down only after the next message is here: the time that this takes must
    not pass for the client's.
    """

    def __init__(self, me: Party, transcript: Transcript) -> None:
        self._me = me
        self._transcript = transcript
        self._said: tuple[str, bytes, float] | None = None

    def heard(self, kind: str, payload: bytes, stamp: float) -> None:
        self.flush()
        self._append(sender=CLIENT, receiver=self._me, kind=kind, payload=payload, received=stamp)

    def said(self, kind: str, payload: bytes, stamp: float) -> None:
        self._said = kind, payload, stamp

    def flush(self) -> None:
        if self._said is not None:
            kind, payload, stamp = self._said
            self._said = None
            self._append(sender=self._me, receiver=CLIENT, kind=kind, payload=payload, sent=stamp)

    def _append(self, **values: Any) -> None:
        self._transcript.append(Message(number=len(self._transcript), **values))


def _converse(channel: Channel, half: Server, record: _Record, stop: threading.Event) -> None:
    while True:
        frame, received = channel.receive(stop=stop)
        if frame is None:
            record.heard(CLOSED, b"", received)
            return
        if frame.what is not What.MESSAGE:
            raise ProtocolError(f"a frame of type {frame.what.name} came where a message must")
        record.heard(frame.kind, frame.payload, received)
        answer = encode(half.handle(frame.kind, decode(frame.payload)))
        sent = channel.send(Frame(what=What.MESSAGE, kind=frame.kind, payload=answer))
        record.said(frame.kind, answer, sent)


def session_files(record: Path) -> list[Path]:
    """The records in a folder, in order of their sessions."""
    return sorted(record.glob("session-*.transcript"), key=_number)


def _number(path: Path) -> int:
    return int(path.stem.removeprefix("session-"))
