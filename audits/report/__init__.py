"""From a run folder to something a person opens: worst finding first, threat model before numbers.

Reads the folder and nothing else; no torch, and jinja2 only once a page is rendered.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .drawings import as_files
from .html import style, to_html
from .markdown import to_markdown
from .order import rows_worst_first, worst, worst_first
from .page import Page, load_page
from .read import RunFolderError, check_artifacts, load_findings, load_run

if TYPE_CHECKING:
    from .sarif import Choices

FORMATS: Mapping[str, Callable[[Page], str]] = {"html": to_html, "md": to_markdown}
"""Name of a format, which is also the suffix of its file, and what writes it."""

FIGURES = "figures"
"""Folder that `html` fills: every drawing of the page and every picture, a file each."""

EXPORTS: Mapping[str, str] = {
    "latex": "latex/report.tex",
    "sarif": "report.sarif",
    "junit": "junit.xml",
}
"""Formats for other programs, and the file of the run folder that one opens."""

__all__ = [
    "EXPORTS",
    "FIGURES",
    "FORMATS",
    "Page",
    "RunFolderError",
    "check_artifacts",
    "load_findings",
    "load_page",
    "load_run",
    "render",
    "rows_worst_first",
    "worst",
    "worst_first",
]


def render(folder: str | Path, fmt: str, choices: Choices | None = None) -> Path:
    """Write a report into a run folder, each file whole or not at all.

    Args:
        folder: What `latentleak run --out` wrote.
        fmt: One of `FORMATS`, as `report.<fmt>`, or of `EXPORTS`.
        choices: For `sarif`.

    Returns:
        The path of the report.

    Raises:
        ValueError: There is no such format.
        RunFolderError: The folder cannot be read.
    """
    if fmt in EXPORTS:
        files = _exported(Path(folder), fmt, choices)
    elif fmt in FORMATS:
        page = load_page(folder)
        files = {f"report.{fmt}": FORMATS[fmt](page)}
        if fmt == "html":
            _fill(Path(folder) / FIGURES, as_files(page, style()))
    else:
        raise ValueError(f"fmt={fmt!r} must be one of {', '.join((*FORMATS, *EXPORTS))}")
    for name, text in files.items():
        _replace(Path(folder) / name, text)
    return Path(folder) / EXPORTS.get(fmt, f"report.{fmt}")


def _exported(folder: Path, fmt: str, choices: Choices | None) -> Mapping[str, str]:
    page = load_page(folder)
    if fmt == "latex":
        from .latex import to_latex

        return to_latex(folder, page)
    if fmt == "sarif":
        from .sarif import to_sarif

        return {EXPORTS[fmt]: to_sarif(folder, page, choices)}
    from .junit import to_junit

    return {EXPORTS[fmt]: to_junit(folder, page)}


def _fill(path: Path, files: Mapping[str, bytes]) -> None:
    """A folder of these files and no other."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".report-") as folder:
        fresh, old = Path(folder) / "fresh", Path(folder) / "old"
        fresh.mkdir()
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        if path.exists():
            path.rename(old)
        fresh.rename(path)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".report-") as folder:
        fresh = Path(folder) / path.name
        fresh.write_text(text, encoding="utf-8", newline="\n")
        os.replace(fresh, path)
