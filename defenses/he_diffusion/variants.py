"""Who runs what, and what is encrypted: the combinations worth discussing, by name.

All have the fields of `HeDiffusion`; only the defaults differ.

| variant | U-Net | a | z | keys | hand-back |
|---|---|---|---|---|---|
| `AsReleased` | server | known | by distortion | one | every step |
| `ClientUnet` | client | in the clear | by distortion | one | through the changing rest |
| `EncryptedTerm` | client | encrypted like z | by distortion | one | through the changing rest |
| `FullEncryption` | client | in the clear | all | one | none |
| `FullyHardened` | client | all encrypted | all | one a step | none |
"""

from __future__ import annotations

from dataclasses import dataclass

from .protocol import HeDiffusion


@dataclass(frozen=True, kw_only=True)
class AsReleased(HeDiffusion):
    """What the released code amounts to: the U-Net sees every latent, decrypted at every step."""


@dataclass(frozen=True, kw_only=True)
class ClientUnet(HeDiffusion):
    """The client denoises; the server updates a partly encrypted latent by a known term."""

    unet: str = "client"
    parameters: str = "lean"


@dataclass(frozen=True, kw_only=True)
class EncryptedTerm(ClientUnet):
    """The same, with the update term encrypted wherever the latent is."""

    encrypt_update_term: bool = True


@dataclass(frozen=True, kw_only=True)
class FullEncryption(ClientUnet):
    """The whole latent encrypted, the update term in the clear."""

    encrypt_fraction: float | None = 1.0


@dataclass(frozen=True, kw_only=True)
class FullyHardened(FullEncryption):
    """Everything encrypted, a fresh key at every step, nothing handed back, no index set.

    The server learns the number of steps and the sizes. It also does next to nothing: the U-Net,
    and so the work, is the client's.
    """

    encrypt_update_term: bool = True
    fresh_keys: bool = True


VARIANTS: tuple[type[HeDiffusion], ...] = (
    AsReleased,
    ClientUnet,
    EncryptedTerm,
    FullEncryption,
    FullyHardened,
)
