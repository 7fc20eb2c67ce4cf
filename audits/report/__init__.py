"""From a run folder to something a person opens: worst finding first, threat model before numbers.

Reads the folder and nothing else; no torch, and jinja2 only once a page is rendered.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from .html import to_html
from .markdown import to_markdown
from .order import rows_worst_first, worst, worst_first
from .page import Page, load_page
from .read import RunFolderError, check_artifacts, load_findings, load_run

FORMATS: Mapping[str, Callable[[Page], str]] = {"html": to_html, "md": to_markdown}
"""Name of a format, which is also the suffix of its file, and what writes it."""

__all__ = [
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


def render(folder: str | Path, fmt: str) -> Path:
    """Write `report.<fmt>` into a run folder, whole or not at all.

    Args:
        folder: What `latentleak run --out` wrote.
        fmt: One of `FORMATS`.

    Returns:
        The path of the report.

    Raises:
        ValueError: There is no such format.
        RunFolderError: The folder cannot be read.
    """
    if fmt not in FORMATS:
        raise ValueError(f"fmt={fmt!r} must be one of {', '.join(FORMATS)}")
    path = Path(folder) / f"report.{fmt}"
    _replace(path, FORMATS[fmt](load_page(folder)))
    return path


def _replace(path: Path, text: str) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".report-") as folder:
        fresh = Path(folder) / path.name
        fresh.write_text(text, encoding="utf-8", newline="\n")
        os.replace(fresh, path)
