"""Reading a run folder: what is wrong is named with its line and its remedy."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from latentleak.audits.report import (
    RunFolderError,
    check_artifacts,
    load_findings,
    load_run,
)
from latentleak.audits.report.read import load_artifact
from latentleak.audits.verdict import Finding

Make = Callable[..., Finding]
Folder = Callable[..., Path]


def _named(name: str, data: bytes) -> dict[str, str]:
    digest = hashlib.sha256(data).hexdigest()
    return {"path": f"artifacts/{name}", "sha256": digest, "caption": "What was seen."}


def test_what_was_written_is_read(run_folder: Folder, finding: Make, undecided: Make) -> None:
    folder = run_folder([finding(), undecided()])
    read = load_findings(folder)
    assert [f.id for f in read] == ["which-prompt/obclip", "which-prompt-timed/obclip"]
    assert [f.to_json() for f in read] == [finding().to_json(), undecided().to_json()]
    assert load_run(str(folder))["exit_status"] == 1


@pytest.mark.parametrize("name", ["findings.jsonl", "run.json"])
def test_a_missing_file_is_named_with_the_remedy(
    run_folder: Folder, finding: Make, name: str
) -> None:
    folder = run_folder([finding()])
    (folder / name).unlink()
    load = load_findings if name == "findings.jsonl" else load_run
    with pytest.raises(RunFolderError, match=f"{name} is missing.*--resume"):
        load(folder)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"folder='.*nowhere' must be a folder"):
        load_findings(tmp_path / "nowhere")


def _change(record: dict[str, Any], **values: Any) -> str:
    return json.dumps(record | values)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda r: json.dumps(r)[:-9], "is not JSON"),
        (lambda r: json.dumps(r).replace("0.0894", "NaN"), "NaN is no JSON"),
        (lambda r: "[1]", "holds a number|holds a list|it must be a finding"),
        (lambda r: _change(r, schema=7), "schema=7 must be 1"),
        (lambda r: _change(r, verdict="SECURE"), "SECURE"),
        (lambda r: _change(r, surprise=1), "'surprise' is unknown"),
        (lambda r: _change(r, estimate="much"), "estimate='much' must be a number"),
        (lambda r: _change(r, interval=[1]), "must be two numbers"),
        (lambda r: _change(r, rows=[1]), "is no finding"),
        (lambda r: _change(r, rows=[r["rows"][0] | {"wins": "many"}]), "wins='many'"),
        (lambda r: _change(r, defense={}), "'name' is missing"),
        (lambda r: json.dumps(r).replace('"level"', '"lavel"'), "'level' is missing"),
        (lambda r: _change(r, exact=["x"]), "exact holds a text"),
        (lambda r: json.dumps({k: v for k, v in r.items() if k != "rows"}), "'rows' is missing"),
    ],
)
def test_a_broken_line_is_named(
    run_folder: Folder, finding: Make, broken: Callable[[dict[str, Any]], str], message: str
) -> None:
    folder = run_folder([finding()])
    line = broken(finding().to_dict())
    (folder / "findings.jsonl").write_text(finding().to_json() + "\n" + line + "\n")
    with pytest.raises(RunFolderError, match=message) as caught:
        load_findings(folder)
    assert "findings.jsonl, line 2" in str(caught.value)
    assert "run the audit again" in str(caught.value)


def test_bytes_that_are_no_text(run_folder: Folder, finding: Make) -> None:
    folder = run_folder([finding()])
    (folder / "findings.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(RunFolderError, match=r"findings\.jsonl cannot be read as UTF-8"):
        load_findings(folder)


def test_a_separator_inside_a_text_does_not_split_the_line(
    run_folder: Folder, finding: Make
) -> None:
    folder = run_folder([])
    record = finding(reason="one\u2028two").to_dict()
    (folder / "findings.jsonl").write_text(json.dumps(record, ensure_ascii=False), "utf-8")
    assert load_findings(folder)[0].reason == "one\u2028two"


def test_altered_and_missing_artifacts_are_told(
    run_folder: Folder, finding: Make, png: bytes
) -> None:
    entries = (_named("good.png", png), _named("bad.png", png), _named("gone.png", png))
    files = {"good.png": png, "bad.png": png + b"x"}
    folder = run_folder([finding(artifacts=entries)], files=files)
    altered, missing = check_artifacts(folder, load_findings(folder))
    assert "artifacts/bad.png was altered after the run" in altered
    assert "artifacts/gone.png is missing" in missing
    assert load_artifact(folder, entries[0]).data == png
    assert load_artifact(folder, entries[1]).data is None


@pytest.mark.parametrize("path", ["../outside.png", "artifacts/link.png", "", ".", "/etc/hostname"])
def test_nothing_outside_the_folder_is_read(
    run_folder: Folder, finding: Make, png: bytes, path: str
) -> None:
    folder = run_folder([finding()])
    (folder.parent / "outside.png").write_bytes(png)
    (folder / "artifacts" / "link.png").symlink_to(folder.parent / "outside.png")
    found = load_artifact(folder, _named("x", png) | {"path": path})
    assert found.data is None
    assert "outside the run folder" in str(found.problem)
