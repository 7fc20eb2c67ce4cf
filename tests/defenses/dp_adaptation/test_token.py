"""A token is its vector, in any pipeline; the pipeline that it was added to never changes."""

from __future__ import annotations

import pytest
import torch
from diffusers import DiffusionPipeline

from latentleak.defenses.dp_adaptation.token import (
    TOKEN,
    TokenRows,
    assign_rows,
    token_vector,
    token_widths,
    vocabulary,
    with_rows,
    with_tokens,
)
from latentleak.targets import load
from latentleak.targets.pipeline import Target
from latentleak.targets.sampling import embed_prompts, encode_prompts, generate

PROMPT, WITH_TOKEN = "a red heart, noto style", f"a red {TOKEN}, noto style"


@pytest.fixture(scope="module", params=["tiny", "embedded", "sdxl"])
def pipe(request: pytest.FixtureRequest, sdxl: Target) -> DiffusionPipeline:
    target = sdxl if request.param == "sdxl" else load(request.param, device="cpu")
    return target.open()


def test_a_words_vector_is_the_word(pipe: DiffusionPipeline) -> None:
    adapted = with_tokens(pipe, {TOKEN: token_vector(pipe, "heart")})
    ours, theirs = encode_prompts(adapted, [WITH_TOKEN]), encode_prompts(pipe, [PROMPT])
    assert torch.equal(ours.text, theirs.text)
    for name, value in theirs.added.items():
        assert torch.equal(ours.added[name], value), name
    assert torch.equal(
        generate(adapted, [WITH_TOKEN], seed=1, steps=2), generate(pipe, [PROMPT], seed=1, steps=2)
    )


def test_the_original_shares_its_weights_and_stays_as_it_is(pipe: DiffusionPipeline) -> None:
    before = len(pipe.tokenizer)
    adapted = with_tokens(pipe, {TOKEN: torch.ones(sum(token_widths(pipe)))})
    assert len(pipe.tokenizer) == before == len(adapted.tokenizer) - 1
    assert not isinstance(pipe.text_encoder.get_input_embeddings(), TokenRows)
    assert adapted.unet is pipe.unet
    own = {p.data_ptr() for p in pipe.text_encoder.parameters()}
    assert {p.data_ptr() for p in adapted.text_encoder.parameters()} <= own
    assert TOKEN not in pipe.tokenizer.get_vocab()
    again = with_tokens(adapted, {"<T*>": torch.zeros(sum(token_widths(pipe)))})
    assert len(again.tokenizer) == before + 2


def test_prompts_without_the_token_are_unchanged(pipe: DiffusionPipeline) -> None:
    adapted = with_tokens(pipe, {TOKEN: torch.full((sum(token_widths(pipe)),), 5.0)})
    assert torch.equal(encode_prompts(adapted, [PROMPT]).text, encode_prompts(pipe, [PROMPT]).text)


def test_gradients_reach_their_own_row_alone(pipe: DiffusionPipeline) -> None:
    rows = torch.randn((3, sum(token_widths(pipe)))).requires_grad_()
    adapted = with_rows(pipe, ["<a>", "<b>", "<c>"], rows)
    embedded = embed_prompts(adapted, ["a <b>", "in <c> style"])
    embedded.text[0].square().sum().backward()
    assert rows.grad is not None
    assert (rows.grad.abs().sum(1) > 0).tolist() == [False, True, False]
    assert all(p.grad is None for p in pipe.text_encoder.parameters())


def test_embedding_alone_equals_embedding_for_guidance(pipe: DiffusionPipeline) -> None:
    alone, both = embed_prompts(pipe, [PROMPT]), encode_prompts(pipe, [PROMPT])
    assert torch.equal(alone.text, both.text)
    assert {k: v.tolist() for k, v in alone.added.items()} == {
        k: v.tolist() for k, v in both.added.items()
    }


def test_several_tokens_and_new_rows(pipe: DiffusionPipeline) -> None:
    heart, star = token_vector(pipe, "heart"), token_vector(pipe, "star")
    adapted = with_tokens(pipe, {"<h>": heart, "<s>": star})
    texts = encode_prompts(pipe, ["red heart", "red star"]).text
    assert torch.equal(encode_prompts(adapted, ["red <h>", "red <s>"]).text, texts)
    assign_rows(adapted, torch.stack([star, heart]))
    assert torch.equal(encode_prompts(adapted, ["red <s>", "red <h>"]).text, texts)


def test_vocabulary_holds_the_words(pipe: DiffusionPipeline) -> None:
    table = vocabulary(pipe)
    assert table.shape == (len(pipe.tokenizer), sum(token_widths(pipe)))
    ids = pipe.tokenizer("heart", add_special_tokens=False).input_ids
    assert torch.equal(table[ids[0]], token_vector(pipe, "heart"))


def test_errors(tiny: Target) -> None:
    pipe = tiny.open()
    with pytest.raises(ValueError, match="must be finite and have shape \\(32,\\)"):
        with_tokens(pipe, {TOKEN: torch.zeros(31)})
    with pytest.raises(ValueError, match="must be finite"):
        with_tokens(pipe, {TOKEN: torch.full((32,), float("nan"))})
    with pytest.raises(ValueError, match="tokens is empty"):
        with_tokens(pipe, {})
    adapted = with_tokens(pipe, {TOKEN: torch.zeros(32)})
    with pytest.raises(ValueError, match="exists already"):
        with_tokens(adapted, {TOKEN: torch.zeros(32)})
    with pytest.raises(ValueError, match="is 2 tokens"):
        token_vector(pipe, "red heart")
    with pytest.raises(ValueError, match="make it with with_rows"):
        assign_rows(pipe, torch.zeros(1, 32))
    with pytest.raises(ValueError, match=r"must be \(k, 32\)"):
        assign_rows(adapted, torch.zeros(1, 31))
    with pytest.raises(ValueError, match="no text encoder"):
        token_vector(tiny.open("unet"), "heart")
