"""The client half: keys, selection, encryption, decryption, and in one role the U-Net."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ...targets import sampling
from ...targets.pipeline import Target
from ...targets.sampling import Conditioning
from ..protocol import Output
from ..seeds import derive, stream, torch_stream
from ..wire import Party, Wire
from . import payload
from .conv_in import Convolution, RemoteConvolution, with_conv_in
from .flooding import flooding_ratio, update_noise
from .keys import Keys, SeededKeys, SystemKeys, Values
from .sampler import Grid, NoisePredictor, Solver
from .selection import Latent, Mask
from .sparse import Sealed, merge, seal

if TYPE_CHECKING:
    from .protocol import HeDiffusion


class Client:
    """One execution; see `protocol` for the messages.

    Args:
        config: The protocol as configured.
        target: The model.
        wire: To the server.
        seed: Of this execution's client.
    """

    def __init__(self, config: HeDiffusion, target: Target, wire: Wire, seed: int) -> None:
        self._config = config
        self._pipe: Any = sampling.open_denoiser(target)
        self._grid = Grid.of(self._pipe.scheduler, config.steps)
        self._wire = wire
        self._seed = seed
        self._server: Party = config.servers[0]
        self._keys = self._new_keys(0)

    def generate(self, secret: str) -> Output:
        """Images of a prompt."""
        samples = self._config.samples
        conditioning = sampling.encode_prompts(self._pipe, [secret] * samples)
        noise = sampling.initial_noise(self._pipe, samples, torch_stream(self._seed, "noise"))
        latent = noise.double().cpu().numpy()
        run = self._hand_back if self._config.unet == "server" else self._keep
        return Output(latents=torch.from_numpy(run(latent, conditioning)).float())

    def _hand_back(self, latent: Latent, conditioning: Conditioning) -> Latent:
        """The U-Net at the server, which therefore gets every latent in the clear."""
        self._wire.call(self._server, "condition", payload.pack_conditioning(conditioning))
        for step in range(self._config.steps):
            self._rotate(step)
            sealed = seal(latent, self._mask(latent), self._keys)
            shared = {"latent": payload.pack_latent(latent, self._config.precision)}
            latent = self._ask("denoise", step, sealed, shared)
        return latent

    def _keep(self, latent: Latent, conditioning: Conditioning) -> Latent:
        """The U-Net here; the server multiplies and adds."""
        solver = Solver(self._predictor(conditioning), self._grid, self._config.method)
        for step in range(self._config.steps):
            self._rotate(step)
            term = solver.term(latent, step)
            sealed = seal(latent, self._mask(latent), self._keys)
            latent = self._ask("update", step, sealed, self._pack_term(term, sealed))
        return latent

    def _ask(self, kind: str, step: int, sealed: Sealed, further: dict[str, Tensor]) -> Latent:
        """Send one step, and put the answer together."""
        sent = payload.pack_sealed(sealed, self._config.precision)
        request = {"step": torch.tensor(step), **sent, **further}
        answer = self._wire.call(self._server, kind, request)
        count = len(sealed.messages)
        payload.expect_names(kind, answer, {"rest", *(f"cipher_{i}" for i in range(count))})
        rest = payload.unpack_latent(answer, "rest", sealed.rest.shape)
        messages = payload.unpack_messages(answer, "cipher", count)
        values = self._keys.decrypt(messages, len(sealed.indices))
        return merge(rest, sealed.indices, self._flooded(values, step))

    def _pack_term(self, term: Latent, sealed: Sealed) -> dict[str, Tensor]:
        if not self._config.encrypt_update_term:
            return {"term": payload.pack_latent(term, self._config.precision)}
        mask = np.zeros(term.shape, dtype=np.bool_)
        np.put(mask, sealed.indices, True)
        own = seal(term, mask, self._keys)
        return {
            "term": payload.pack_latent(own.rest, self._config.precision),
            **payload.pack_messages("term_cipher", own.messages),
        }

    def _mask(self, latent: Latent) -> Mask:
        config = self._config
        if config.encrypt_fraction is None:
            return config.procedure.select(latent, config.threshold)
        return config.procedure.cover(latent, config.encrypt_fraction, stream(self._seed, "cover"))

    def _flooded(self, values: Values, step: int) -> Values:
        """Decryptions as they will be handed back; the last one is not."""
        config, last = self._config, self._config.steps - 1
        if config.flooding_bits is None or step == last:
            return values
        shared = 1 if config.fresh_keys else last
        ratio = flooding_ratio(
            shared=shared * config.ckks.ciphertexts(len(values)),
            statistical_bits=config.flooding_bits,
        )
        noise = update_noise(config.ckks, factor=self._grid.factor(step), encrypted_term=False)
        return config.procedure.flood(values, ratio * noise, stream(self._seed, "flood", step))

    def _rotate(self, step: int) -> None:
        if step and self._config.fresh_keys:
            self._keys = self._new_keys(step)

    def _new_keys(self, step: int) -> Keys:
        config = self._config
        keys: Keys = (
            SeededKeys(config.ckks, derive(self._seed, "keys", step))
            if config.seeded
            else SystemKeys(config.ckks)
        )
        context = payload.pack_bytes(config.procedure.export(keys.context))
        self._wire.call(self._server, "context", {"context": context})
        return keys

    def _predictor(self, conditioning: Conditioning) -> NoisePredictor:
        pipe = self._pipe
        if self._config.offload_conv_in:
            remote = RemoteConvolution(self._convolved, self._config.samples)
            unet = with_conv_in(pipe.unet, remote)
            pipe = SimpleNamespace(unet=unet, scheduler=pipe.scheduler)
        return NoisePredictor(
            pipe=pipe,
            conditioning=conditioning,
            guidance=self._config.guidance,
            grid=self._grid,
        )

    def _convolved(self, latent: Latent) -> Latent:
        """The server's convolution of `latent`, shape (n, output channels, height, width)."""
        convolution, ckks = Convolution(module=self._pipe.unet.conv_in), self._config.ckks
        layout = convolution.layout(ckks, latent)
        mask = self._mask(latent)
        packed = layout.pack_shifts(convolution.shifts(latent * mask))
        messages = [self._keys.encrypt(values)[0] for values in packed]
        rest = payload.pack_latent(latent * ~mask, self._config.precision)
        request = {"rest": rest, **payload.pack_messages("shift", messages)}
        answer = self._wire.call(self._server, "conv-in", request)
        payload.expect_names("conv-in", answer, {f"features_{i}" for i in range(layout.down)})
        features = payload.unpack_messages(answer, "features", layout.down)
        slots = np.stack([self._keys.decrypt([message], layout.size) for message in features])
        positions = len(latent) * math.prod(convolution.size(latent))
        return convolution.image(layout.unpack_outputs(slots, positions), latent)
