"""The decisions of the ObCLIP client on which obliviousness rests.

Each is one named function, so that a broken copy replaces exactly one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..seeds import torch_stream
from .lexicon import AttributeSpace
from .template import Template, template_of

if TYPE_CHECKING:
    from torch import Generator

Substitute = Callable[[str, AttributeSpace], Template]
Choose = Callable[[Template, np.random.Generator], list[tuple[int, ...]]]
Order = Callable[[list[str], str], list[str]]
Pivot = Callable[[list[str], str], int]
Lead = Callable[[list[str], str], list[float]]
Noise = Callable[[list[str], str, int], "Generator"]
Examine = Callable[[int, Callable[[int], object]], None]


def substitute_all(prompt: str, space: AttributeSpace) -> Template:
    """Take out every declared word and every pronoun that follows one."""
    return template_of(prompt, space)


def choose_all(template: Template, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Every combination: nothing is drawn, so nothing can be intersected."""
    return template.combinations()


def canonical_order(prompts: list[str], real: str) -> list[str]:
    """As enumerated; the real prompt is not looked at."""
    return prompts


def first_row(prompts: list[str], real: str) -> int:
    """The pivot of batch reuse (paper, Algorithm 2) is row 0, whichever prompt is real."""
    return 0


def even_lead(prompts: list[str], real: str) -> list[float]:
    """All prompts weigh alike in the steps that all rows share, and that fill the cache."""
    return [1 / len(prompts)] * len(prompts)


def one_noise(prompts: list[str], real: str, seed: int) -> Generator:
    """Coins of the initial noise, one for all rows: they know the session's seed alone."""
    return torch_stream(seed, "noise")


def examine_none(real: int, preview: Callable[[int], object]) -> None:
    """Acknowledge the reply before looking at any row: the time says nothing."""


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """The client's decisions, in the order in which they are taken.

    Attributes:
        substitute: Prompt to template.
        choose: Template to the value combinations that are sent.
        order: The order of the rows.
        pivot: The row whose attention maps may be reused.
        lead: Weight of each row's prompt in the server steps that all rows share; they fill the
            server's cache. Sent where there are such steps.
        noise: The coins of the initial noise.
        examine: What is computed on the returned rows before they are acknowledged.
    """

    substitute: Substitute = substitute_all
    choose: Choose = choose_all
    order: Order = canonical_order
    pivot: Pivot = first_row
    lead: Lead = even_lead
    noise: Noise = one_noise
    examine: Examine = examine_none
