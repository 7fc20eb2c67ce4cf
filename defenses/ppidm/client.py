"""The client half: everything but products with weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...targets import sampling
from ...targets.pipeline import Target
from ..protocol import Output
from ..seeds import torch_stream
from ..wire import Wire
from .integrity import checker_of
from .offload import Session, offloaded
from .procedure import Procedure
from .ring import RingSharing
from .sharing import PartitionSharing, RealSharing, Sharing

if TYPE_CHECKING:
    from .protocol import Ppidm


def sharing_of(config: Ppidm, seed: int = 0, procedure: Procedure | None = None) -> Sharing:
    """The configured mode; with the client's seed and procedure, or for a server without."""
    procedure = procedure or Procedure()
    if config.share == "ring":
        return RingSharing(
            n=config.n,
            k=config.modulus_bits,
            input_bits=config.input_bits,
            weight_bits=config.weight_bits,
            seed=seed,
            procedure=procedure,
        )
    if config.share == "partition":
        return PartitionSharing(n=config.n, precision=config.precision)
    return RealSharing(
        n=config.n,
        magnitude=config.magnitude,
        precision=config.precision,
        seed=seed,
        procedure=procedure,
    )


def generate(config: Ppidm, target: Target, secret: str, wire: Wire, seed: int) -> Output:
    """One image of a prompt."""
    pipe: Any = sampling.open_denoiser(target)
    sharing = sharing_of(config, seed, config.procedure)
    session = Session(wire, config.servers, sharing, checker_of(sharing, config.checks, seed))
    remote: Any = SimpleNamespace(
        unet=offloaded(pipe.unet, config.preset, session), scheduler=pipe.scheduler
    )

    def advance(step: int, latents: Tensor) -> None:
        session.step = step + 1

    done = sampling.denoise(
        remote,
        sampling.initial_noise(pipe, 1, torch_stream(seed, "noise")),
        sampling.encode_prompts(pipe, [secret]),
        steps=config.steps,
        guidance=config.guidance,
        callback=advance,
    )
    return Output(latents=done.latents.cpu())
