"""What executions of a protocol cost, counted by the referee: no clock, no estimate."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..defenses.transcript import Transcript
from ..defenses.wire import CLIENT

FILE = "cost.json"


@dataclass
class Tally:
    """Sums over executions.

    Attributes:
        executions: How many.
        round_trips: Times that the client sent something and waited for answers.
        messages: In both directions.
        sent: By the client [bytes].
        received: By the client [bytes].
        served: U-Net evaluations by servers, one a row of a batch.
        own: U-Net evaluations by the client.
    """

    executions: int = 0
    round_trips: int = 0
    messages: int = 0
    sent: int = 0
    received: int = 0
    served: int = 0
    own: int = 0

    def add(self, transcript: Transcript) -> None:
        """Count one execution, also what its tap dropped."""
        self.executions += 1
        before = None
        for head, size in zip(transcript.headers, transcript.sizes, strict=True):
            mine, rows = head.sender == CLIENT, head.work.get("rows", 0)
            self.messages += 1
            self.round_trips += mine and before != CLIENT
            self.sent += size if mine else 0
            self.received += 0 if mine else size
            self.served += 0 if mine else rows
            self.own += rows if mine else 0
            before = head.sender
        self.own += transcript.afterwards.get("rows", 0)

    def means(self) -> dict[str, float]:
        """Each count by execution."""
        each = asdict(self)
        executions = each.pop("executions")
        return {name: total / executions for name, total in each.items()} if executions else {}

    def keep(self, folder: Path) -> None:
        """Write the means, for an arm that is taken up again."""
        partial = folder / f"{FILE}.partial"
        partial.write_text(json.dumps(self.means()))
        os.replace(partial, folder / FILE)


def kept(folder: Path) -> dict[str, Any] | None:
    """What `Tally.keep` wrote; None if nothing did."""
    path = folder / FILE
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found
