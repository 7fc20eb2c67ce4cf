"""Data-parallel training on one machine: a process a core, gradients averaged in shared memory.

Threads inside one operation meet thousands of times a step, so that any other program on one of
the cores slows all of them; replicas meet once.
"""

import multiprocessing
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.spawn import spawn


class Meeting:
    """What replicas share: their gradients, and the first one's word on rate and end."""

    def __init__(self, replicas: int, parameters: int) -> None:
        self.gradients = torch.zeros(2, replicas, parameters).share_memory_()
        self.word = torch.zeros(2, 2, dtype=torch.float64).share_memory_()
        self.barrier = multiprocessing.get_context("spawn").Barrier(replicas)

    def average(
        self, rank: int, step: int, gradients: Iterable[Tensor], word: tuple[float, float]
    ) -> tuple[Tensor, tuple[float, float]]:
        """Wait for all replicas; the mean gradient, flat, and what the first replica said.

        Args:
            rank: Which replica calls.
            step: Steps alternate between two buffers, so that one wait a step is enough.
            gradients: One tensor a parameter, any floating type.
            word: Two numbers, heeded from replica 0 only.
        """
        half = step % 2
        own, place = self.gradients[half, rank], 0
        for gradient in gradients:
            size = gradient.numel()
            own[place : place + size].copy_(gradient.reshape(-1))
            place += size
        if rank == 0:
            self.word[half] = torch.tensor(word, dtype=torch.float64)
        self.barrier.wait()
        said = self.word[half].tolist()
        return self.gradients[half].mean(0), (said[0], said[1])


def run(work: Callable[..., None], replicas: int, *arguments: Any) -> None:
    """Call `work(rank, *arguments)` in `replicas` fresh processes and wait for all."""
    spawn(work, args=arguments, nprocs=replicas)
