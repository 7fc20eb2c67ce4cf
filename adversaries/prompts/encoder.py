"""The public text encoder, row by row: hidden states of tokens, whole prompts, and soft tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...targets import sampling
from ...targets.pipeline import Target
from .vocabulary import every_prompt, words

Floats = npt.NDArray[np.float64]
ROWS = 64
"""Prompts in one call."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Tokenizer and text encoder of a target with one text encoder.

    Attributes:
        tokenizer: A CLIP tokenizer.
        model: A `CLIPTextModel`: causal, so that a token's state depends on those before it only.
    """

    tokenizer: Any
    model: Any

    @staticmethod
    def of(target: Target) -> Encoder:
        """The encoder of a target.

        Raises:
            ValueError: It has two text encoders; their states cannot be told by prefix.
        """
        pipe: Any = sampling.open_denoiser(target)
        if getattr(pipe, "text_encoder_2", None) is not None:
            raise ValueError("target has two text encoders; these attacks read a single one")
        return Encoder(tokenizer=pipe.tokenizer, model=pipe.text_encoder)

    @property
    def length(self) -> int:
        """Tokens of a padded prompt."""
        return int(self.tokenizer.model_max_length)

    @property
    def ends(self) -> tuple[int, int]:
        """The tokens before and after every prompt; the latter pads as well."""
        return int(self.tokenizer.bos_token_id), int(self.tokenizer.eos_token_id)

    @property
    def table(self) -> Tensor:
        """Token embeddings, shape (vocabulary, width), float32."""
        table: Tensor = self.model.get_input_embeddings().weight.detach().float()
        return table

    def ids(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Padded tokens, shape (texts, length)."""
        options = {"padding": "max_length", "truncation": True, "max_length": self.length}
        return np.array(self.tokenizer(list(texts), **options).input_ids, dtype=np.int64)

    def text(self, ids: Sequence[int]) -> str:
        """The words of tokens, up to the first end; a hyphen binds the words beside it."""
        start, end = self.ends
        own = [int(i) for i in ids]
        own = own[1:] if own[:1] == [start] else own
        own = own[: own.index(end)] if end in own else own
        return re.sub(r"(?<=\w) - (?=\w)", "-", " ".join(str(self.tokenizer.decode(own)).split()))

    @torch.no_grad()
    def states(self, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Last hidden states, shape (n, tokens, width); `ids` may be cut anywhere."""
        rows = torch.from_numpy(np.ascontiguousarray(ids)).to(self.model.device)
        parts = [self.model(part).last_hidden_state.float().cpu() for part in rows.split(ROWS)]
        return torch.cat(parts).numpy()

    def soft_states(self, soft: Tensor) -> Tensor:
        """Hidden states of vectors in place of token embeddings, with their gradients.

        Args:
            soft: Shape (n, tokens, width), those of the prompt's ends included.
        """
        table = self.model.get_input_embeddings()
        handle = table.register_forward_hook(lambda module, given, out: soft.to(out.dtype))
        try:
            ids = torch.zeros(soft.shape[:2], dtype=torch.long, device=soft.device)
            states: Tensor = self.model(ids).last_hidden_state.float()
        finally:
            handle.remove()
        return states


def vocabulary_tokens(encoder: Encoder) -> npt.NDArray[np.int64]:
    """Tokens that any caption of the closed vocabulary holds, the end among them, in order."""
    tokens = np.array(sorted({int(i) for row in _word_ids(encoder) for i in row}), dtype=np.int64)
    return np.union1d(tokens, encoder.ends[1])


@lru_cache(maxsize=2)
def _word_ids(encoder: Encoder) -> Sequence[Sequence[int]]:
    every = sorted({word for text in every_prompt() for word in (*text.split(), *words(text))})
    found: Sequence[Sequence[int]] = encoder.tokenizer(every, add_special_tokens=False).input_ids
    return found


@lru_cache(maxsize=32)
def encoded(target: Target, texts: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """Hidden states of padded prompts, shape (texts, length, width).

    States before the longest prompt's end are computed once; behind, padding goes on.
    """
    encoder = Encoder.of(target)
    return encoder.states(encoder.ids(texts))
