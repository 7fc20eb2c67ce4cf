"""Which code ran: a digest of every package of the library, and of nothing that only describes it.

Two runs with the same digests were made by the same source, whatever the version says.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

LAYERS = ("targets", "defenses", "adversaries", "scenarios", "audits")


def digests() -> dict[str, str]:
    """SHA-256 over the names and contents of the Python files of every package.

    >>> sorted(digests())[:2]
    ['adversaries', 'adversaries.membership']
    """
    root = Path(__file__).resolve().parent
    places = {layer: _place(root, layer) for layer in LAYERS}
    found: dict[str, str] = {}
    for layer, place in places.items():
        for folder in (place, *sorted(each for each in place.rglob("*") if each.is_dir())):
            files = sorted(folder.glob("*.py"))
            if files:
                name = ".".join((layer, *folder.relative_to(place).parts))
                found[name] = _digest(files)
    return found


def _place(audits: Path, layer: str) -> Path:
    return audits if layer == "audits" else audits.parent / layer


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()
