"""Where in the source a defence stands, found without importing it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Location:
    """A line of a file.

    Attributes:
        path: Relative to the folder that the command runs in, or within its package.
        line: From 1.
    """

    path: str
    line: int = 1


def parse(text: str) -> Location:
    """Read `FILE` or `FILE:LINE`.

    Raises:
        ValueError: If the line is not a number from 1.

    >>> parse("src/private.py:12")
    Location(path='src/private.py', line=12)
    """
    path, colon, line = text.rpartition(":")
    if not colon:
        return Location(path=text)
    if not path or not line.isdigit() or int(line) < 1:
        raise ValueError(f"location={text!r} must be FILE or FILE:LINE, LINE >= 1")
    return Location(path=path, line=int(line))


def of_defense(defense: Mapping[str, Any], root: Path, typed: object = None) -> Location:
    """File and line of the class of a defence; line 1 where the file is not there.

    Args:
        defense: As in a finding: `path` is `package.module:Class` or `file.py:Class`, the file
            without its folder.
        root: Folder that paths are relative to; files outside it are named within their package.
        typed: The defence as the command named it, which has the folder.
    """
    path = with_folder(str(defense.get("path", "")), typed)
    module, _, name = path.rpartition(":")
    if not module:
        return Location(path=".")
    if module.endswith(".py"):
        file = Path(module)
        shown = _below(root / file, root) or file.name
        return Location(path=shown, line=_line(root / file, name))
    inside = module.split(".")
    for parts in (inside, ["src", *inside], inside[1:]):
        file = root.joinpath(*parts).with_suffix(".py") if parts else root
        if file.is_file():
            return Location(path=file.relative_to(root).as_posix(), line=_line(file, name))
    return Location(path="/".join(inside) + ".py", line=_line(_installed(inside), name))


def with_folder(path: str, typed: object) -> str:
    """`file.py:Class` with the folder that the command named it with.

    >>> with_folder("mine.py:Mine", "src/mine.py:Mine")
    'src/mine.py:Mine'
    """
    return typed if isinstance(typed, str) and Path(typed).name == path else path


def _below(file: Path, root: Path) -> str | None:
    resolved = file.resolve()
    if resolved.is_relative_to(root.resolve()):
        return resolved.relative_to(root.resolve()).as_posix()
    return None


def _installed(parts: list[str]) -> Path | None:
    """The file of an installed module; imports none but the namespace above it."""
    top = 2 if parts[0] == "latentleak" else 1
    try:
        found = importlib.util.find_spec(".".join(parts[:top]))
    except (ImportError, ValueError):
        return None
    if found is None:
        return None
    for place in found.submodule_search_locations or ():
        file = Path(place).joinpath(*parts[top:]).with_suffix(".py")
        if file.is_file():
            return file
    return Path(found.origin) if found.origin and len(parts) == top else None


def _line(file: Path | None, name: str) -> int:
    if file is None or not file.is_file():
        return 1
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return 1
    lines = [n.lineno for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name]
    return lines[0] if lines else 1
