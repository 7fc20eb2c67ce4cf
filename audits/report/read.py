"""Read a run folder, and say what is wrong with it in words that help.

`report` and `compare` know nothing but this folder: `run.json`, `findings.jsonl` and the files
that findings name, each with its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ..verdict import SCHEMA, Control, Finding, Row

FINDINGS = "findings.jsonl"
RUN = "run.json"
INFINITIES = ("inf", "-inf")

_TEXT = ("id", "scenario", "question", "reason", "metric")
_OBJECTS = ("defense", "claim", "threat_model", "provenance")
_LISTS = ("rows", "exact", "measures", "controls", "artifacts")
_NUMBERS = ("estimate", "ceiling", "detectable", "resolution", "alpha", "n")
_ROW_TEXT = ("adversary", "arm", "metric")
_ROW_NUMBERS = (
    *("n", "wins", "chance", "estimate", "p_value", "p_adjusted"),
    *("critical", "detectable", "ceiling", "alpha", "level"),
)


class RunFolderError(ValueError):
    """A run folder cannot be read; the message names the file, the condition and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file that a finding names.

    Attributes:
        path: Relative to the run folder.
        sha256: Digest that the finding states.
        caption: What it shows.
        data: Its bytes, or None where they cannot be trusted.
        problem: Why not, or None.
    """

    path: str
    sha256: str
    caption: str
    data: bytes | None = None
    problem: str | None = None


def load_run(folder: str | Path) -> dict[str, Any]:
    """Read `run.json`: command, configuration, versions, host. Every key is optional.

    Raises:
        RunFolderError: The folder or the file is missing, or it is no JSON object.
    """
    path = _file(folder, RUN)
    record = _parse(_text(path), RUN)
    if not isinstance(record, dict):
        raise RunFolderError(f"{RUN} holds a {_kind(record)}; it must be a JSON object: {_AGAIN}")
    return record


def load_findings(folder: str | Path) -> tuple[Finding, ...]:
    """Read `findings.jsonl`, in the order in which it was written.

    Raises:
        RunFolderError: The folder or the file is missing, a line is damaged, or it was written
            by another version; the message gives the number of the line.
    """
    lines = _text(_file(folder, FINDINGS)).split("\n")
    return tuple(
        _finding(line, f"{FINDINGS}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    )


def load_artifact(folder: str | Path, entry: Mapping[str, str]) -> Artifact:
    """Read one file of a finding and hold it against its SHA-256; never raises.

    Only files inside the folder are read, wherever links lead.
    """
    name, stated = str(entry.get("path", "")), str(entry.get("sha256", ""))
    data, problem = None, None
    try:
        data = _inside(Path(folder), name).read_bytes()
    except RunFolderError as error:
        problem = str(error)
    except (OSError, ValueError):
        problem = f"{name} is missing: copy it back, or {_AGAIN}"
    if data is not None and (found := hashlib.sha256(data).hexdigest()) != stated:
        data = None
        problem = (
            f"{name} was altered after the run: its SHA-256 is {found[:12]}…, the finding says "
            f"{stated[:12]}…; copy the original back, or {_AGAIN}"
        )
    caption = str(entry.get("caption", ""))
    return Artifact(path=name, sha256=stated, caption=caption, data=data, problem=problem)


def check_artifacts(folder: str | Path, findings: Iterable[Finding]) -> tuple[str, ...]:
    """What is wrong with the files that the findings name; empty where all are as they were."""
    checked = (load_artifact(folder, entry) for f in findings for entry in f.artifacts)
    return tuple(dict.fromkeys(a.problem for a in checked if a.problem is not None))


_AGAIN = "run the audit again"


def _file(folder: str | Path, name: str) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise RunFolderError(
            f"folder={str(folder)!r} must be a folder that `latentleak run --out` wrote"
        )
    if not (path / name).is_file():
        raise RunFolderError(
            f"{name} is missing in {str(folder)!r}: finish the run with "
            "`latentleak run ... --resume`, or name another folder"
        )
    return path / name


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{path.name} cannot be read as UTF-8 text ({error})") from error


def _parse(text: str, where: str) -> Any:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise RunFolderError(
            f"{where} is not JSON ({error}): a run that was cut off completes with "
            f"`latentleak run ... --resume`; otherwise {_AGAIN}"
        ) from error


def _finding(line: str, where: str) -> Finding:
    record = _parse(line, where)
    if not isinstance(record, dict):
        raise RunFolderError(f"{where} holds a {_kind(record)}; it must be a finding: {_AGAIN}")
    try:
        if record.get("schema") == SCHEMA:
            _check(record)
        return Finding.from_dict(record)
    except KeyError as error:
        raise RunFolderError(f"{where}: {error.args[0]!r} is missing; {_AGAIN}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(f"{where} is no finding ({error}); {_AGAIN}") from error


def _check(record: Mapping[str, Any]) -> None:
    """Keys and types that `Finding.from_dict` takes on trust; the JSON Schema says the rest."""
    _keys(record, ("schema", *(f.name for f in fields(Finding))))
    _each(record, _TEXT, str)
    _each(record, _OBJECTS, dict)
    _each(record, _LISTS, list)
    _numbers(record, _NUMBERS)
    for name in _LISTS:
        for item in record[name]:
            if not isinstance(item, dict):
                raise TypeError(f"{name} holds a {_kind(item)}, which must be an object")
    for control in record["controls"]:
        _keys(control, [f.name for f in fields(Control)])
    for row in record["rows"]:
        _keys(row, [f.name for f in fields(Row)])
        _each(row, _ROW_TEXT, str)
        _each(row, ("swapped", "games"), dict)
        _numbers(row, _ROW_NUMBERS)
    _each(record["defense"], ("name",), str)


def _keys(record: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        record[name]
    for name in record:
        if name not in names:
            raise TypeError(f"{name!r} is unknown")


def _each(record: Mapping[str, Any], names: Iterable[str], kind: type) -> None:
    for name in names:
        if not isinstance(record[name], kind):
            raise TypeError(f"{name} is a {_kind(record[name])}")


def _numbers(record: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        if not _is_number(record[name]):
            raise TypeError(f"{name}={record[name]!r} must be a number, 'inf' or null")
    pair = record["interval"]
    if pair is not None and not (
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))
    ):
        raise TypeError(f"interval={pair!r} must be two numbers or null")


def _is_number(value: object) -> bool:
    if value is None or value in INFINITIES:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def _inside(folder: Path, name: str) -> Path:
    root = folder.resolve()
    path = (root / name).resolve()
    if not name or path == root or not path.is_relative_to(root):
        raise RunFolderError(f"{name!r} lies outside the run folder and was not read: {_AGAIN}")
    return path


def _kind(value: object) -> str:
    names = {dict: "object", list: "list", str: "text", type(None): "null", bool: "truth value"}
    return names.get(type(value), "number")
