"""Build hook: shows the five folders of this repository under their installed names.

The reference is read from the sources, not imported. They stand at the root of the repository and
install as `latentleak.<folder>`, so the reader of docstrings gets a folder of links that says so.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

ROOT = Path(__file__).parents[2]
LAYERS = ("targets", "defenses", "adversaries", "scenarios", "audits")


@event_priority(100)  # before mkdocstrings, which opens its handlers then
def on_config(config: Any) -> Any:
    """Point mkdocstrings at the links; the folder goes with the build."""
    folder = tempfile.TemporaryDirectory(prefix="latentleak-docs-")
    package = Path(folder.name) / "latentleak"
    package.mkdir()
    for layer in LAYERS:
        (package / layer).symlink_to(ROOT / layer, target_is_directory=True)
    config.extra["sources"] = folder  # kept until the build is over
    handlers = config.plugins["mkdocstrings"].config.handlers
    handlers.setdefault("python", {})["paths"] = [folder.name]
    return config


def on_post_build(config: Any) -> None:
    """Remove the links."""
    config.extra["sources"].cleanup()
