"""The views of many games in one memory-mapped file: all that an adversary is handed."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .codec import Array, ProtocolError, decode_arrays, decode_texts
from .transcript import View, header, seen_by
from .wire import Message, Party

_MAGIC = b"LLVIEWS1"

Rule = Callable[[tuple[Message, ...]], Iterable[tuple[int, Message]]]
"""Chooses messages of an execution: headers to positions and headers."""


@dataclass(frozen=True)
class Session:
    """One execution inside a game: its messages (payloads on disk) and the coalition's coins."""

    messages: tuple[Message, ...]
    spans: tuple[tuple[int, int], ...]
    coins: dict[str, int]
    public: dict[str, Any]


class Views:
    """n games, each of one or more sessions, read in place from a file.

    Games are numbered from 0; nothing in here says what was secret in a game.
    """

    def __init__(
        self,
        blob: npt.NDArray[np.uint8],
        games: Sequence[Sequence[Session]],
        *,
        path: Path | None = None,
    ) -> None:
        self._blob = blob
        self._games = tuple(tuple(sessions) for sessions in games)
        self._path = path

    @classmethod
    def of(cls, games: Iterable[Sequence[View]], path: Path) -> Views:
        """Write the sessions' views of each game to `path`, at once, and open them."""
        index: list[list[dict[str, Any]]] = []
        part = path.with_name(path.name + ".part")
        with tempfile.TemporaryFile() as blob, part.open("wb") as file:
            for sessions in games:
                index.append([_store(view, blob) for view in sessions])
            head = json.dumps(index, sort_keys=True).encode()
            file.write(_MAGIC + len(head).to_bytes(8, "big") + head)
            blob.seek(0)
            while chunk := blob.read(1 << 20):
                file.write(chunk)
        os.replace(part, path)
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Views:
        """Open a file that `of` wrote.

        Raises:
            ProtocolError: If it is not such a file.
        """
        with path.open("rb") as file:
            magic, size = file.read(8), int.from_bytes(file.read(8), "big")
            total = path.stat().st_size
            if magic != _MAGIC or size > total:
                raise ProtocolError(f"{path.name} is not a file of views")
            text, offset = file.read(size), file.tell()
        games = _games(text, total - offset, path.name)
        blob: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        if total > offset:
            blob = np.memmap(path, dtype=np.uint8, mode="r", offset=offset)
        return cls(blob, games, path=path)

    def __len__(self) -> int:
        return len(self._games)

    def sessions(self, game: int) -> int:
        """Number of executions in `game`."""
        return len(self._games[game])

    def take(self, games: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Views:
        """The views of `games`, in that order: what the swapped-view control hands over."""
        return Views(self._blob, [self._games[int(i)] for i in games])

    def seen_by(self, coalition: Iterable[Party]) -> Views:
        """What some members of the coalition saw, as `Transcript.view` gives it to them."""
        members = frozenset(coalition)
        return self.select(lambda messages: seen_by(messages, members), members)

    def select(self, rule: Rule, members: Set[Party] | None = None) -> Views:
        """The messages that `rule` lets through, in every execution.

        Args:
            rule: Headers of one execution to positions and headers that stay.
            members: Parties whose coins stay; None is all.
        """
        return Views(
            self._blob,
            [[_selected(session, rule, members) for session in game] for game in self._games],
        )

    def view(self, game: int, session: int = 0) -> Session:
        """Headers of one execution; payloads come from `arrays` and `texts`."""
        return self._games[game][session]

    def messages(self, game: int, session: int = 0) -> tuple[Message, ...]:
        """The messages of one execution with their payloads."""
        entry = self._games[game][session]
        return tuple(
            replace(message, payload=self._payload(span))
            for message, span in zip(entry.messages, entry.spans, strict=True)
        )

    def arrays(
        self, game: int, kind: str, session: int = 0, *, sender: str | None = None
    ) -> list[dict[str, Array]]:
        """Decoded payloads of every message of `kind` (from `sender`) in one execution."""
        entry = self._games[game][session]
        return [
            decode_arrays(self._payload(span))
            for message, span in zip(entry.messages, entry.spans, strict=True)
            if message.kind == kind and sender in (None, message.sender) and span[1]
        ]

    def texts(self, game: int, kind: str, name: str, session: int = 0) -> list[str]:
        """All texts packed under `name` in messages of `kind`, in order."""
        found = self.arrays(game, kind, session)
        return [text for block in found if name in block for text in decode_texts(block[name])]

    def column(
        self, position: int, name: str, session: int = 0, *, chunk: int = 256
    ) -> Iterator[npt.NDArray[Any] | list[Array]]:
        """Tensor `name` of the message at `position`, over games, in chunks.

        Yields:
            One array with leading axis games where all shapes of the chunk agree, else a list.
        """
        for start in range(0, len(self), chunk):
            rows = []
            for sessions in self._games[start : start + chunk]:
                blocks = decode_arrays(self._payload(sessions[session].spans[position]))
                rows.append(blocks[name])
            yield np.stack(rows) if len({r.shape for r in rows}) == 1 else rows

    def save(self, path: Path) -> None:
        """Write these views to a file: a selection anew, a whole file by a further name of it.

        Such files are only read, and can be large. Where the file system has no further names, or
        `path` is on another one, it is copied.
        """
        if self._path is not None and self._path != path:
            path.unlink(missing_ok=True)
            try:
                os.link(self._path, path)
            except OSError:
                shutil.copyfile(self._path, path)
            return
        Views.of(
            (
                [
                    View(
                        coalition=frozenset(Party(p) for p in entry.coins),
                        messages=self.messages(g, s),
                        coins={Party(p): v for p, v in entry.coins.items()},
                        public=entry.public,
                    )
                    for s, entry in enumerate(sessions)
                ]
                for g, sessions in enumerate(self._games)
            ),
            path,
        )

    def _payload(self, span: tuple[int, int]) -> bytes:
        start, length = span
        return self._blob[start : start + length].tobytes()


def _selected(session: Session, rule: Rule, members: Set[Party] | None) -> Session:
    kept = list(rule(session.messages))
    coins = session.coins
    if members is not None:
        coins = {party: seed for party, seed in coins.items() if party in members}
    return Session(
        messages=tuple(message for _, message in kept),
        spans=tuple(session.spans[position] for position, _ in kept),
        coins=coins,
        public=session.public,
    )


def _store(view: View, blob: Any) -> dict[str, Any]:
    messages = []
    for message in view.messages:
        start = blob.seek(0, os.SEEK_END)
        blob.write(message.payload)
        messages.append(header(message) | {"span": [start, len(message.payload)]})
    return {"messages": messages, "coins": dict(view.coins), "public": view.public}


def _games(text: bytes, size: int, name: str) -> list[list[Session]]:
    try:
        games = [[_session(entry, size) for entry in sessions] for sessions in json.loads(text)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"{name} is not a file of views: {error}") from error
    return games


def _session(entry: dict[str, Any], size: int) -> Session:
    spans = tuple((int(m["span"][0]), int(m["span"][1])) for m in entry["messages"])
    if not all(0 <= start <= start + length <= size for start, length in spans):
        raise ValueError("a message lies outside the file")
    heads = [{k: v for k, v in m.items() if k != "span"} for m in entry["messages"]]
    return Session(
        messages=tuple(Message(payload=b"", **head) for head in heads),
        spans=spans,
        coins=entry["coins"],
        public=entry["public"],
    )
