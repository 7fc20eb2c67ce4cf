"""The matrix of a run: each defence of a scenario against each adversary of each coalition.

A cell is never dropped: what was not measured says why. `cells.jsonl` in the run folder holds one
a line, described by `audits/report/cell.schema.json`.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .verdict import SCHEMA

CELLS = "cells.jsonl"


class CellStatus(str, enum.Enum):
    """What became of a cell."""

    MEASURED = "measured"
    NOT_APPLICABLE = "not_applicable"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One defence against one adversary of one coalition.

    Attributes:
        scenario: Id.
        defense: Id, as in the ids of findings.
        adversary: Its name in the scenario; None where the cell stands for all of them, since the
            defence does not play in the scenario or its games failed.
        coalition: Corrupted parties, sorted; empty where none applies.
        status: `measured` where a verdict rests on it, `inconclusive` where every finding that it
            is part of is.
        reason: Why it was not measured; empty for a measured cell.
        findings: Ids of the findings that it is part of.
    """

    scenario: str
    defense: str
    adversary: str | None
    coalition: tuple[str, ...]
    status: CellStatus
    reason: str = ""
    findings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.status is not CellStatus.MEASURED and not self.reason:
            raise ValueError(f"reason='' must say why the cell is {self.status.value}")
        if self.status in (CellStatus.MEASURED, CellStatus.INCONCLUSIVE) and not self.findings:
            raise ValueError(f"findings=() must name those of a cell that is {self.status.value}")

    @property
    def id(self) -> str:
        """`scenario/defence/adversary@coalition`, unique in a run and stable between runs."""
        who = f"@{'+'.join(self.coalition)}" if self.coalition else ""
        return f"{self.scenario}/{self.defense}/{self.adversary or '*'}{who}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values = asdict(self) | {"status": self.status.value}
        return {"schema": SCHEMA, **json.loads(json.dumps(values))}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Cell:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: If the record has another schema version, or a value cannot be.
        """
        if record.get("schema") != SCHEMA:
            raise ValueError(f"schema={record.get('schema')} must be {SCHEMA}: run again")
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in record.items()
        }
        del values["schema"]
        values["status"] = CellStatus(record["status"])
        return cls(**values)


def failed(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Those that could not be measured."""
    return tuple(cell for cell in cells if cell.status is CellStatus.FAILED)


def write_cells(folder: str | Path, cells: Iterable[Cell]) -> None:
    """Replace `cells.jsonl` of a run folder; equal cells give equal bytes.

    Raises:
        ValueError: If two cells have the same id.
    """
    records = {}
    for cell in cells:
        if cell.id in records:
            raise ValueError(f"cell {cell.id} is there twice")
        records[cell.id] = json.dumps(cell.to_dict(), sort_keys=True)
    path = Path(folder) / CELLS
    partial = path.with_name(path.name + ".partial")
    partial.write_text("".join(line + "\n" for line in records.values()), encoding="utf-8")
    os.replace(partial, path)


def load_cells(folder: str | Path) -> tuple[Cell, ...]:
    """Cells of a run folder, in the order in which they were written.

    Returns:
        None at all for a folder without `cells.jsonl`: findings of another origin.

    Raises:
        RunFolderError: If a line is damaged; the message gives its number.
    """
    from .report.read import RunFolderError

    path = Path(folder) / CELLS
    if not path.is_file():
        return ()
    cells = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            cells.append(Cell.from_dict(json.loads(line)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunFolderError(
                f"{CELLS}, line {number} is no cell ({error}): run it again"
            ) from error
    return tuple(cells)
