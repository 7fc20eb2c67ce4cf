"""The server halves: one that only applies the update, and one that also runs the U-Net."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import tenseal as ts
from torch import Tensor

from ...targets import sampling
from ...targets.pipeline import Target
from ..codec import ProtocolError
from . import payload
from .conv_in import Convolution, convolve
from .keys import load_vectors
from .payload import Tensors
from .proto import parameters_field, refusing
from .sampler import Grid, NoisePredictor, Solver
from .seal import parameter_bytes
from .selection import Latent
from .sparse import EncryptedLatent

if TYPE_CHECKING:
    from .protocol import HeDiffusion

Handler = Callable[[Tensors], dict[str, Tensor]]


class UpdateServer:
    """Applies z' = f z + a to a latent that the client encrypts anew at every step.

    Args:
        config: The protocol as configured.
        target: Whose noise schedule gives f.
    """

    def __init__(self, config: HeDiffusion, target: Target) -> None:
        self._config = config
        self._target = target
        self._context: Any = None
        self._step = 0

    def handle(self, kind: str, tensors: Tensors) -> dict[str, Tensor]:
        """Answer one message; see `protocol` for the kinds and what they hold."""
        known = self._handlers()
        if kind not in known:
            raise ProtocolError(f"kind={kind!r} must be one of {', '.join(known)}")
        return known[kind](tensors)

    def _handlers(self) -> dict[str, Handler]:
        handlers: dict[str, Handler] = {"context": self._open, "update": self._update}
        if self._config.offload_conv_in:
            handlers["conv-in"] = self._convolve
        return handlers

    @cached_property
    def _pipe(self) -> Any:
        return sampling.open_denoiser(self._target)

    @cached_property
    def _grid(self) -> Grid:
        return Grid.of(self._pipe.scheduler, self._config.steps)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (self._config.samples, *sampling.latent_shape(self._pipe))

    def _open(self, tensors: Tensors) -> dict[str, Tensor]:
        payload.expect_names("context", tensors, {"context"})
        content = payload.unpack_bytes(tensors, "context")
        if not content.startswith(parameters_field(parameter_bytes(self._config.ckks))):
            raise ProtocolError(
                f"context must start with the parameters {self._config.ckks.name!r} agreed on"
            )
        with refusing("the context does not open"):
            self._context = ts.context_from(content, n_threads=1)
        return {}

    def _update(self, tensors: Tensors) -> dict[str, Tensor]:
        step = self._next(tensors)
        latent = self._encrypted(tensors)
        names = {"step", "rest", "indices", "term", *_numbered("cipher", latent)}
        known = payload.unpack_latent(tensors, "term", self._shape)
        if not self._config.encrypt_update_term:
            payload.expect_names("update", tensors, names)
            return self._finish(latent, step, known)
        payload.expect_names("update", tensors, names | _numbered("term_cipher", latent))
        vectors = self._vectors(tensors, "term_cipher", len(latent.indices))
        return self._finish(latent, step, latent.replaced(rest=known, vectors=vectors))

    def _convolve(self, tensors: Tensors) -> dict[str, Tensor]:
        rest = payload.unpack_latent(tensors, "rest", self._shape)
        convolution = Convolution(module=self._pipe.unet.conv_in)
        layout = convolution.layout(self._config.ckks, rest)
        names = {"rest", *(f"shift_{i}" for i in range(layout.up))}
        payload.expect_names("conv-in", tensors, names)
        shifts = [
            load_vectors(self._opened(), [message], layout.size, self._config.ckks)[0]
            for message in payload.unpack_messages(tensors, "shift", layout.up)
        ]
        with refusing("the convolution fails"):
            features = convolve(shifts, rest, convolution, self._config.ckks)
        return payload.pack_messages("features", [bytes(v.serialize()) for v in features])

    def _finish(
        self, latent: EncryptedLatent, step: int, term: Latent | EncryptedLatent
    ) -> dict[str, Tensor]:
        with refusing("the update fails"):
            sealed = (self._grid.factor(step) * latent + term).seal()
        self._step += 1
        answer = {"rest": payload.pack_latent(sealed.rest, self._config.precision)}
        return answer | payload.pack_messages("cipher", sealed.messages)

    def _next(self, tensors: Tensors) -> int:
        step = payload.unpack_step(tensors)
        if step != self._step or step >= self._config.steps:
            raise ProtocolError(
                f"step={step} must be {self._step} and below {self._config.steps}: steps come in "
                "order, once each"
            )
        return step

    def _encrypted(self, tensors: Tensors) -> EncryptedLatent:
        rest = payload.unpack_latent(tensors, "rest", self._shape)
        indices = payload.unpack_indices(tensors, rest.size)
        return EncryptedLatent(
            rest=rest,
            indices=indices,
            vectors=self._vectors(tensors, "cipher", len(indices)),
            parameters=self._config.ckks,
        )

    def _vectors(self, tensors: Tensors, prefix: str, count: int) -> tuple[Any, ...]:
        ckks = self._config.ckks
        messages = payload.unpack_messages(tensors, prefix, ckks.ciphertexts(count))
        return tuple(load_vectors(self._opened(), messages, count, ckks))

    def _opened(self) -> Any:
        if self._context is None:
            raise ProtocolError("'context' must come first")
        return self._context


class DenoiseServer(UpdateServer):
    """Also runs the U-Net, for which the client hands it every latent in the clear."""

    def __init__(self, config: HeDiffusion, target: Target) -> None:
        super().__init__(config, target)
        self._solver: Solver | None = None

    def _handlers(self) -> dict[str, Handler]:
        return {"context": self._open, "condition": self._condition, "denoise": self._denoise}

    def _condition(self, tensors: Tensors) -> dict[str, Tensor]:
        own = sampling.encode_prompts(self._pipe, [""] * self._config.samples)
        predict = NoisePredictor(
            pipe=self._pipe,
            conditioning=payload.unpack_conditioning(tensors, own),
            guidance=self._config.guidance,
            grid=self._grid,
        )
        self._solver = Solver(predict, self._grid, self._config.method)
        return {}

    def _denoise(self, tensors: Tensors) -> dict[str, Tensor]:
        if self._solver is None:
            raise ProtocolError("'condition' must come before 'denoise'")
        step = self._next(tensors)
        shared = payload.unpack_latent(tensors, "latent", self._shape)
        latent = self._encrypted(tensors)
        names = {"step", "latent", "rest", "indices", *_numbered("cipher", latent)}
        payload.expect_names("denoise", tensors, names)
        term = self._solver.term(shared, step)
        return self._finish(latent, step, term)


def _numbered(prefix: str, latent: EncryptedLatent) -> set[str]:
    return {f"{prefix}_{i}" for i in range(len(latent.vectors))}
