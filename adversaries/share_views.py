"""What a coalition's shares say about the inputs of PPIDM's layers: a value and its variance.

A coalition of servers adds up its shares of an input x.

| mode | all n servers | n - r servers |
|---|---|---|
| ring | x 2^b mod 2^k, centered: exact up to the client's scale | a uniform residue: nothing |
| real | x, up to rounding | with the last server x + Gaussian noise; without, nothing |
| partition | x | the channels of its own blocks, exactly |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.views import Session, Views
from ..defenses.wire import CLIENT

Floats = npt.NDArray[np.float64]

LAYERS = frozenset(f"layer-{number:03d}" for number in range(1000))
"""Every kind of message in which shares cross; `share_model.kinds` names those that matter."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """An input of a layer as far as a coalition can tell, for one game and step.

    Attributes:
        values: Shape (branches, ...); 0 where nothing was sent. In mode `ring` whole numbers, in
            units that only the client knows: a power of two (see `in_units_of`).
        known: Which channels are known, shape (channels,).
        variance: Of Gaussian noise on the values; 0 is exact, infinite if they say nothing.
        axis: The axis of `values` that holds channels.
        whole: Whether the values are whole numbers in unknown units.
    """

    values: Floats
    known: npt.NDArray[np.bool_]
    variance: float
    axis: int
    whole: bool = False

    @property
    def informative(self) -> bool:
        """Whether the values depend on the input at all."""
        return bool(np.isfinite(self.variance)) and bool(self.known.any())

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """Which entries are known, the shape of `values`."""
        shape = [1] * self.values.ndim
        shape[self.axis] = len(self.known)
        return np.broadcast_to(self.known.reshape(shape), self.values.shape)

    def in_units_of(self, size: float) -> Opened:
        """Whole numbers rescaled to what they were before the client rounded them.

        The scale is a power of two, so that an idea of the input's size within a factor of
        sqrt(2) gives it exactly.

        Args:
            size: Root mean square of such inputs, as the model makes them.
        """
        own = float(np.sqrt(np.square(self.values).mean()))
        if not self.whole or own == 0 or size <= 0:
            return self
        unit = 2.0 ** np.round(np.log2(size / own))
        return Opened(
            values=self.values * unit,
            known=self.known,
            variance=self.variance,
            axis=self.axis,
        )


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What everybody knows of a layer's input.

    Attributes:
        channels: Of the whole input.
        convolves: Whether channels are axis 1 and rows are cut along branches.
    """

    channels: int
    convolves: bool


def open_layer(
    views: Views, game: int, kind: str, shape: Shape, session: int = 0
) -> Mapping[int, Opened]:
    """The input of one layer at every step in which the coalition was asked for it.

    Args:
        views: Of one coalition.
        game: Which game.
        kind: Message kind of the layer's request.
        shape: Of the layer's input.
        session: Which execution of the game.
    """
    seen = views.view(game, session)
    total = int(seen.public["n"])
    sent: dict[int, dict[int, list[Array]]] = {}
    kept = [
        m.receiver
        for m, span in zip(seen.messages, seen.spans, strict=True)
        if m.kind == kind and m.sender == CLIENT and span[1]
    ]
    for party, block in zip(kept, views.arrays(game, kind, session, sender=CLIENT), strict=True):
        places = sent.setdefault(int(block["step"]), {})
        places.setdefault(_number(party), []).append(block["share"])
    return {
        step: combine(
            {server: _joined(pieces, shape) for server, pieces in shares.items()},
            total,
            seen.public,
            shape,
        )
        for step, shares in sorted(sent.items())
    }


def combine(
    shares: Mapping[int, Array],
    total: int,
    public: Mapping[str, Any],
    shape: Shape,
) -> Opened:
    """Add up a coalition's shares of one input.

    Args:
        shares: By server.
        total: n.
        public: Public configuration of the defence.
        shape: Of the layer's input.
    """
    axis = 1 if shape.convolves else next(iter(shares.values())).ndim - 1
    if public["share"] == "partition":
        return _placed(shares, total, shape, axis)
    everything = np.ones(shape.channels, dtype=np.bool_)
    if public["share"] == "ring":
        values = centered_sum(shares.values(), int(public["modulus_bits"]))
        variance = 0.0 if len(shares) == total else np.inf
        return Opened(values=values, known=everything, variance=variance, axis=axis, whole=True)
    values = np.sum([share.astype(np.float64) for share in shares.values()], axis=0)
    variance = _left(shares, values, total, float(public["magnitude"]))
    return Opened(values=values, known=everything, variance=variance, axis=axis)


def centered_sum(shares: Iterable[Array], k: int) -> Floats:
    """Sum of residues mod 2^k as signed numbers in [-2^(k-1), 2^(k-1))."""
    with np.errstate(over="ignore"):
        total = np.sum([share.astype(np.int64) for share in shares], axis=0, dtype=np.int64)
    if k < 64:
        half = np.int64(1 << (k - 1))
        total = ((total & np.int64((1 << k) - 1)) ^ half) - half
    return np.asarray(total, dtype=np.float64)


def coalition_of(seen: Session) -> tuple[int, ...]:
    """Numbers of the servers whose view this is."""
    parties = {m.receiver if m.sender == CLIENT else m.sender for m in seen.messages}
    return tuple(sorted(_number(party) for party in parties | set(seen.coins)))


def _left(shares: Mapping[int, Array], values: Floats, total: int, magnitude: float) -> float:
    """Variance of the masks that the coalition does not have.

    A mask's standard deviation is `magnitude` times the root mean square of the input: a member
    that holds a mask can tell it from that, the others from the sum.
    """
    missing = total - len(shares)
    if missing == 0:
        return 0.0
    if total - 1 not in shares:
        return np.inf
    masks = [share.astype(np.float64) for server, share in shares.items() if server != total - 1]
    if masks:
        return missing * float(np.square(masks).mean())
    return float(np.square(values).mean()) * missing * magnitude**2 / (1 + missing * magnitude**2)


def _placed(shares: Mapping[int, Array], total: int, shape: Shape, axis: int) -> Opened:
    """Blocks of channels where they belong; the others are 0."""
    blocks = np.array_split(np.arange(shape.channels), total)
    known = np.zeros(shape.channels, dtype=np.bool_)
    sizes = list(next(iter(shares.values())).shape)
    sizes[axis] = shape.channels
    values = np.moveaxis(np.zeros(sizes), axis, 0)
    for server, share in shares.items():
        values[blocks[server]] = np.moveaxis(share.astype(np.float64), axis, 0)
        known[blocks[server]] = True
    return Opened(values=np.moveaxis(values, 0, axis), known=known, variance=0.0, axis=axis)


def _joined(pieces: Sequence[Array], shape: Shape) -> Array:
    """An input that was cut to fit in messages: along branches, or tokens of a linear layer."""
    if len(pieces) == 1:
        return pieces[0]
    along = 0 if shape.convolves or pieces[0].ndim == 2 else 1
    return np.concatenate(pieces, axis=along)


def _number(party: str) -> int:
    return int(party.rpartition("/")[2])
