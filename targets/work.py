"""A deterministic stand-in for time: how much denoising was asked for.

Clocks of one process say little and repeat never. `meter` counts instead the U-Net calls and
rows that run inside it, wherever they are made, so that two executions of equal work read
equal and an early exit reads less.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Work:
    """Counts of U-Net calls and of rows (batch entries) they evaluated."""

    calls: int = 0
    rows: int = 0

    def take(self) -> dict[str, int]:
        """Return the counts so far and start again from zero."""
        counts = {"calls": self.calls, "rows": self.rows}
        self.calls = self.rows = 0
        return counts


_METER: ContextVar[Work | None] = ContextVar("latentleak_work", default=None)


@contextmanager
def meter() -> Iterator[Work]:
    """Count the work done inside the block; an inner block hides its work from the outer."""
    work = Work()
    token = _METER.set(work)
    try:
        yield work
    finally:
        _METER.reset(token)


def count(*, rows: int) -> None:
    """Record one U-Net call on `rows` batch entries."""
    work = _METER.get()
    if work is not None:
        work.calls += 1
        work.rows += rows
