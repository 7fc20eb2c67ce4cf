"""Which parts of the large U-Net a server step computes (paper, Section 3.3), and which it recalls.

Everything here is a function of the step number and of public settings. What a server does at
step t is the same for every candidate, and the same whichever candidate is real.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """What one step computes.

    Attributes:
        lead: One row a guidance branch stands for all: latents are equal, embeddings mixed.
        reuse: Queries, keys and maps of attention are the pivot row's.
        cached: Self-attention outputs and cross-attention maps are recalled.
        skipped: Down blocks and mid block are recalled.
        keep_attention: What attention layers compute will be recalled.
        keep_blocks: What down blocks and mid block compute will be recalled.
    """

    lead: bool = False
    reuse: bool = False
    cached: bool = False
    skipped: bool = False
    keep_attention: bool = False
    keep_blocks: bool = False


@dataclass(frozen=True, kw_only=True)
class Acceleration:
    """The knobs of server acceleration; 0 switches one off.

    Attributes:
        reuse_until: Batch reuse at steps t < reuse_until (paper: r).
        cache_from: Attention is recalled at steps t >= cache_from (paper: r).
        skip_from: Blocks are skipped at steps t >= skip_from (paper: s).
        refresh: Steps from one computation of what is recalled to the next, counted for
            attention from step r - 1 and for blocks from step s - 1.
        lead_until: At steps t < lead_until all rows are one, under the mean of the candidates'
            embeddings (not in the paper).
    """

    reuse_until: int = 0
    cache_from: int = 0
    skip_from: int = 0
    refresh: int = 5
    lead_until: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0:
                raise ValueError(f"{field.name}={value} must be >= 0; 0 switches it off")
        if self.refresh < 2:
            raise ValueError(
                f"refresh={self.refresh} must be >= 2, else nothing is ever recalled; to recall "
                "nothing set cache_from=0 and skip_from=0"
            )

    @property
    def active(self) -> bool:
        """Whether anything differs from plain guided sampling."""
        off = Acceleration(refresh=self.refresh)
        return self != off

    def plan(self, step: int) -> StepPlan:
        """What step `step`, counted from 0, computes."""
        cached, keep_attention = self._recall(self.cache_from, step)
        skipped, keep_blocks = self._recall(self.skip_from, step)
        return StepPlan(
            lead=step < self.lead_until,
            reuse=step < self.reuse_until,
            cached=cached,
            skipped=skipped,
            keep_attention=keep_attention,
            keep_blocks=keep_blocks,
        )

    def _recall(self, first: int, step: int) -> tuple[bool, bool]:
        """Whether something that is recalled from step `first` is recalled, and whether kept."""
        since = step - (first - 1)
        if first == 0 or since < 0:
            return False, False
        fresh = since % self.refresh == 0
        return not fresh, fresh


PRESETS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "paper-k5": {"k": 5, "reuse_until": 3, "cache_from": 3, "skip_from": 3},
        "paper-k10": {"k": 10, "reuse_until": 4, "cache_from": 4, "skip_from": 6},
        "lean-k5": {"k": 5, "lead_until": 3, "reuse_until": 5, "skip_from": 3},
        "lean-k10": {"k": 10, "lead_until": 6, "reuse_until": 10, "skip_from": 6, "refresh": 3},
    }
)
"""Fields of `ObClip` by name: the paper's (k, r, s) = (5, 3, 3) and (10, 4, 6), and two that
recall no attention but let all rows share the first steps; cheaper, and nearer to no
acceleration (`benchmarks/obclip_quality.py`)."""
