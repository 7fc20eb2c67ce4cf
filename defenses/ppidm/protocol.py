"""PPIDM as a protocol between a client and n servers that do not collude.

The client keeps text encoding, scheduler, autoencoder, every non-linearity, attention's products of
two activations, and biases. Layers selected by a preset go to the servers; [x]_i is what server i
gets of an input x (see `sharing` and `ring`).

For each step, and each request group of the preset in the order in which the U-Net runs them:

1. client: both branches of guidance in one batch; divides x into [x]_1, ..., [x]_n
2. client -> server i  `layer-NNN`:  step, [x]_i (`share`)
3. server i -> client:               W_j [x]_i for the layers j of the group (`product_j`)
4. client: checks the products if configured, adds up W_j x = sum_i W_j [x]_i, adds the bias

NNN numbers the groups by the order of modules, as `layers.request_groups` does: everybody who has
the model and the preset can tell which layers they are. Where a message would outgrow the wire, it
is cut into several, in order: along the tokens of a linear layer, along the branches of a
convolution.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ...targets.pipeline import Target
from ..claims import Assumption, Claim, Fidelity, Hidden, Offload
from ..protocol import Output
from ..wire import Party, Server, Wire
from .fixed_point import check_ring
from .layers import check_preset
from .procedure import Procedure

SHARES = ("ring", "real", "partition")
PRECISIONS = ("fp32", "fp16", "bf16")
MAX_SERVERS = 64

_TRUST = (Assumption.SEMI_HONEST, Assumption.NON_COLLUDING, Assumption.SECRET_SEED)
ONE_SERVER = Hidden(
    what="image from one server",
    metric="pixel similarity",
    normalized_leakage_at_most=0.25,
    retrieval_at_most=0.25,
    assumptions=_TRUST,
)
"""The abstract's reduction of leakage by 75 %, read as what is left for one server."""

ALL_BUT_ONE = (
    Hidden(what="image from all but one server", metric="pixel similarity", assumptions=_TRUST),
    Hidden(what="prompt from all but one server", metric="prompt retrieval", assumptions=_TRUST),
)


@dataclass(frozen=True, kw_only=True)
class Ppidm:
    """Send the linear layers of the U-Net to n servers. `variants` names the three modes.

    Attributes:
        steps: Denoising steps.
        guidance: Scale of classifier-free guidance; 1 is none, and a single branch.
        n: Servers, at least 2.
        preset: Which layers leave (see `layers`).
        share: `ring`, `real` or `partition`.
        modulus_bits: k of the ring Z_2^k.
        input_bits: Significant bits of an input in the ring, sign included.
        weight_bits: The same for a weight.
        magnitude: Mode `real`: standard deviation of a mask over the root mean square of an input.
        precision: Modes `real` and `partition`: `fp32`, `fp16` or `bf16` at the servers.
        checks: Freivalds checks of each product before it is used; 0 trusts the servers.
        procedure: The client's steps (see `procedure`).

    References:
        Wang et al. (2025), https://doi.org/10.1109/TCSVT.2025.3553514. Only the abstract is public.
    """

    steps: int = 25
    guidance: float = 4.0
    n: int = 4
    preset: str = "all_linear"
    share: str = "ring"
    modulus_bits: int = 48
    input_bits: int = 18
    weight_bits: int = 16
    magnitude: float = 16.0
    precision: str = "fp32"
    checks: int = 0
    procedure: Procedure = field(default_factory=Procedure)

    def __post_init__(self) -> None:
        check_preset(self.preset)
        for name, choices in (("share", SHARES), ("precision", PRECISIONS)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} must be one of {', '.join(choices)}"
                )
        if self.steps < 1:
            raise ValueError(f"steps={self.steps} must be >= 1")
        if not 2 <= self.n <= MAX_SERVERS:
            raise ValueError(f"n={self.n} must be from 2 to {MAX_SERVERS}: one server sees all")
        if not 0 < self.magnitude <= 2.0**20:
            raise ValueError(f"magnitude={self.magnitude:g} must be > 0 and <= 2^20")
        if not 0 <= self.checks <= 128:
            raise ValueError(f"checks={self.checks} must be from 0 to 128")
        self._check_ring()

    def _check_ring(self) -> None:
        check_ring(self.modulus_bits)
        for name in ("input_bits", "weight_bits"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 2: one is the sign")
        if self.input_bits + self.weight_bits > self.modulus_bits:
            raise ValueError(
                f"input_bits={self.input_bits} + weight_bits={self.weight_bits} must be <= "
                f"modulus_bits={self.modulus_bits}, or not even one product fits"
            )

    @property
    def servers(self) -> tuple[Party, ...]:
        """`server/0` to `server/n-1`."""
        return tuple(Party(f"server/{i}") for i in range(self.n))

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The abstract's three numbers; in mode `ring`, also that all servers but one see nothing.

        Fidelity is 60 dB where only rounding to fixed point is lost, else the abstract's.
        """
        exact = self.share == "ring"
        return (
            *(ALL_BUT_ONE if exact else ()),
            ONE_SERVER,
            Offload(share=0.67),
            Fidelity(metric="PSNR", at_least=60.0 if exact else 36.9),
        )

    @property
    def public(self) -> dict[str, Any]:
        """What the servers know of the configuration."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "procedure"}

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """Denoise with a U-Net whose layers are elsewhere."""
        from .client import generate

        return generate(self, target, secret, wire, seed)

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """A server that multiplies; it draws nothing."""
        from .client import sharing_of
        from .server import LayerServer, serve_target

        sharing, index = sharing_of(self), self.servers.index(me)
        alike = index if self.share == "partition" else 0
        served = serve_target(target, self.preset, sharing, alike)
        return LayerServer(served=served, dtype=sharing.dtype, steps=self.steps)
