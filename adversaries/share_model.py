"""PPIDM's public side: the model, the sampler, and which layers are worth opening.

A twin of the U-Net (`defenses.ppidm.offload.offloaded`) asks a `Tap` for products of layers. The
tap multiplies as servers would and remembers inputs, or takes inputs that were opened in place of
the network's own, so that the network runs on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..defenses.ppidm.layers import Layer, RequestGroup, layers_of, request_groups
from ..defenses.ppidm.offload import offloaded
from ..defenses.views import Views
from ..targets import sampling
from ..targets.pipeline import Target
from ..targets.sampling import Conditioning
from .contract import Auxiliary
from .he_views import Model, Pictures
from .share_views import Floats, Shape

LATENT, NOISE, TEXT = "conv_in", "conv_out", ".attn2.to_k"
"""Layers that get the latent, the last features, and the encoded prompt (end of the name)."""


@dataclass
class Tap:
    """Stands for the servers in one U-Net pass.

    Attributes:
        wanted: Numbers of the request groups whose inputs are remembered.
        forced: By number, an input to take instead of the network's own, and where.
        inputs: What was remembered.
    """

    wanted: frozenset[int] = frozenset()
    forced: Mapping[int, tuple[Tensor, Tensor]] = field(default_factory=dict)
    inputs: dict[int, Tensor] = field(default_factory=dict)

    def ask(self, group: RequestGroup, layers: Sequence[Layer], x: Tensor) -> list[Tensor]:
        """W x, as the client's session does."""
        if group.number in self.forced:
            value, known = self.forced[group.number]
            x = torch.where(known, value, x)
        if group.number in self.wanted:
            self.inputs[group.number] = x
        return [layer.product(x) for layer in layers]


@dataclass(frozen=True, kw_only=True, eq=False)
class ShareModel:
    """The model, its sampler, and the layers that a preset sends away.

    Attributes:
        target: Which model.
        pipe: All parts that attacks use.
        preset: Of the defence.
        steps: Denoising steps.
        guidance: Scale of classifier-free guidance.
        shown: Decodes latents, and shows what an attacker who saw nothing would.
    """

    target: Target
    pipe: Any
    preset: str
    steps: int
    guidance: float
    shown: Model

    @classmethod
    def open(cls, aux: Auxiliary, views: Views) -> ShareModel:
        """The model that `aux` refers to, under the first game's public configuration.

        Raises:
            ValueError: If the threat model did not grant the weights, or there is no game.
        """
        if not len(views):
            raise ValueError("views holds no game; give at least one")
        if aux.weights is None:
            raise ValueError("attacks on PPIDM need the fact weights")
        public = views.view(0).public
        return cls.of(
            Target(**aux.weights["open"]),
            preset=str(public["preset"]),
            steps=int(public["steps"]),
            guidance=float(public["guidance"]),
        )

    @classmethod
    def of(cls, target: Target, *, preset: str, steps: int, guidance: float) -> ShareModel:
        """The model under a configuration of the defence."""
        shown = Model.of(target, steps=steps, guidance=guidance, method="ddim")
        return cls(
            target=target,
            pipe=shown.pipe,
            preset=preset,
            steps=steps,
            guidance=guidance,
            shown=shown,
        )

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Number of the request group of every layer that leaves, by name."""
        groups = request_groups(self.pipe.unet, self.preset)
        return {name: group.number for group in groups for name in group.names}

    def name(self, number: int) -> str:
        """The first layer of a request group."""
        return next(name for name, own in self.numbers.items() if own == number)

    def shape(self, number: int) -> Shape:
        """The input of a request group."""
        group = request_groups(self.pipe.unet, self.preset)[number]
        layer = layers_of(self.pipe.unet, group)[0]
        return Shape(channels=layer.inputs, convolves=layer.convolves)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Request groups at both ends of the network (see `ends`)."""
        return tuple(self.numbers[n] for n in ends(self.pipe.unet) if n in self.numbers)

    @cached_property
    def text(self) -> tuple[int, ...]:
        """Request groups whose input is the encoded prompt."""
        return tuple(number for name, number in self.numbers.items() if name.endswith(TEXT))

    @property
    def branches(self) -> int:
        """Rows of a U-Net pass for one image: without and with the prompt."""
        return 1 if self.guidance == 1 else 2

    @cached_property
    def solver(self) -> Any:
        """The client's sampler, for its times and its noise schedule."""
        return sampling.new_solver(self.pipe, self.steps)

    def scales(self, step: int) -> tuple[float, float]:
        """Factors a and s of the latent z = a x0 + s e before a step."""
        sigma = float(self.solver.sigmas[step])
        alpha = 1 / float(np.sqrt(1 + sigma**2))
        return alpha, sigma * alpha

    def tapped(self, tap: Tap) -> Any:
        """A pipeline whose U-Net asks a tap for its products."""
        unet = offloaded(self.pipe.unet, self.preset, _session(tap))
        return SimpleNamespace(unet=unet, scheduler=self.pipe.scheduler)

    def run(
        self, latents: Tensor, conditioning: Conditioning, step: int, tap: Tap
    ) -> tuple[Tensor, Tensor]:
        """One guided U-Net pass.

        Args:
            latents: Shape (n, channels, height, width).
            conditioning: For n images.
            step: Number of the step.
            tap: Answers for the servers; the rows of its tensors are `in_rows` of n images.

        Returns:
            The guided output, and the clean latent that it means; shape as `latents`.
        """
        time = self.solver.timesteps[step]
        output = sampling.predict(self.tapped(tap), latents, time, conditioning, self.guidance)
        return output, self.clean(latents, output, step)

    def encoded(self, prompts: Sequence[str]) -> Conditioning:
        """Conditioning of prompts; a process encodes a list of them once."""
        return _encoded(self.target, tuple(prompts))

    def empty(self, count: int) -> Conditioning:
        """Conditioning of images without a prompt."""
        return sampling.repeated(self.encoded([""]), count)

    def clean(self, latents: Tensor, output: Tensor, step: int) -> Tensor:
        """The clean latent that a guided output means."""
        alpha, share = self.scales(step)
        if self.pipe.scheduler.config.prediction_type == "v_prediction":
            return torch.as_tensor(alpha * latents - share * output)
        return torch.as_tensor((latents - share * output) / alpha)

    def in_rows(self, x: Tensor) -> Tensor:
        """(games, branches, ...) as the rows of a U-Net pass: all unprompted ones first."""
        return x.transpose(0, 1).flatten(0, 1)

    def in_games(self, x: Tensor) -> Tensor:
        """The inverse of `in_rows`."""
        return torch.as_tensor(x.unflatten(0, (self.branches, -1)).transpose(0, 1))

    def pictures(self, latents: Floats | Tensor) -> Pictures:
        """Decoded latents, shape (n, height, width, 3)."""
        return self.shown.pictures(np.asarray(latents, dtype=np.float64))

    def nothing(self, games: int) -> Pictures:
        """The mean public picture, every time."""
        return self.shown.prior(games)


@lru_cache(maxsize=64)
def _encoded(target: Target, prompts: tuple[str, ...]) -> Conditioning:
    return sampling.encode_prompts(sampling.open_denoiser(target), prompts)


def _session(tap: Tap) -> Any:
    return tap


def ends(unet: Any) -> tuple[str, ...]:
    """Layers at both ends of a U-Net: what gets the latent, and what gives the output.

    The last residual block also gets the output of `conv_in`, over a skip connection. So the input
    of its shortcut holds a linear image of the latent; together with the inputs of its second
    convolution and of the last projection it determines everything behind.
    """
    last, block = f"up_blocks.{len(unet.up_blocks) - 1}", unet.up_blocks[-1]
    resnet = f"{last}.resnets.{len(block.resnets) - 1}"
    names = [LATENT, f"{resnet}.conv_shortcut", f"{resnet}.conv2"]
    if getattr(block, "attentions", None):
        names.append(f"{last}.attentions.{len(block.attentions) - 1}.proj_out")
    return (*names, NOISE)


def kinds(target: Target, preset: str) -> frozenset[str]:
    """Message kinds that attacks on shares read, for a scenario that keeps no others.

    They are the layers of `ends`, and those that get the encoded prompt.

    Args:
        target: The model.
        preset: Of the defence.
    """
    unet: Any = target.open("unet").unet
    groups = request_groups(unet, preset)
    return frozenset(
        group.kind
        for group in groups
        if group.names[0].endswith(TEXT) or set(ends(unet)) & set(group.names)
    )
