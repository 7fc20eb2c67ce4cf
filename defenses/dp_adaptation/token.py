"""Extra tokens for a pipeline: any vector becomes a word that any prompt may use.

The pipeline is copied, its weights are shared: the original never changes, and a token costs the
memory of its vector.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...targets.quiet import quiet
from .postprocess import median_norm

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

TOKEN = "<S*>"
PAIRS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))


class TokenRows(nn.Module):
    """An embedding that looks ids up in a frozen table, or from `first` on in new rows.

    Attributes:
        weight: The frozen table, shape `(vocabulary, width)`.
        rows: The new rows, shape `(k, width)`, float32; may require gradients.
        first: Id of row 0; row j has id `first + j`.
    """

    def __init__(self, table: Any, first: int) -> None:
        super().__init__()
        self.weight: Tensor = table.weight
        self.rows: Tensor = torch.empty(0, self.weight.shape[1])
        self.first = first

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors of ids, shape `(*ids.shape, width)`, in the table's type.

        Raises:
            IndexError: An id is beyond the last row.
        """
        new = ids >= self.first
        known = functional.embedding(ids.masked_fill(new, 0), self.weight)
        own = self.rows[(ids - self.first).clamp_min(0)].to(known.dtype)
        return torch.where(new[..., None], own, known)


def token_widths(pipe: DiffusionPipeline) -> tuple[int, ...]:
    """Width of the token embeddings of each text encoder: two for SDXL, else one."""
    return tuple(
        int(getattr(pipe, encoder).get_input_embeddings().weight.shape[1])
        for _, encoder in PAIRS
        if getattr(pipe, encoder, None) is not None
    )


def token_vector(pipe: DiffusionPipeline, word: str) -> Tensor:
    """The embedding of a word that is one token, those of all encoders one after the other.

    Args:
        pipe: With tokenizers and text encoders.
        word: Such as `icon`.

    Raises:
        ValueError: The word is not exactly one token.
    """
    parts = []
    for tokenizer, encoder in _pairs(pipe):
        ids = tokenizer(word, add_special_tokens=False).input_ids
        if len(ids) != 1:
            raise ValueError(f"word={word!r} is {len(ids)} tokens; choose a word that is one")
        parts.append(encoder.get_input_embeddings().weight[ids[0]].detach().float())
    return torch.cat(parts)


def vocabulary(pipe: DiffusionPipeline) -> Tensor:
    """The embeddings of all tokens, shape `(tokens, sum(token_widths(pipe)))`, float32.

    Raises:
        ValueError: The text encoders have vocabularies of different sizes.
    """
    tables = [encoder.get_input_embeddings().weight.detach() for _, encoder in _pairs(pipe)]
    if len({len(table) for table in tables}) > 1:
        raise ValueError("the text encoders have vocabularies of different sizes")
    return torch.cat([table.float().cpu() for table in tables], dim=1)


def median_token_norm(pipe: DiffusionPipeline) -> float:
    """Median length of the vocabulary's embeddings, to which releases are rescaled."""
    return median_norm(vocabulary(pipe).numpy())


def with_tokens(pipe: DiffusionPipeline, tokens: Mapping[str, Tensor]) -> DiffusionPipeline:
    """A copy of a pipeline that knows further tokens; it shares every weight with `pipe`.

    Args:
        pipe: A Stable Diffusion pipeline, with tokenizers and text encoders.
        tokens: Vector of each new token, shape `(sum(token_widths(pipe)),)`. A name is matched
            as written, wherever it stands in a prompt; `<S*>` is the custom.

    Returns:
        The copy, whose prompts may use the tokens: `"red heart, <S*> style"`.

    Raises:
        ValueError: A vector has the wrong shape or is not finite, or a token exists already.
    """
    if not tokens:
        raise ValueError("tokens is empty; give at least one")
    widths = token_widths(pipe)
    for name, vector in tokens.items():
        if vector.shape != (sum(widths),) or not torch.isfinite(vector).all():
            raise ValueError(
                f"the vector of {name!r} has shape {tuple(vector.shape)}; it must be finite and "
                f"have shape ({sum(widths)},)"
            )
    return with_rows(pipe, tuple(tokens), torch.stack(list(tokens.values())).float())


def with_rows(pipe: DiffusionPipeline, names: Sequence[str], rows: Tensor) -> DiffusionPipeline:
    """As `with_tokens`, with the rows themselves: gradients flow into them.

    Args:
        pipe: A Stable Diffusion pipeline.
        names: The tokens that prompts may use, at most k; token j is row j.
        rows: Shape `(k, sum(token_widths(pipe)))`, float32.
    """
    replaced: dict[str, Any] = {}
    for tokenizer, encoder in PAIRS:
        if getattr(pipe, encoder, None) is not None:
            words, first = _extended(getattr(pipe, tokenizer), names)
            replaced[tokenizer] = words
            replaced[encoder] = _with_embedding(getattr(pipe, encoder), words, first)
    copied = _with_components(pipe, replaced)
    assign_rows(copied, rows)
    return copied


def assign_rows(pipe: DiffusionPipeline, rows: Tensor) -> None:
    """Give other rows to a copy that `with_rows` made; only that copy changes.

    Args:
        pipe: What `with_rows` returned.
        rows: Shape `(k, sum(token_widths(pipe)))`, with at least one row a token that is used.

    Raises:
        ValueError: The rows are of another width.
    """
    widths = token_widths(pipe)
    if rows.ndim != 2 or rows.shape[1] != sum(widths):
        raise ValueError(f"rows has shape {tuple(rows.shape)}; it must be (k, {sum(widths)})")
    for (_, encoder), part in zip(_pairs(pipe), rows.split(list(widths), dim=1), strict=True):
        embedding = encoder.get_input_embeddings()
        if not isinstance(embedding, TokenRows):
            raise ValueError("the pipeline has no rows of its own; make it with with_rows")
        embedding.rows = part.to(encoder.device)


def _extended(tokenizer: Any, names: Sequence[str]) -> tuple[Any, int]:
    """A copy of the tokenizer with the tokens `names`, and the id of the first."""
    from transformers import AddedToken

    if taken := [name for name in names if name in tokenizer.get_vocab()]:
        raise ValueError(f"token {taken[0]!r} exists already; choose another name")
    copied, first = copy.deepcopy(tokenizer), len(tokenizer)
    added = [AddedToken(name, normalized=False, special=False) for name in names]
    copied.add_tokens(added)
    ids = copied.convert_tokens_to_ids(list(names))
    if ids != list(range(first, first + len(names))):
        raise ValueError(f"tokens {list(names)} got the ids {ids}; names must differ")
    return copied, first


def _with_embedding(encoder: Any, tokenizer: Any, first: int) -> Any:
    """A copy of a text encoder that shares its tensors and knows the new rows."""
    shared = {id(t): t for t in itertools.chain(encoder.parameters(), encoder.buffers())}
    copied = copy.deepcopy(encoder, shared)
    copied.set_input_embeddings(TokenRows(encoder.get_input_embeddings(), first))
    # Old CLIP configs name 2 as the end of text; pooling then takes the highest id for it, which
    # would now be ours.
    for module in copied.modules():
        if getattr(module, "eos_token_id", None) == 2:
            module.eos_token_id = tokenizer.eos_token_id
    return copied


def _with_components(pipe: DiffusionPipeline, replaced: Mapping[str, Any]) -> DiffusionPipeline:
    parts = {**pipe.components, **replaced}
    settings = {
        name: value
        for name, value in pipe.config.items()
        if name not in parts and not name.startswith("_")
    }
    with quiet():
        copied = type(pipe)(**parts, **settings)
    copied.set_progress_bar_config(disable=True)
    return copied


def _pairs(pipe: DiffusionPipeline) -> list[tuple[Any, Any]]:
    found = [(getattr(pipe, t, None), getattr(pipe, e, None)) for t, e in PAIRS]
    pairs = [pair for pair in found if pair[0] is not None and pair[1] is not None]
    if not pairs:
        raise ValueError("the pipeline has no text encoder; open it with tokenizer, text_encoder")
    return pairs
