"""Keys cover everything that matters; files are whole or absent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.dp_adaptation import cache as caching
from latentleak.defenses.dp_adaptation.cache import Cache, key, read, write

IMAGE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
IDENTITY = {"recipe": {"steps": 3}, "model": {"unet": "ab"}}
LIBRARIES = {"torch": "2.14"}


@given(place=st.integers(0, 47), bit=st.integers(0, 7))
def test_every_bit_of_the_image_matters(place: int, bit: int) -> None:
    other = IMAGE.copy()
    other.reshape(-1)[place] ^= np.uint8(1 << bit)
    assert key(other, IDENTITY, LIBRARIES) != key(IMAGE, IDENTITY, LIBRARIES)


def test_recipe_model_versions_and_shape_matter() -> None:
    keys = {
        key(IMAGE, IDENTITY, LIBRARIES),
        key(IMAGE, IDENTITY | {"recipe": {"steps": 4}}, LIBRARIES),
        key(IMAGE, IDENTITY | {"model": {"unet": "ac"}}, LIBRARIES),
        key(IMAGE, IDENTITY, {"torch": "2.15"}),
        key(IMAGE.reshape(2, 8, 3), IDENTITY, LIBRARIES),
    }
    assert len(keys) == 5
    assert key(IMAGE.copy(), dict(reversed(IDENTITY.items())), LIBRARIES) in keys


def test_what_is_added_is_found(tmp_path: Path) -> None:
    cache, others = Cache(folder=tmp_path / "new"), [IMAGE + 1, IMAGE + 2]
    assert cache.find(others, IDENTITY) == {}
    vectors = np.ones((2, 5), np.float32) * [[1], [2]]
    cache.add(others, IDENTITY, vectors.astype(np.float32))
    found = cache.find([IMAGE, IMAGE + 2, IMAGE + 1], IDENTITY)
    assert sorted(found) == [1, 2]
    assert found[1].tolist() == [2.0] * 5
    assert cache.find(others, {}) == {}


def test_other_versions_only_on_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Cache(folder=tmp_path).add([IMAGE], IDENTITY, np.zeros((1, 2), np.float32))
    monkeypatch.setattr(caching, "versions", lambda: {"torch": "99"})
    assert Cache(folder=tmp_path).find([IMAGE], IDENTITY) == {}
    assert list(Cache(folder=tmp_path, any_versions=True).find([IMAGE], IDENTITY)) == [0]


def test_a_damaged_file_counts_as_absent(tmp_path: Path) -> None:
    cache = Cache(folder=tmp_path)
    path = cache.add([IMAGE], IDENTITY, np.zeros((1, 2), np.float32))
    path.write_bytes(path.read_bytes()[:-3])
    assert cache.find([IMAGE], IDENTITY) == {}
    path.write_bytes(b"")
    assert read(path) is None
    write(path, {"other": np.zeros(1)}, {})
    assert cache.find([IMAGE], IDENTITY) == {}


def test_metadata_survives(tmp_path: Path) -> None:
    write(tmp_path / "a.safetensors", {"x": np.arange(3)}, {"step": 4, "names": {"b": "c"}})
    content = read(tmp_path / "a.safetensors")
    assert content is not None
    assert content[0]["x"].tolist() == [0, 1, 2]
    assert content[1] == {"step": 4, "names": {"b": "c"}}
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]
