"""HE-Diffusion as a protocol between a client that holds the key and one server.

The released code is one process: it encrypts part of a latent, scales and shifts it, decrypts it
at once, and runs the U-Net on the plaintext. Who does what must be decided; `unet` decides it.
[x] is x encrypted under the client's key, s the encrypted positions, r all others.

`unet="server"`, at every step the hand-back of the released code:

1. client -> server  `context`:   parameters and public key, again at every step with fresh keys
2. client -> server  `condition`: embeddings of the prompt and of the empty prompt
3. client -> server  `denoise`:   step, z (`latent`), z_r (`rest`), s (`indices`),
   [z_s] (`cipher_i`)
4. server: a from the U-Net on z; z_r' = f z_r + a_r; [z_s'] = f [z_s] + a_s
5. server -> client: z_r' (`rest`), [z_s'] (`cipher_i`)
6. client: z = z_r' and the decryption of [z_s'], flooded if configured; back to 3

`unet="client"`, no hand-back; the server only does arithmetic:

1. client -> server  `context`:   as above
2. client: a from its own U-Net on z, with `offload_conv_in` its first layer asked for:
   2a. client -> server  `conv-in`: z_r (`rest`), [shifts of z_s] (`shift_i`)
   2b. server -> client: [products of the weights with the shifts] (`features_i`)
3. client -> server  `update`:    step, z_r (`rest`), s (`indices`), [z_s] (`cipher_i`),
   a (`term`); or, with `encrypt_update_term`, a_r with zeros at s (`term`), [a_s] (`term_cipher_i`)
4. server -> client: z_r' = f z_r + a_r (`rest`), [z_s'] = f [z_s] + [a_s] (`cipher_i`)
5. client: z from both; back to 2

Latents cross as float64 or float32, indices as int32, all else as bytes. Note what partial
encryption with a data-dependent s does even in the second role: an entry encrypted at one step and
in the clear at the next is a decryption, handed to the server.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ...targets.pipeline import Target
from ..claims import Claim, Hidden, Indistinguishability, SecurityLevel
from ..protocol import Output
from ..wire import Party, Server, Wire
from .client import Client
from .parameters import CkksParameters, parameters_of
from .procedure import Procedure
from .sampler import METHODS
from .server import DenoiseServer, UpdateServer

SERVER = Party("server/0")
UNET = ("server", "client")
PRECISIONS = ("float64", "float32")
TABLES = ("HomomorphicEncryption.org 2018, ternary secret", "eprint 2024/463, ternary secret")
"""The two tables of largest moduli that `SecurityLevel` is claimed by."""


@dataclass(frozen=True, kw_only=True)
class HeDiffusion:
    """The sampler's update under CKKS. `variants` names the combinations worth discussing.

    Attributes:
        steps: Sampling steps.
        guidance: Scale of classifier-free guidance.
        method: `plms` as released, or `ddim`, both at eta 0.
        samples: Images generated at once; their entries share ciphertexts.
        parameters: Name of a CKKS parameter set.
        unet: Who runs the U-Net: `server` or `client`.
        threshold: Tau of the min-distortion selection, in [0, 1).
        encrypt_fraction: None selects by distortion; a share in (0, 1] encrypts as many entries,
            drawn once an execution and whatever the latent; 1 encrypts everything.
        encrypt_update_term: Encrypt a as well (U-Net at the client only).
        fresh_keys: A new key pair for every step.
        flooding_bits: Statistical security of the noise added to decryptions that go back to the
            server [bits]; None adds none (U-Net at the server only).
        offload_conv_in: The server evaluates the first convolution (U-Net at the client only).
        precision: Type of latents in the clear: `float64`, as TenSEAL decrypts, or `float32`.
        seeded: Keys and encryption noise from the client's seed, so that executions repeat byte
            for byte; False takes them from the operating system.
        procedure: The client's steps (see `procedure`).

    References:
        Chen et al. (2024), https://arxiv.org/abs/2403.05794.
    """

    steps: int = 25
    guidance: float = 4.0
    method: str = "plms"
    samples: int = 1
    parameters: str = "repository"
    unet: str = "server"
    threshold: float = 0.01
    encrypt_fraction: float | None = None
    encrypt_update_term: bool = False
    fresh_keys: bool = False
    flooding_bits: float | None = None
    offload_conv_in: bool = False
    precision: str = "float64"
    seeded: bool = True
    procedure: Procedure = field(default_factory=Procedure)

    def __post_init__(self) -> None:
        for name, choices in (("method", METHODS), ("unet", UNET), ("precision", PRECISIONS)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} must be one of {', '.join(choices)}"
                )
        for name in ("steps", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")
        parameters_of(self.parameters)
        self._check_encryption()

    def _check_encryption(self) -> None:
        if not 0 <= self.threshold < 1:
            raise ValueError(f"threshold={self.threshold:g} must be >= 0 and < 1")
        if self.encrypt_fraction is not None and not 0 < self.encrypt_fraction <= 1:
            raise ValueError(f"encrypt_fraction={self.encrypt_fraction:g} must be > 0 and <= 1")
        if self.flooding_bits is not None and not 0 <= self.flooding_bits <= 128:
            raise ValueError(f"flooding_bits={self.flooding_bits:g} must be >= 0 and <= 128")
        if self.unet == "server" and (self.encrypt_update_term or self.offload_conv_in):
            raise ValueError(
                "encrypt_update_term and offload_conv_in need unet='client': a server that runs "
                "the U-Net knows its output"
            )
        if self.unet == "client" and self.flooding_bits is not None:
            raise ValueError("flooding_bits needs unet='server': nothing else is handed back")

    @property
    def ckks(self) -> CkksParameters:
        """The CKKS parameters."""
        return parameters_of(self.parameters)

    @property
    def servers(self) -> tuple[Party, ...]:
        """One server, honest but curious."""
        return (SERVER,)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What the paper promises of the system, whichever way the roles are given out."""
        return (
            Hidden(what="image", metric="pixel similarity"),
            Hidden(what="prompt", metric="prompt retrieval"),
            Indistinguishability(advantage=0.02),
            *(SecurityLevel(bits=128, table=table) for table in TABLES),
        )

    @property
    def public(self) -> dict[str, Any]:
        """What the server knows of the configuration."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "procedure"}

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        """The client half."""
        return Client(self, target, wire, seed).generate(secret)

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """The server half; it draws nothing."""
        return (DenoiseServer if self.unet == "server" else UpdateServer)(self, target)
