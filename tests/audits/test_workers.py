"""Units are handed out in order, each once what it needs is done; a dead process is replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from latentleak.audits import workers
from latentleak.audits.config import RunConfig
from latentleak.audits.folder import RunFolder
from latentleak.audits.workers import ARM, SCENARIO, Units, side_by_side

FIRST, SECOND, WHOLE = (ARM, "s/d", 0), (ARM, "s/d", 1), (SCENARIO, "s", 0)
OTHER = (SCENARIO, "t", 0)
NEEDS = {WHOLE: frozenset({FIRST, SECOND})}

ECHO = """
import json, sys
sys.stdin.readline()
for line in sys.stdin:
    unit = json.loads(line)
    if unit[2] == 7:
        raise SystemExit(3)
    print(json.dumps([unit[1], 1, 1]), flush=True)
    print("null", flush=True)
"""


def test_what_needs_others_waits_for_them() -> None:
    units = Units([FIRST, SECOND, WHOLE, OTHER], NEEDS)
    assert [units.take(), units.take()] == [FIRST, SECOND]
    assert units.take() == OTHER  # the scenario's arms are still being played
    units.end(FIRST)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(units.take)
        assert not waiting.done()
        units.end(SECOND)
        assert waiting.result(timeout=30) == WHOLE
    assert units.take() is None


def test_a_process_that_dies_loses_its_unit_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "echo.py").write_text(ECHO)
    monkeypatch.setattr(workers, "PROCESS", ("runpy:run_path", (str(tmp_path / "echo.py"),)))
    config = RunConfig()
    folder = RunFolder.start(tmp_path / "run", config, resume=False)
    told: list[str] = []
    fatal = [(SCENARIO, f"dies {i}", 7) for i in range(3)]
    fine = [(SCENARIO, f"lives {i}", 0) for i in range(4)]
    units = Units([fatal[0], fine[0], fatal[1], *fine[1:3], fatal[2], fine[3]], {})
    side_by_side(units, config, folder, lambda label, done, total: told.append(label))
    assert sorted(told) == [name for _, name, _ in fine]
    assert sorted(units.lost) == fatal
