"""The private collections: counts, licences, sizes, and that nothing public overlaps with them."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from latentleak.targets import Emoji, TargetError, private_sets
from latentleak.targets.emoji import sheet
from latentleak.targets.pipeline import EMBEDDED
from latentleak.targets.rebuild import private_sets as rebuild


def test_stickies_come_in_pairs() -> None:
    data = private_sets.load("stickies")
    assert data.images.shape == (200, 64, 64, 3)
    assert data.images.dtype == np.uint8
    assert len(data) == len(set(data.label.tolist())) == 200
    families, counts = np.unique(data.family, return_counts=True)
    assert len(families) == 100
    assert (counts == 2).all()
    assert set(data.licence.tolist()) == {"CC-BY-4.0"}


def test_pictograms_are_those_of_the_list() -> None:
    data = private_sets.load("pictograms")
    assert data.label.tolist() == [*rebuild.TEMAKI.split(), *rebuild.MATERIAL.split()]
    assert data.licence.tolist() == ["CC0-1.0"] * 25 + ["Apache-2.0"] * 36
    assert set(data.family[data.label == "kayaking"].tolist()) == {"kayaking"}


@pytest.mark.parametrize("name", list(private_sets.STYLES))
def test_images_differ_and_stand_on_white(name: private_sets.Name) -> None:
    images = private_sets.load(name).images
    assert len({image.tobytes() for image in images}) == len(images)
    assert (images.max((1, 2)) == 255).all()
    assert (images.reshape(len(images), -1).std(1) > 20).all()


def test_small_and_licensed() -> None:
    folder = EMBEDDED / "private"
    assert sum(path.stat().st_size for path in folder.glob("*.webp")) < 2**20
    text = (EMBEDDED / "LICENSES.md").read_text(encoding="utf-8")
    for source in rebuild.SOURCES:
        assert f"`{source.package}` {source.version}" in text


def test_public_images_are_held_out_and_not_private() -> None:
    public = private_sets.public()
    assert len(public) == 96
    assert len(set(public.family.tolist())) > 80
    data = Emoji.open()
    held_out = {image.tobytes() for image in data.images[data.split == "concept"]}
    private = {i.tobytes() for n in private_sets.STYLES for i in private_sets.load(n).images}
    own = {image.tobytes() for image in public.images}
    assert own <= held_out
    assert not own & private


def test_names_and_counts_are_checked() -> None:
    with pytest.raises(TargetError, match="must be one of stickies, pictograms"):
        private_sets.load("icons")  # type: ignore[arg-type]
    with pytest.raises(TargetError, match="count=0 must be in"):
        private_sets.public(0)
    assert len(private_sets.public(5)) == 5


def test_rebuild_from_an_archive(tmp_path: Path) -> None:
    square = {"body": '<path fill="currentColor" d="M0 0h8v8H0z"/>'}
    icons = {"width": 16, "height": 16, "icons": {"square": square, "square-duo": square}}
    archive = tmp_path / "iconify-json-test-1.0.0.tgz"
    content = json.dumps(icons).encode()
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("package/icons.json")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    source = rebuild.Source(
        collection="stickies", package="@iconify-json/test", version="1.0.0", licence="MIT"
    )
    assert rebuild.build(tmp_path, tmp_path, [source]) == {"stickies": 2}
    data = private_sets.load("stickies", tmp_path)
    assert data.family.tolist() == ["square", "square"]
    assert data.package.tolist() == ["@iconify-json/test 1.0.0"] * 2
    assert (data.images[0, :30, :30] < 8).all()
    assert (data.images[0, 34:, 34:] > 247).all()
    assert (sheet(tmp_path / "stickies.webp")[2:] == 255).all()
