"""A CLIP tokenizer in which every word of the captions is one token.

Byte-pair merges are learned on the words until each is whole; every other string falls back to
its bytes. Written in the formats of both transformers 4 (`vocab.json`, `merges.txt`) and 5.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from ..captions import GENDERS, POSSESSIVES, STYLE_NAMES, TONES
from ..emoji import Emoji

LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"
EXTRA = (
    "a an the of in with and on at for to by from is are portrait picture photo image drawing icon "
    "emoji style skin tone she he they his her their him them hers himself herself who wearing "
    "holding happy sad young adult elderly female male lady gentleman"
)


def words(texts: Iterable[str]) -> list[str]:
    """Distinct words as CLIP's pre-tokenizer cuts them, in byte-level letters."""
    cutter = CLIPTokenizer().backend_tokenizer
    assert cutter.normalizer is not None
    assert cutter.pre_tokenizer is not None
    found: dict[str, None] = {}
    for text in texts:
        cut = cutter.pre_tokenizer.pre_tokenize_str(cutter.normalizer.normalize_str(text))
        found.update({piece: None for piece, _ in cut})
    return sorted(found)


def merges(vocabulary: Iterable[str]) -> list[tuple[str, str]]:
    """Byte-pair merges, in order, after which every word of `vocabulary` is one token."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=100_000, min_frequency=0, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(vocabulary, trainer)
    pairs = json.loads(tokenizer.to_str())["model"]["merges"]
    return [(first, second) for first, second in pairs]


def write(folder: Path, texts: Iterable[str]) -> CLIPTokenizer:
    """Learn the tokenizer on `texts` and save it."""
    pairs = merges(words(texts))
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    tokens += dict.fromkeys(first + second for first, second in pairs)
    tokens += [START, END]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    options: dict[str, Any] = {"vocab": vocabulary, "merges": pairs, "model_max_length": LENGTH}
    tokenizer = CLIPTokenizer(**options)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False) + "\n")
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in pairs)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tokenizer


def texts() -> list[str]:
    """Everything that must be whole words: all labels and the words of the prompt forms."""
    labels = sorted({str(label) for label in Emoji.open().label})
    forms = " ".join((*GENDERS, *TONES, *POSSESSIVES.values(), *STYLE_NAMES.values()))
    return [*labels, EXTRA, forms]
