"""The declared words."""

from __future__ import annotations

import itertools

import pytest

from latentleak.defenses.obclip.lexicon import (
    AGE,
    DEFAULT_SPACE,
    GENDER,
    SKIN_TONE,
    Attribute,
    AttributeSpace,
    Joint,
)
from latentleak.defenses.obclip.vocabulary import BODY, NAMES, ORIGINS, PERSONS, THINGS

ALL = DEFAULT_SPACE.attributes


def test_forms_are_disjoint_and_no_alias_is_a_form_of_its_own_attribute() -> None:
    forms = [form for attribute in ALL for row in attribute.rows for form in row]
    assert len(set(forms)) == len(forms)
    for attribute in ALL:
        own = {form for row in attribute.rows for form in row}
        assert not own & {alias for alias, _ in attribute.aliases}


def test_lists_of_the_rules_do_not_overlap() -> None:
    declared = set(DEFAULT_SPACE.entries)
    lists = {"persons": PERSONS, "things": THINGS, "names": NAMES, "origins": ORIGINS}
    for (_, one), (_, other) in itertools.combinations(lists.items(), 2):
        assert not one & other
    for words in (PERSONS, NAMES, THINGS, BODY):
        assert not words & declared - {"light"}
    assert not set(DEFAULT_SPACE.marks) & (declared | PERSONS | NAMES)


def test_every_word_names_its_attribute_class_and_value() -> None:
    attribute, row, value = DEFAULT_SPACE.words["elderly"]
    assert (attribute.name, row[value]) == ("age", "old")
    assert DEFAULT_SPACE.words["queen"][1] == ("queen", "king")


def test_a_word_of_two_attributes_says_both_where_both_are_hidden() -> None:
    both = DEFAULT_SPACE.entries["boy"][0]
    assert (both.names, both.forms[both.value]) == (("age", "gender"), "boy")
    gender = AttributeSpace(attributes=(GENDER,)).entries["boy"][0]
    assert (gender.names, gender.forms) == (("gender",), ("girl", "boy"))
    age = AttributeSpace(attributes=(AGE,)).entries["boy"][0]
    assert (age.names, age.forms) == (("age",), ("boy", "adult man", "elderly man"))


def test_a_space_that_cannot_work_is_refused() -> None:
    double = Attribute(name="tone", values=("dark", "red"), classes=(("dark", "red"),))
    with pytest.raises(ValueError, match="'dark' is in two word classes"):
        AttributeSpace(attributes=(SKIN_TONE, double))
    with pytest.raises(ValueError, match="must be distinct"):
        AttributeSpace(attributes=(AGE, AGE))
    with pytest.raises(ValueError, match="at least one"):
        AttributeSpace(attributes=())
    decades = Attribute(name="age", values=("20s", "60s"), classes=(("20s", "60s"),))
    with pytest.raises(ValueError, match="pass joint="):
        AttributeSpace(attributes=(decades, GENDER))
    assert AttributeSpace(attributes=(decades, GENDER), joint=()).values["age"] == ("20s", "60s")


def test_an_attribute_that_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="3 forms"):
        Attribute(name="age", values=AGE.values, classes=(("young", "old"),))
    with pytest.raises(ValueError, match="at least two"):
        Attribute(name="age", values=("old",), classes=(("old",),))
    with pytest.raises(ValueError, match="must hold a word class"):
        Attribute(name="age", values=("young", "old"))
    with pytest.raises(ValueError, match="'aged' must stand for a form"):
        Attribute(
            name="age", values=("a", "b"), classes=(("a", "b"),), aliases=(("aged", "ancient"),)
        )


def test_joint_classes_of_others() -> None:
    size = Attribute(name="size", values=("small", "big"), adjectives=(("small", "big"),))
    kind = Attribute(name="kind", values=("dog", "cat"), classes=(("dog", "cat"),))
    joint = Joint(names=("size", "kind"), forms=(("puppy", "kitten"), ("hound", "tiger")))
    entry = AttributeSpace(attributes=(size, kind), joint=(joint,)).entries["hound"][0]
    assert entry.forms == ("puppy", "kitten", "hound", "tiger")
