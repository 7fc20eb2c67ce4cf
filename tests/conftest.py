"""Shared fixtures: one thread for small models, and the tiny random target."""

from __future__ import annotations

import pytest
import torch
from hypothesis import settings

from latentleak.targets.pipeline import Target, load

settings.register_profile("latentleak", derandomize=True, deadline=None)
settings.load_profile("latentleak")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small operations lose more to thread hand-over than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Target:
    """Random weights in the real pipeline format; one execution takes milliseconds."""
    return load("tiny", device="cpu")
