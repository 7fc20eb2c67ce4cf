"""What was said in one execution, and what one coalition saw of it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import IO, Any

from .codec import ProtocolError
from .wire import Message, Party

SPOOL_BYTES = 64 << 20
"""A transcript larger than this lives on disk."""

_CHECKSUM = hashlib.sha256().digest_size
_CHUNK = 1 << 20

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class View:
    """All that a coalition saw in one execution, and nothing else.

    Attributes:
        coalition: The parties that pool what they saw.
        messages: What they sent or received, numbered within the coalition.
        coins: Each member's own random seed.
        public: Public parameters of the protocol, JSON values.
    """

    coalition: frozenset[Party]
    messages: tuple[Message, ...]
    coins: Mapping[Party, int] = field(default_factory=dict)
    public: Json = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 over everything in the view: equal views, equal digests."""
        hasher = hashlib.sha256()
        head = {"coalition": sorted(self.coalition), "coins": self.coins, "public": self.public}
        hasher.update(json.dumps(head, sort_keys=True).encode())
        for message in self.messages:
            hasher.update(json.dumps(header(message), sort_keys=True).encode())
            hasher.update(len(message.payload).to_bytes(8, "big") + message.payload)
        return hasher.hexdigest()


class Transcript:
    """Append-only record of one execution; payloads spool to disk above 64 MB.

    Args:
        public: Public parameters of the protocol.
        coins: Each server's own random seed.
        tap: Message kinds whose payloads are kept; None keeps all. What is not tapped is
            hashed, counted and dropped.

    Attributes:
        sizes: Bytes of each payload, also of those that were dropped.
        afterwards: What the client computed after its last message: in no view.
    """

    def __init__(
        self,
        *,
        public: Json | None = None,
        coins: Mapping[Party, int] | None = None,
        tap: frozenset[str] | None = None,
    ) -> None:
        self.public: Json = dict(public or {})
        self.coins: dict[Party, int] = dict(coins or {})
        self.sizes: list[int] = []
        self.afterwards: Mapping[str, int] = {}
        self._tap = tap
        self._headers: list[Message] = []
        self._spans: list[tuple[int, int]] = []
        self._spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
        weakref.finalize(self, self._spool.close)

    def append(self, message: Message) -> None:
        """Add the next message; its number must be the count so far.

        Raises:
            ProtocolError: If a message is out of order.
        """
        if message.number != len(self._headers):
            raise ProtocolError(f"message {message.number} follows {len(self._headers) - 1}")
        self.sizes.append(len(message.payload))
        if self._tap is not None and message.kind not in self._tap:
            digest = hashlib.sha256(message.payload).hexdigest()
            message = replace(message, payload=b"", digest=digest)
        start = self._spool.seek(0, 2)
        self._spool.write(message.payload)
        self._headers.append(replace(message, payload=b""))
        self._spans.append((start, len(message.payload)))

    def __len__(self) -> int:
        return len(self._headers)

    @property
    def headers(self) -> tuple[Message, ...]:
        """Every message without its payload."""
        return tuple(self._headers)

    def __iter__(self) -> Iterator[Message]:
        for head, (start, length) in zip(self._headers, self._spans, strict=True):
            self._spool.seek(start)
            yield replace(head, payload=self._spool.read(length))

    def view(self, coalition: Iterable[Party]) -> View:
        """Return what `coalition` saw.

        Messages are numbered within the coalition, so others' traffic leaves no gap, and carry
        the work that their sender did since its last message *in the view*.
        """
        members = frozenset(coalition)
        seen = tuple(message for _, message in seen_by(self, members))
        return View(
            coalition=members,
            messages=seen,
            coins={party: seed for party, seed in self.coins.items() if party in members},
            public=self.public,
        )

    def save(self, path: Path) -> None:
        """Write the transcript to one file, at once: a reader sees all of it or nothing.

        The file is one line of JSON, the payloads, and the SHA-256 of both.
        """
        head = {"public": self.public, "coins": self.coins, "messages": []}
        head["messages"] = [
            header(m) | {"length": length}
            for m, (_, length) in zip(self._headers, self._spans, strict=True)
        ]
        part = path.with_name(path.name + ".part")
        hasher = hashlib.sha256()
        with part.open("wb") as file:
            for block in self._blocks(head):
                hasher.update(block)
                file.write(block)
            file.write(hasher.digest())
        os.replace(part, path)

    def _blocks(self, head: Json) -> Iterator[bytes]:
        yield json.dumps(head).encode() + b"\n"
        for message in self:
            yield message.payload

    @classmethod
    def load(cls, path: Path) -> Transcript:
        """Read what `save` wrote.

        Raises:
            ProtocolError: If the file is not a transcript, or was changed.
        """
        try:
            with path.open("rb") as file:
                size = path.stat().st_size - _CHECKSUM
                _check(file, size)
                head = json.loads(file.readline())
                transcript = cls(public=head["public"], coins=head["coins"])
                for entry in head["messages"]:
                    payload = file.read(min(entry.pop("length"), size - file.tell()))
                    transcript.append(Message(payload=payload, **entry))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ProtocolError(f"{path.name} is not a transcript: {error}") from error
        return transcript

    def close(self) -> None:
        """Delete the spool."""
        self._spool.close()


def seen_by(
    messages: Iterable[Message], members: Set[Party | str]
) -> Iterator[tuple[int, Message]]:
    """The messages that some parties sent or received, as they saw them.

    Each carries its number among them, the work that its sender did since the sender's last
    message among them, and stamps of members' clocks only. Of what a coalition saw, this is what a
    smaller one saw.

    Args:
        messages: Of one execution, in order.
        members: The parties.

    Yields:
        Position in `messages`, and the message.
    """
    spent: dict[Party, Counter[str]] = {}
    number = 0
    for position, message in enumerate(messages):
        work = spent.pop(message.sender, Counter())
        work.update(message.work)
        if members.isdisjoint((message.sender, message.receiver)):
            spent[message.sender] = work
            continue
        yield (
            position,
            replace(
                message,
                number=number,
                work=dict(work),
                sent=message.sent if message.sender in members else None,
                received=message.received if message.receiver in members else None,
            ),
        )
        number += 1


def _check(file: IO[bytes], size: int) -> None:
    hasher = hashlib.sha256()
    left = size
    while left > 0 and (block := file.read(min(left, _CHUNK))):
        hasher.update(block)
        left -= len(block)
    if left or file.read() != hasher.digest():
        raise ValueError("its checksum does not match: it was cut or changed")
    file.seek(0)


def header(message: Message) -> Json:
    """Everything of a message but its payload, as JSON."""
    names = (field.name for field in dataclass_fields(message) if field.name != "payload")
    values = {name: getattr(message, name) for name in names}
    return values | {"work": dict(message.work)}
