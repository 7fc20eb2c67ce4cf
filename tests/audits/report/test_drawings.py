"""The folder of figures holds every drawing of the page and every picture, a file each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from latentleak.audits.report import FIGURES, load_page, render
from latentleak.audits.report.drawings import drawings
from latentleak.audits.verdict import Finding

Make = Callable[..., Finding]
Folder = Callable[..., Path]
SVG = "{http://www.w3.org/2000/svg}"
CURVE = [
    {"name": "similarity", "adversary": "eye", "estimate": y, "along": ["share", x]}
    for x, y in ((0.1, 0.9), (0.5, 0.2))
]


def test_the_page_and_the_folder_show_the_same(
    run_folder: Folder, finding: Make, refuted: Make, png: bytes
) -> None:
    digest = hashlib.sha256(png).hexdigest()
    picture = {"path": "artifacts/strip.png", "sha256": digest, "caption": "Left: hers."}
    folder = run_folder(
        [finding(measures=CURVE), refuted(artifacts=(picture,))], files={"strip.png": png}
    )
    page = render(folder, "html").read_text(encoding="utf-8")
    every = list(drawings(load_page(folder)))
    assert all(each.svg in page for each in every)
    wide = [each for each in every if not each.narrow]
    assert len({each.file for each in wide}) == len(wide)
    kinds = {each.file.partition("-")[0] for each in wide}
    assert {"flow", "forest", "curve"} <= kinds
    files = {path.name: path.read_bytes() for path in (folder / FIGURES).iterdir()}
    assert files.keys() == {f"{each.file}.svg" for each in wide} | {"strip.png"}
    assert files["strip.png"] == png
    for name in files.keys() - {"strip.png"}:
        tree = ElementTree.fromstring(files[name])
        assert tree.tag == f"{SVG}svg"
        assert tree.findtext(f"{SVG}style")
        assert tree.findtext(f"{SVG}title")


def test_what_was_there_before_is_gone(run_folder: Folder, finding: Make) -> None:
    folder = run_folder([finding()])
    render(folder, "html")
    (folder / FIGURES / "old.svg").write_text("<svg/>")
    render(folder, "html")
    names = {path.name for path in (folder / FIGURES).iterdir()}
    assert names
    assert "old.svg" not in names
    assert not list(folder.glob(".report-*"))
