"""Masks that are not fresh: find out what a missing server was sent, from what the others were.

A coalition that holds the rest and lacks one mask r adds its shares up to x - r mod 2^k. An input
has at most `input_bits` significant bits, so whatever r is guessed, the guess is right if x - r + r
is that small at every entry: another one passes with probability 2^(input_bits - k) an entry.

| guess | what went wrong |
|---|---|
| r is another server's mask | two servers were given one mask |
| x is another server's share | the rest was sent unmasked, masks cancel among themselves |
| r follows from a public number and its place | masks of a seed that is no secret |
| r is a hash of another server's mask | masks derived from what somebody sees |
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch

from ..defenses.codec import decode_arrays, encode
from ..defenses.ppidm.masks import uniform_residues
from ..defenses.ppidm.procedure import Place, fresh_stream
from ..defenses.views import Views
from ..defenses.wire import CLIENT, Message, Party
from .share_views import coalition_of

Integers = npt.NDArray[np.int64]

PUBLIC_SEEDS = range(16)
"""Seeds that anybody would try, beside the numbers of the public configuration."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sent:
    """What a coalition was sent for one input.

    Attributes:
        layer: Number of the request group.
        step: Denoising step.
        shares: By server; shape (branches, ...), as signed integers mod 2^k.
        missing: The server that is not in the coalition.
        bits: k.
        input_bits: Significant bits of an input, sign included.
    """

    layer: int
    step: int
    shares: Mapping[int, Integers]
    missing: int
    bits: int
    input_bits: int

    @property
    def pooled(self) -> Integers:
        """The input less the missing mask, x - r, centered mod 2^k."""
        with np.errstate(over="ignore"):
            total = np.sum(list(self.shares.values()), axis=0, dtype=np.int64)
        return centered(np.asarray(total), self.bits)

    def small(self, integers: Integers) -> bool:
        """Whether these could be an input."""
        return bool((np.abs(integers) < 1 << (self.input_bits - 1)).all())

    def opened(self, mask: Integers) -> Integers:
        """The input, if r is this."""
        with np.errstate(over="ignore"):
            return centered(self.pooled + mask, self.bits)


Guess = Callable[[Sent], Integers]


def centered(integers: Integers, bits: int) -> Integers:
    """Representatives mod 2^k in [-2^(k-1), 2^(k-1))."""
    if bits == 64:
        return integers
    half = np.int64(1 << (bits - 1))
    return np.asarray(((integers & np.int64((1 << bits) - 1)) ^ half) - half)


def guesses(sent: Sent, public: Mapping[str, object]) -> Iterator[Guess]:
    """All guesses of the table, cheap ones first."""
    for server in sent.shares:
        yield partial(_as_another, server=server)
        yield partial(_as_if_clear, server=server)
        yield partial(_hashed, server=server)
    numbers = {v for v in public.values() if isinstance(v, int) and not isinstance(v, bool)}
    for seed in dict.fromkeys((*PUBLIC_SEEDS, *sorted(numbers))):
        yield partial(_drawn_again, seed=seed)


def hashed_mask(mask: bytes, server: int, length: int) -> bytes:
    """SHAKE-128 of a mask and a server's number."""
    return hashlib.shake_128(server.to_bytes(4, "big") + mask).digest(length)


def _as_another(sent: Sent, server: int) -> Integers:
    return sent.shares[server]


def _as_if_clear(sent: Sent, server: int) -> Integers:
    return sent.shares[server] - sent.pooled


def _hashed(sent: Sent, server: int) -> Integers:
    share = sent.shares[server]
    residues = share if sent.bits == 64 else share & np.int64((1 << sent.bits) - 1)
    drawn = hashed_mask(residues.astype("<i8").tobytes(), sent.missing, 8 * residues.size)
    return np.frombuffer(drawn, dtype="<i8").astype(np.int64).reshape(share.shape)


def _drawn_again(sent: Sent, seed: int) -> Integers:
    rows = next(iter(sent.shares.values()))
    drawn = []
    for branch, row in enumerate(rows):
        place = Place(layer=sent.layer, step=sent.step, branch=branch, server=sent.missing)
        drawn.append(uniform_residues(row.shape, sent.bits, fresh_stream(seed, place)).numpy())
    return np.stack(drawn)


def inputs_of(views: Views, game: int) -> list[Sent]:
    """All inputs of one execution; empty unless the coalition has the rest and lacks one mask.

    Inputs that were cut to fit into several messages are left out.
    """
    seen = views.view(game)
    public, members = seen.public, set(coalition_of(seen))
    total = int(public.get("n", 0))
    missing = sorted(set(range(total)) - members)
    if public.get("share") != "ring" or len(missing) != 1 or total - 1 not in members:
        return []
    found: dict[tuple[int, int], dict[int, list[Integers]]] = {}
    for message in views.messages(game):
        if message.sender == CLIENT and message.payload:
            block = decode_arrays(message.payload)
            place = int(message.kind.removeprefix("layer-")), int(block["step"])
            server = int(message.receiver.rpartition("/")[2])
            pieces = found.setdefault(place, {}).setdefault(server, [])
            pieces.append(block["share"].astype(np.int64))
    return [
        Sent(
            layer=layer,
            step=step,
            shares={server: pieces[0] for server, pieces in shares.items()},
            missing=missing[0],
            bits=int(public["modulus_bits"]),
            input_bits=int(public["input_bits"]),
        )
        for (layer, step), shares in sorted(found.items())
        if all(len(pieces) == 1 for pieces in shares.values())
    ]


def missing_masks(
    sent: Sequence[Sent], public: Mapping[str, object]
) -> tuple[tuple[Sent, Integers], ...]:
    """Every input with the mask that was missing, if one guess is right of all; else nothing."""
    if not sent:
        return ()
    for guess in guesses(sent[0], public):
        masks = []
        for each in sent:
            mask = guess(each)
            if not each.small(each.opened(mask)):
                break
            masks.append((each, mask))
        else:
            return tuple(masks)
    return ()


def completed(views: Views, found: Mapping[int, Sequence[tuple[Sent, Integers]]]) -> Views:
    """Views in which the missing server's shares have been filled in: as if all had colluded.

    Args:
        views: Of a coalition.
        found: By game, its inputs and the masks that were missing.
    """
    blob = bytearray()
    games = []
    for game, masks in found.items():
        seen = views.view(game)
        asked = [m for m in views.messages(game) if m.sender == CLIENT and m.payload]
        messages = [*asked, *(_request(sent, mask) for sent, mask in masks)]
        spans = []
        for message in messages:
            spans.append((len(blob), len(message.payload)))
            blob += message.payload
        bare = tuple(replace(m, number=number, payload=b"") for number, m in enumerate(messages))
        games.append([replace(seen, messages=bare, spans=tuple(spans))])
    return Views(np.frombuffer(bytes(blob), dtype=np.uint8), games)


def _request(sent: Sent, mask: Integers) -> Message:
    """What the missing server was sent."""
    word = torch.int32 if sent.bits <= 32 else torch.int64
    share = torch.from_numpy(mask.copy()).to(word)
    return Message(
        number=0,
        sender=CLIENT,
        receiver=Party(f"server/{sent.missing}"),
        kind=f"layer-{sent.layer:03d}",
        payload=encode({"step": torch.tensor(sent.step, dtype=torch.int32), "share": share}),
    )
