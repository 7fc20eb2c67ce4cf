"""The report as a person sees it: order, completeness, escaping, nothing loaded."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from latentleak.audits.report import FORMATS, RunFolderError, formats, render, words
from latentleak.audits.report.forest import NARROW, WIDE, forest
from latentleak.audits.verdict import Control, Finding, Row, Verdict

Make = Callable[..., Finding]
Folder = Callable[..., Path]
HOSTILE = "<script>alert('x')</script> | \"quoted\" & [link](javascript:x) `code` *bold*"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Outline(HTMLParser):
    """Elements with their attributes; complains about tags that do not match."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.stack: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def _html(folder: Path) -> str:
    return render(folder, "html").read_text(encoding="utf-8")


def _outline(page: str) -> Outline:
    outline = Outline()
    outline.feed(page)
    outline.close()
    assert outline.stack == []
    return outline


@pytest.fixture
def full(
    run_folder: Folder, finding: Make, refuted: Make, plain: Make, undecided: Make, png: bytes
) -> Path:
    digest = hashlib.sha256(png).hexdigest()
    picture = {"path": "artifacts/strip.png", "sha256": digest, "caption": "Left: the client's."}
    found = [plain(), finding(artifacts=(picture,)), undecided(), refuted()]
    return run_folder(found, files={"strip.png": png})


@pytest.mark.parametrize("fmt", sorted(FORMATS))
def test_worst_first(full: Path, fmt: str) -> None:
    page = render(full, fmt).read_text(encoding="utf-8")
    marks = {
        "html": [f'id="finding-{n}-title"' for n in range(1, 5)],
        "md": [f"### {n}. " for n in range(1, 5)],
    }[fmt]
    parts = [page[page.index(mark) :][:700] for mark in marks]
    names = ["Broken", "ObClip", "ObClip", "Plain"]
    verdicts = ["REFUTED", "INCONCLUSIVE", "NOT REFUTED", "REFUTED"]
    assert [name in part for name, part in zip(names, parts, strict=True)] == [True] * 4
    assert [v in part for v, part in zip(verdicts, parts, strict=True)] == [True] * 4


@pytest.mark.parametrize("fmt", sorted(FORMATS))
def test_threat_model_before_the_first_measured_number(
    full: Path, fmt: str, finding: Make, refuted: Make, undecided: Make
) -> None:
    page = render(full, fmt).read_text(encoding="utf-8")
    start = page.index("Threat model")
    for text in (*words.ASSUMPTIONS.values(), *words.KNOWLEDGE.values()):
        if text in page:
            start = max(start, page.index(text))
    measured = set()
    for each in (finding(), refuted(), undecided()):
        for row in each.rows:
            values = (row.estimate, row.detectable, row.ceiling, *row.interval)
            measured |= {formats.signed(v) for v in values if v is not None}
            measured.add(f"{row.wins}/{row.n}")
    numbers = [text for text in measured if text[-1].isdigit() and text in page]
    assert len(numbers) >= 8
    assert start < min(page.index(text) for text in numbers)


@pytest.mark.parametrize("fmt", sorted(FORMATS))
def test_every_row_and_interval_is_there(
    full: Path, fmt: str, finding: Make, refuted: Make, plain: Make, undecided: Make
) -> None:
    page = render(full, fmt).read_text(encoding="utf-8").replace("\\", "")
    for each in (finding(), refuted(), plain(), undecided()):
        assert each.reason in page or words.sentence(each.reason) in page
        for row in each.rows:
            for text in (
                row.adversary,
                formats.interval(row.interval),
                formats.signed(row.detectable),
                formats.signed(row.ceiling),
                f"{row.wins}/{row.n}",
            ):
                assert text in page
        for control in each.controls:
            assert control.observed in page
    assert "Byte-identical views" in page
    assert "0.022 bit" in page
    assert "[0.000, 0.309]" in page
    assert "latentleak run which-prompt --seed 0" in page
    assert "unbounded" in page


def test_metrics_do_not_share_an_axis(
    run_folder: Folder, finding: Make, row: Callable[..., Row]
) -> None:
    rows = (row(metric="total variation", p_adjusted=0.5), row(), row(adversary="pivot"))
    page = _html(run_folder([finding(rows=rows)]))
    assert page.index("advantage over 1/N (0: chance)") < page.index("total variation (0: chance)")
    assert page.count('class="forest wide"') == 2


def test_the_page_loads_nothing(full: Path) -> None:
    page = _html(full)
    outline = _outline(page)
    assert not {"script", "link", "iframe", "object", "base", "form"} & {
        t for t, _ in outline.found
    }
    for tag, attributes in outline.found:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/")), (tag, value)
    assert "@import" not in page
    assert all(value.startswith("#") for value in re.findall(r"url\(([^)]*)\)", page))
    policy = [a["content"] for a in outline.all("meta") if "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]


def test_structure_for_those_who_cannot_see_it(full: Path) -> None:
    outline = _outline(_html(full))
    assert outline.all("html")[0]["lang"] == "en"
    assert len(outline.all("h1")) == 1
    assert all(image["alt"] for image in outline.all("img"))
    assert [(i["width"], i["height"]) for i in outline.all("img")] == [("3", "2")]
    assert all(cell.get("scope") for cell in outline.all("th"))
    drawings = [a for a in outline.all("svg") if a.get("role") == "img"]
    assert len(drawings) == 4 + 2 * 4
    ids = [a["id"] for _, a in outline.found if "id" in a]
    assert len(ids) == len(set(ids))
    for drawing in drawings:
        assert set(str(drawing["aria-labelledby"]).split()) <= set(ids)
    targets = {str(a["href"])[1:] for a in outline.all("a")}
    assert targets <= set(ids)


def test_light_dark_phone_and_print(full: Path) -> None:
    page = _html(full)
    for text in (
        "@media (prefers-color-scheme: dark)",
        "@media print",
        "@media (max-width: 720px)",
        'content="width=device-width, initial-scale=1"',
    ):
        assert text in page


def test_verdicts_differ_by_word_and_shape_not_by_colour_alone(full: Path) -> None:
    page = _html(full)
    shapes = set(re.findall(r'<svg class="icon ([\w-]+)"[^>]*>\s*<(\w+) class="(\w+)"', page))
    assert {tone for tone, _, _ in shapes} == {"refuted", "inconclusive", "not-refuted"}
    assert ("not-refuted", "circle", "ring") in shapes
    assert 'class="point refuting"' in page
    assert "<circle cx=" in page


def test_the_banner_says_what_leaks_and_to_whom(
    run_folder: Folder, finding: Make, plain: Make, undecided: Make, refuted: Make
) -> None:
    def headline(*found: Finding) -> str:
        page = _html(run_folder(found))
        return re.sub("<[^>]+>", "", page[page.index("<h1>") : page.index("</h1>")]).strip()

    leak = "the server learns which of the candidate prompts is the real one"
    assert headline(refuted(), finding(), plain()) == f"Refuted: {leak}"
    assert headline(undecided(), finding()) == f"Undecided whether {leak}"
    assert headline(finding(), plain()) == f"No sign that {leak}"
    assert headline(plain()) == "Controls only"
    both = finding(threat_model=finding().threat_model | {"coalition": ["server/0", "server/1"]})
    assert "server/0 and server/1 together learn which" in headline(both)


@pytest.mark.parametrize("fmt", sorted(FORMATS))
def test_a_control_that_missed_is_shouted(
    run_folder: Folder, finding: Make, plain: Make, fmt: str
) -> None:
    folder = run_folder([finding(), plain(verdict=Verdict.INCONCLUSIVE)])
    page = render(folder, fmt).read_text(encoding="utf-8")
    top = page[: page.index("Threat model")] if fmt == "md" else page[: page.index("<main>")]
    assert "which-prompt/plain came out INCONCLUSIVE, expected REFUTED" in top
    assert "do not believe the claims beside it" in top


def test_hostile_text_stays_text(
    run_folder: Folder, finding: Make, row: Callable[..., Row]
) -> None:
    base = finding()
    nasty = row(adversary=HOSTILE, arm=HOSTILE, metric=HOSTILE, games={HOSTILE: HOSTILE})
    folder = run_folder(
        [
            finding(
                id=HOSTILE,
                scenario=HOSTILE,
                question=HOSTILE,
                defense={"name": HOSTILE, "path": HOSTILE, "fields": {HOSTILE: HOSTILE}},
                reason=HOSTILE,
                metric=HOSTILE,
                claim={"type": HOSTILE, "statement": HOSTILE, "assumptions": [HOSTILE]},
                rows=(nasty,),
                exact=({"name": HOSTILE, "statement": HOSTILE, HOSTILE: HOSTILE},),
                measures=({"name": HOSTILE, "estimate": HOSTILE, "unit": HOSTILE},),
                controls=(Control(name=HOSTILE, expected=HOSTILE, observed=HOSTILE, holds=False),),
                threat_model=base.threat_model | {"coalition": [HOSTILE], "knows": [HOSTILE]},
                provenance={HOSTILE: {HOSTILE: HOSTILE}},
                artifacts=({"path": HOSTILE, "sha256": HOSTILE, "caption": HOSTILE},),
            )
        ],
        run={"command": [HOSTILE], "config": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}},
    )
    outline = _outline(_html(folder))
    assert not outline.all("script")
    text = render(folder, "md").read_text(encoding="utf-8")
    assert "<script" not in text
    assert re.search(r"(?<!\\)\]\(", text) is None
    assert "`code`" not in text.replace("\\`", "")
    for block in text.split("\n\n"):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert not block.startswith("| ") or len(cells) == 1


@pytest.mark.parametrize("fmt", sorted(FORMATS))
@pytest.mark.parametrize(
    "run", [{}, {"command": "latentleak run"}, {"config": None, "seconds": None, "versions": []}]
)
def test_every_key_of_the_run_is_optional(
    run_folder: Folder, finding: Make, fmt: str, run: dict[str, Any]
) -> None:
    page = render(run_folder([finding()], run=run), fmt).read_text(encoding="utf-8")
    assert "Provenance" in page


@pytest.mark.parametrize("fmt", sorted(FORMATS))
def test_a_run_without_findings(run_folder: Folder, fmt: str) -> None:
    page = render(run_folder([]), fmt).read_text(encoding="utf-8")
    assert "No findings in this run" in page


@pytest.mark.parametrize("fmt", sorted(FORMATS))
def test_a_bare_finding(run_folder: Folder, finding: Make, fmt: str) -> None:
    bare = finding(
        rows=(), exact=(), measures=(), controls=(), threat_model={}, provenance={}, claim={}
    )
    page = render(run_folder([bare]), fmt).read_text(encoding="utf-8")
    assert "ObClip" in page


def test_an_empty_folder_gives_an_error_and_no_report(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"run\.json is missing"):
        render(tmp_path, "html")
    assert list(tmp_path.iterdir()) == []


def test_an_altered_picture_is_told_and_not_shown(full: Path, png: bytes) -> None:
    (full / "artifacts" / "strip.png").write_bytes(png + b"altered")
    page = _html(full)
    assert "was altered after the run" in page
    assert "data:image" not in page


def test_digests_are_short_with_the_full_value_at_hand(full: Path, finding: Make) -> None:
    digest = finding().provenance["target"]["digests"]["cloud/unet"]
    page = _html(full)
    assert f'title="{digest}">{digest[:12]}…<' in page


def test_reports_replace_each_other_whole(full: Path) -> None:
    before = {path.name for path in full.iterdir()}
    first = render(full, "html")
    text = first.read_text(encoding="utf-8")
    assert render(str(full), "html") == first == full / "report.html"
    assert first.read_text(encoding="utf-8") == text
    assert {path.name for path in full.iterdir()} == before | {"report.html", "figures"}


def test_an_unknown_format(full: Path) -> None:
    with pytest.raises(ValueError, match="fmt='pdf' must be one of html, md, latex, sarif, junit"):
        render(full, "pdf")


def _numbers(drawing: ElementTree.Element, tag: str, key: str) -> list[float]:
    return [float(e.get(key, "nan")) for e in drawing.iter(tag) if e.get(key) is not None]


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=["wide", "narrow"])
def test_forest_stays_inside_its_frame(row: Callable[..., Row], layout: Any) -> None:
    rows = [
        row(adversary="an adversary with a very long name indeed", arm="an arm with a long name"),
        row(interval=(float("-inf"), float("inf")), detectable=float("inf"), ceiling=float("inf")),
        row(estimate=float("nan"), interval=(float("nan"), float("nan"))),
        row(estimate=0.9, interval=(0.7, 0.9), p_adjusted=1e-9),
    ]
    drawing = ElementTree.fromstring(forest(rows, limit=0.02, name="x", layout=layout))
    _, _, width, height = map(float, str(drawing.get("viewBox")).split())
    for tag, key, end in [
        ("line", "x1", width),
        ("line", "x2", width),
        ("line", "y1", height),
        ("line", "y2", height),
        ("text", "x", width),
        ("text", "y", height),
        ("circle", "cx", width),
    ]:
        values = _numbers(drawing, tag, key)
        assert values
        assert 0 <= min(values) <= max(values) <= end, (tag, key)


@pytest.mark.parametrize("layout", [WIDE, NARROW], ids=["wide", "narrow"])
def test_forest_texts_do_not_overlap(row: Callable[..., Row], layout: Any) -> None:
    rows = [row(adversary="a" * 60, arm="b" * 60, interval=(-0.123, 0.456)) for _ in range(5)]
    drawing = ElementTree.fromstring(forest(rows, limit=0.02, name="x", layout=layout))
    boxes = []
    for text in drawing.iter("text"):
        content = "".join(t for e in text.iter() if e.tag != "title" for t in [e.text or ""])
        wide = (7.0 if text.get("class") == "name" else 6.6) * len(content)
        x, y = float(text.get("x", "0")), float(text.get("y", "0"))
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[
            text.get("text-anchor", "start")
        ]
        boxes.append((left, left + wide, y - 10, y + 3, content))
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            apart = (
                one[0] >= other[1] or other[0] >= one[1] or one[2] >= other[3] or other[2] >= one[3]
            )
            assert apart, (one, other)


def test_an_empty_forest_is_nothing() -> None:
    assert forest([], limit=None, name="x") == ""


def test_neither_torch_nor_numpy_is_imported_and_jinja_only_for_html(full: Path) -> None:
    code = (
        "import sys, json\n"
        "from latentleak.audits.report import render\n"
        "before = 'jinja2' in sys.modules\n"
        "render(sys.argv[1], 'md')\n"
        "middle = 'jinja2' in sys.modules\n"
        "render(sys.argv[1], 'html')\n"
        "heavy = [m for m in ('torch', 'numpy', 'scipy', 'diffusers') if m in sys.modules]\n"
        "print(json.dumps([before, middle, 'jinja2' in sys.modules, heavy]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(full)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [False, False, True, []]
