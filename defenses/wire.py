"""What crosses between parties: parties, messages, and the only way to send one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NewType, Protocol

from ..targets.work import Work
from .codec import ProtocolError, decode, encode

if TYPE_CHECKING:
    from torch import Tensor

Party = NewType("Party", str)
"""Name of a participant, such as `server/0`."""

CLIENT = Party("client")
CURATOR = Party("curator")
PUBLIC = Party("public")

MAX_KIND = 64
"""Longest message kind [characters]."""

MAX_PAYLOAD = 1 << 28
"""Largest payload [bytes] that any transport carries."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message as one coalition (or the referee) saw it.

    Attributes:
        number: Position among the messages that the holder of this record saw, from 0.
        sender: Who sent it.
        receiver: Who got it.
        kind: Which step of the protocol.
        payload: Canonical safetensors bytes; empty where a tap dropped it.
        work: U-Net calls and rows the sender ran since its last message: the deterministic
            stand-in for time. Empty where real clocks ran.
        sent: When the sender sent it [s, sender's clock], or None.
        received: When the receiver got it [s, receiver's clock], or None.
        digest: SHA-256 of a payload that a tap dropped, else empty.
    """

    number: int
    sender: Party
    receiver: Party
    kind: str
    payload: bytes
    work: Mapping[str, int] = field(default_factory=dict)
    sent: float | None = None
    received: float | None = None
    digest: str = ""


class Server(Protocol):
    """A server half: answers one message with one message."""

    def handle(self, kind: str, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return the answer to `tensors`; may keep state between the calls of a session."""
        ...


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a link brought back.

    Attributes:
        payload: The answer's bytes.
        work: What the server computed for it; empty where real clocks ran.
        sent: When the request left [s, client's clock], or None.
        received: When the answer was here [s, client's clock], or None.
    """

    payload: bytes
    work: Mapping[str, int] = field(default_factory=dict)
    sent: float | None = None
    received: float | None = None


class Link(Protocol):
    """Carries bytes to servers and back (see `transport`)."""

    def request(self, requests: Mapping[Party, tuple[str, bytes]]) -> Mapping[Party, Reply]:
        """Send one message to each named server; return when all have answered."""
        ...


Recorder = Callable[[Message], None]


class Wire:
    """The only way out of a client: encodes, sends, records, decodes.

    Args:
        link: In-process or TCP.
        record: Called with every message in order, as the client saw it.
        work: The meter that counts what the client itself computes between messages; not
            recorded where the link has real clocks.
    """

    def __init__(self, link: Link, record: Recorder, work: Work | None = None) -> None:
        self._link = link
        self._record = record
        self._work = work
        self._number = 0

    def call(self, server: Party, kind: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Send `tensors` to one server and return its answer."""
        return self.scatter(kind, {server: tensors})[server]

    def scatter(
        self, kind: str, tensors: Mapping[Party, Mapping[str, Tensor]]
    ) -> dict[Party, dict[str, Tensor]]:
        """Send to several servers at once; return when all have answered.

        Raises:
            ProtocolError: If a kind or payload is not allowed, or a server answers with bytes
                that are not a canonical payload.
        """
        check_kind(kind)
        payloads = {server: encode(blocks) for server, blocks in tensors.items()}
        for payload in payloads.values():
            check_size(payload, kind)
        replies: Mapping[Party, Reply] = {}
        try:
            replies = self._link.request({s: (kind, p) for s, p in payloads.items()})
        finally:
            for server, payload in payloads.items():
                self._asked(server, kind, payload, replies.get(server))
        for server in payloads:
            self._answered(server, kind, replies[server])
        return {server: decode(replies[server].payload) for server in payloads}

    def _asked(self, server: Party, kind: str, payload: bytes, reply: Reply | None) -> None:
        sent = reply.sent if reply is not None else None
        spent = self._work.take() if self._work is not None and sent is None else {}
        self._log(CLIENT, server, kind, payload, work=spent, sent=sent)

    def _answered(self, server: Party, kind: str, reply: Reply) -> None:
        check_size(reply.payload, kind)
        self._log(server, CLIENT, kind, reply.payload, work=reply.work, received=reply.received)

    def _log(
        self,
        sender: Party,
        receiver: Party,
        kind: str,
        payload: bytes,
        *,
        work: Mapping[str, int],
        sent: float | None = None,
        received: float | None = None,
    ) -> None:
        message = Message(
            number=self._number,
            sender=sender,
            receiver=receiver,
            kind=kind,
            payload=payload,
            work=work,
            sent=sent,
            received=received,
        )
        self._number += 1
        self._record(message)


def check_kind(kind: str) -> None:
    """Raise `ProtocolError` unless `kind` may name a message."""
    if not (0 < len(kind) <= MAX_KIND and kind.isascii() and kind.replace("-", "_").isidentifier()):
        raise ProtocolError(
            f"kind={kind!r} must be an ASCII word of at most {MAX_KIND} letters, digits and dashes"
        )


def check_size(payload: bytes, kind: str) -> None:
    """Raise `ProtocolError` if `payload` is larger than any transport carries."""
    if len(payload) > MAX_PAYLOAD:
        raise ProtocolError(
            f"the payload of {kind!r} has {len(payload)} bytes; at most {MAX_PAYLOAD} are carried"
        )
