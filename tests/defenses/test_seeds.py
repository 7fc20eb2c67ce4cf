"""Streams: reproducible, distinct by name, and silent about where they come from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentleak.defenses.seeds import derive, stream, torch_stream

BOUNDED = settings(derandomize=True, deadline=None, max_examples=200, database=None)
SEEDS = st.integers(0, 2**70)
# Unit and record separators are drawn often: they join the names inside.
TEXT = st.text(st.sampled_from("ab1\x1f\x1e\\u:strin "), max_size=8)
PINNED = 5152614060446557791
PATHS = st.lists(st.one_of(TEXT, st.integers(-9, 9)), max_size=4).map(tuple)


@BOUNDED
@given(SEEDS, PATHS)
def test_a_child_is_a_63_bit_number_that_is_not_its_parent(
    seed: int, path: tuple[str | int, ...]
) -> None:
    child = derive(seed, *path)
    assert 0 <= child < 2**63
    assert child != seed
    assert child == derive(seed, *path)


@BOUNDED
@given(SEEDS, PATHS, PATHS)
def test_distinct_names_give_distinct_children(
    seed: int, one: tuple[str | int, ...], two: tuple[str | int, ...]
) -> None:
    assert (derive(seed, *one) == derive(seed, *two)) == (one == two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("1",), (1,)),
        (("a", "b"), ("a\x1fstr:b",)),
        (("a\x1f",), ("a\\u",)),
        (("a\\", "b"), ("a\\\x1fstr:b",)),
        ((), ("",)),
        (("", ""), ("",)),
    ],
)
def test_names_do_not_run_into_each_other(
    one: tuple[str | int, ...], two: tuple[str | int, ...]
) -> None:
    assert derive(0, *one) != derive(0, *two)


@BOUNDED
@given(SEEDS, SEEDS)
def test_distinct_seeds_give_distinct_children(one: int, two: int) -> None:
    assert (derive(one, "a") == derive(two, "a")) == (one == two)


def test_a_published_value_never_changes() -> None:
    assert derive(0, "game", 1) == PINNED
    assert derive(0, "game", np.int64(1)) == PINNED


@pytest.mark.parametrize("make", [derive, stream, torch_stream])
def test_a_negative_seed_is_an_error(make: object) -> None:
    with pytest.raises(ValueError, match="seed=-1 must be >= 0"):
        make(-1, "a")


def test_a_name_is_text_or_an_integer() -> None:
    with pytest.raises(TypeError):
        derive(0, 1.0)  # equal to 1, but not as a name


def test_streams_repeat_and_differ_by_name() -> None:
    assert stream(3, "a").random(4).tolist() == stream(3, "a").random(4).tolist()
    assert stream(3, "a").random(4).tolist() != stream(3, "b").random(4).tolist()
    one, two = (torch.rand(4, generator=torch_stream(3, "a")) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, torch.rand(4, generator=torch_stream(3, "b")))


def test_a_stream_does_not_expose_its_seed() -> None:
    seed = 123456789
    sequence = stream(seed, "a").bit_generator.seed_seq
    assert isinstance(sequence, np.random.SeedSequence)
    assert sequence.entropy == derive(seed, "a")
    assert torch_stream(seed, "a").initial_seed() == derive(seed, "a") != seed
