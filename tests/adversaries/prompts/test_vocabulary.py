"""What a prompt says, what two have in common, and that games ask for nothing trained on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.adversaries.prompts.vocabulary import (
    ATTRIBUTES,
    by_words,
    every_prompt,
    game_prompts,
    known,
    public,
    stated,
    subjects,
    token_f1,
    words,
)
from latentleak.targets.captions import PersonPrompt
from latentleak.targets.emoji import Emoji

VALUES = {key: st.sampled_from(values) for key, values in ATTRIBUTES.items()}
TEXTS = st.lists(st.sampled_from(("woman", "man", "dark", "skin", "pilot")), max_size=6)


@given(st.fixed_dictionaries({**VALUES, "subject": st.sampled_from(subjects())}))
def test_what_a_prompt_says_is_read_back(said: dict[str, str]) -> None:
    expected = {**said, "subject": said["subject"].lower()}
    assert stated(str(PersonPrompt(**said))) == expected
    natural = stated(PersonPrompt(**said).natural())
    assert {key: natural[key] for key in ATTRIBUTES} == {key: said[key] for key in ATTRIBUTES}


def test_a_prompt_that_says_nothing_states_nothing() -> None:
    assert stated("") == {"subject": "", "gender": "person", "tone": "", "style": ""}


@given(TEXTS, TEXTS)
def test_token_f1_is_the_share_of_words_in_common(one: list[str], other: list[str]) -> None:
    value = token_f1(" ".join(one), " ".join(other))
    assert value == token_f1(" ".join(other), " ".join(one))
    assert 0 <= value <= 1
    assert (value == 1) == (bool(one) and sorted(one) == sorted(other))


def test_token_f1_counts_repeated_words_once_a_pair() -> None:
    assert token_f1("dark dark pilot", "dark pilot pilot pilot") == pytest.approx(2 * 2 / 7)
    assert by_words(["man pilot"], [("man pilot", "woman pilot")])[0].tolist() == [1.0, 0.5]


def test_what_is_learned_from_never_names_what_games_ask_for() -> None:
    asked = {subject.lower() for subject in subjects()}
    assert not asked & {stated(text)["subject"] for text in (*known(), *public())}
    emoji = Emoji.open()
    families = dict(zip(emoji.label.tolist(), emoji.family.tolist(), strict=True))
    held = {families[f"woman {s}: dark skin tone"] for s in subjects()}
    learned = {text.rpartition(", ")[0] for text in public()}
    assert not held & {families[label] for label in learned}


def test_the_closed_vocabulary_holds_every_label_and_every_prompt() -> None:
    labels = {text.rpartition(", ")[0] for text in every_prompt()}
    assert set(Emoji.open().label.tolist()) <= labels
    assert set(game_prompts()) <= set(every_prompt())
    assert all(words(text) for text in every_prompt())
