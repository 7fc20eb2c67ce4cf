"""Cells are kept as they are, and a damaged or silent one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from latentleak.audits.cells import CELLS, Cell, CellStatus, load_cells, write_cells
from latentleak.audits.report import RunFolderError, words

SCHEMA = json.loads((Path(words.__file__).parent / "cell.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)

texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
several = st.lists(texts, unique=True, max_size=3).map(tuple)
cells = st.builds(
    Cell,
    scenario=texts,
    defense=texts,
    adversary=st.none() | texts,
    coalition=several,
    status=st.sampled_from(CellStatus),
    reason=texts,
    findings=several.filter(len),
)
MEASURED = Cell(
    scenario="which-prompt",
    defense="obclip",
    adversary="order",
    coalition=("server/0",),
    status=CellStatus.MEASURED,
    findings=("which-prompt/obclip",),
)
ABSENT = Cell(
    scenario="which-prompt",
    defense="dpagg-ti",
    adversary=None,
    coalition=(),
    status=CellStatus.NOT_APPLICABLE,
    reason="a release has no servers",
)


@given(cells)
def test_a_cell_is_read_back_as_it_was_and_keeps_the_schema(cell: Cell) -> None:
    record = json.loads(json.dumps(cell.to_dict()))
    VALIDATOR.validate(record)
    assert Cell.from_dict(record) == cell


def test_cells_keep_their_order_in_the_run_folder(tmp_path: Path) -> None:
    write_cells(tmp_path, [MEASURED, ABSENT])
    assert load_cells(tmp_path) == (MEASURED, ABSENT)
    assert [cell.id for cell in load_cells(tmp_path)] == [
        "which-prompt/obclip/order@server/0",
        "which-prompt/dpagg-ti/*",
    ]


def test_findings_of_another_origin_have_no_cells(tmp_path: Path) -> None:
    assert load_cells(tmp_path) == ()


def test_the_same_cell_is_not_written_twice(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="order@server/0 is there twice"):
        write_cells(tmp_path, [MEASURED, MEASURED])


@pytest.mark.parametrize("status", [s for s in CellStatus if s is not CellStatus.MEASURED])
def test_what_was_not_measured_must_say_why(status: CellStatus) -> None:
    with pytest.raises(ValueError, match="reason=''"):
        Cell(scenario="a", defense="b", adversary=None, coalition=(), status=status)
    record = {**ABSENT.to_dict(), "status": status.value, "reason": "", "findings": ["a/b"]}
    assert not VALIDATOR.is_valid(record)


def test_a_measured_cell_names_its_findings() -> None:
    with pytest.raises(ValueError, match="findings="):
        Cell(scenario="a", defense="b", adversary="c", coalition=(), status=CellStatus.MEASURED)
    assert not VALIDATOR.is_valid({**MEASURED.to_dict(), "findings": []})


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"schema": 2}', json.dumps({**MEASURED.to_dict(), "status": "passed"})]
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    write_cells(tmp_path, [MEASURED])
    with (tmp_path / CELLS).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunFolderError, match="line 2 is no cell"):
        load_cells(tmp_path)
