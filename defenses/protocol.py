"""Defence, mechanism, and the referee of one execution."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..targets.pipeline import Target
from ..targets.work import meter
from .claims import Claim, Neighbours
from .codec import Array
from .seeds import derive
from .transcript import Transcript
from .transport import InProcess
from .wire import Link, Party, Server, Wire

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Output:
    """What the client ends with.

    Attributes:
        latents: Finished latent, shape (1, channels, height, width).
    """

    latents: Tensor


class Defense(Protocol):
    """A protocol between one client and its servers; configuration only, models come later."""

    @property
    def servers(self) -> tuple[Party, ...]:
        """The parties that the client talks to."""
        ...

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is promised to the client."""
        ...

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """Run the client half on `secret`; `wire` is the only way out."""
        ...

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """Return the server half of `me`; it holds no reference to the client."""
        ...


class Space(str, enum.Enum):
    """What a record of a mechanism is, so that a scenario can make some."""

    TOKEN = "token embedding"
    IMAGE = "image feature"
    GRADIENT = "gradient"
    ANY = "any vector"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What everybody knows of a release: it publishes noisy sums of bounded records.

    Attributes:
        neighbours: Which two data sets are told apart.
        clip: Bound on the norm of a record; None where there is none.
        normalize: Whether every record is scaled to `clip`.
        divisor: Public number by which a sum is divided; 1 for a sum.
        rate: Probability that a record is in one sum.
        sigma: Standard deviation of the noise on each coordinate of what is published.
        rounds: Noisy sums published side by side.
    """

    neighbours: Neighbours
    clip: float | None
    normalize: bool
    divisor: int
    rate: float
    sigma: float
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**asdict(self), "neighbours": self.neighbours.value}


class Mechanism(Protocol):
    """A differentially private release, batched over trials."""

    @property
    def space(self) -> Space:
        """What its records are."""
        ...

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What is promised to each record."""
        ...

    def terms(self, records: int) -> Terms:
        """What is public of a release of so many records; looks at no data."""
        ...

    def release(
        self, records: Sequence[Any] | Array, rng: np.random.Generator, *, trials: int
    ) -> Array:
        """Return `trials` independent releases, shape (trials, d)."""
        ...


class Transport(Protocol):
    """Opens a link between one client and fresh server halves (see `transport`)."""

    def connect(
        self, defense: Defense, target: Target, seeds: dict[Party, int]
    ) -> AbstractContextManager[Link]:
        """Start a session; the servers' seeds are theirs alone."""
        ...


def execute(
    defense: Defense,
    target: Target,
    secret: str,
    seed: int,
    *,
    transport: Transport | None = None,
    tap: frozenset[str] | None = None,
) -> tuple[Output, Transcript]:
    """Run `defense` once and record every message.

    Client and servers get different derived seeds, so a server's coins say nothing about the
    client's.

    Args:
        defense: The protocol.
        target: The models that both sides open.
        secret: The client's prompt.
        seed: Seed of this execution.
        transport: In-process by default. Servers elsewhere draw coins of their own.
        tap: Message kinds to keep; None keeps all.

    Returns:
        The client's output and the referee's transcript.
    """
    transport = transport or InProcess()
    seeds = {party: derive(seed, "server", party) for party in defense.servers}
    coins = seeds if isinstance(transport, InProcess) else {}
    transcript = Transcript(public=public_parameters(defense), coins=coins, tap=tap)
    with transport.connect(defense, target, seeds) as link, meter() as work:
        wire = Wire(link, transcript.append, work)
        output = defense.client(target, secret, wire, derive(seed, "client"))
        transcript.afterwards = work.take()
    return output, transcript


def public_parameters(defense: Defense) -> dict[str, Any]:
    """What everybody knows of a defence: its name and its JSON-valued configuration."""
    values = getattr(defense, "public", None)
    return {"defense": type(defense).__name__, **(dict(values) if values else {})}
