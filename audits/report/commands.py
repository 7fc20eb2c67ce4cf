"""The commands that repeat what a report shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from .cards import Card

SHARED = ("profile", "model", "local_model", "revision", "dtype", "trials", "alpha", "seed")
"""Options that decide what is computed, whatever the scenario."""

DEFAULTS: Mapping[str, Any] = {"model": "embedded", "dtype": "float32", "alpha": 0.01}


def whole(run: Mapping[str, Any]) -> tuple[str, str] | None:
    """The command of the run with what it does; None where none is recorded."""
    command = run.get("command")
    if not isinstance(command, list) or not command:
        return None
    return shlex.join(map(str, command)), "repeats the run: the same games, the same numbers"


def alone(
    run: Mapping[str, Any], scenario: str, defense: str, cards: Sequence[Card]
) -> tuple[str, str] | None:
    """The command that asks one question of one defence, with its usual number of games."""
    config = run.get("config")
    if not isinstance(config, Mapping) or len(config.get("scenarios") or ()) == 0:
        return None
    if config.get("scenarios") == [scenario] and config.get("defense") is not None:
        return None  # that is the whole run
    words = ["latentleak", "run", scenario]
    if any(card.is_claim for card in cards):
        words += ["--defense", str(config.get("defense") or defense)]
    for name in SHARED:
        value = config.get(name)
        if value is not None and value != DEFAULTS.get(name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words), "asks this question alone, with its usual number of games"
