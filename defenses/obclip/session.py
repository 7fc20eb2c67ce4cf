"""What a server remembers from step to step of one session, and for which rows.

A batch is laid out by guidance branch: first the rows of the empty prompt, then the candidates'.
A branch has all N rows or one that stands for all of them, so a batch is described by its
*layout*, the number of rows of each branch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .acceleration import StepPlan

Layout = tuple[int, ...]


@dataclass(kw_only=True)
class Session:
    """The state of one session: made for a request, dropped with its reply.

    Attributes:
        rows: Number of candidates, N.
        pivot: The row that stands for all where one must.
        plan: The current step's.
        layout: The current batch's.
        kept: What was computed to be recalled, by module, each with the layout it has.
    """

    rows: int
    pivot: int
    plan: StepPlan = field(default_factory=StepPlan)
    layout: Layout = ()
    kept: dict[str, tuple[Layout, tuple[Tensor, ...]]] = field(default_factory=dict)

    def keep(self, name: str, *tensors: Tensor, layout: Layout | None = None) -> None:
        """Remember tensors of the current layout, or of another that is named."""
        self.kept[name] = (layout or self.layout, tensors)

    def recall(self, name: str) -> tuple[Tensor, ...]:
        """What was kept, brought to the current layout."""
        layout, tensors = self.kept[name]
        if layout == self.layout:
            return tensors
        index = self.index(layout)
        return tuple(tensor[index] for tensor in tensors)

    def index(self, layout: Layout) -> list[int]:
        """For each row of the current batch the row of a batch of another layout to take."""
        index: list[int] = []
        for start, have, want in zip(starts(layout), layout, self.layout, strict=True):
            if have == want:
                index += range(start, start + have)
            else:
                index += [start + (self.pivot if have > 1 else 0)] * want
        return index

    @property
    def pivots(self) -> list[int]:
        """The pivot row of each branch of the current batch."""
        pairs = zip(starts(self.layout), self.layout, strict=True)
        return [start + (self.pivot if size > 1 else 0) for start, size in pairs]


def starts(layout: Layout) -> list[int]:
    """Where each branch begins."""
    return [sum(layout[:i]) for i in range(len(layout))]


def joined(parts: Sequence[Tensor]) -> Tensor:
    """Rows of several branches as one batch."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))
