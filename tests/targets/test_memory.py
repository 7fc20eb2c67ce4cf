"""The allocator hands out again what was freed, instead of asking the kernel for it."""

import resource
import subprocess
import sys

import pytest

from latentleak.targets.memory import keep

FREE_AND_ASK_AGAIN = """
import ctypes, resource, torch
from latentleak.targets.memory import M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, keep
for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
    assert ctypes.CDLL(None).mallopt(option, 2**17)  # the defaults, which otherwise move
def layers(): [torch.ones(2**22) for _ in range(8)]
if {keeps}: assert keep()
for _ in range(4): layers()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
layers()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(*, keeps: bool) -> int:
    """Pages that the kernel had to provide for eight blocks of 16 MiB that are freed together."""
    code = FREE_AND_ASK_AGAIN.format(keeps=keeps)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not keep(), reason="the allocator is not glibc's")
def test_freed_memory_is_used_again() -> None:
    block = 2**24 // resource.getpagesize()
    assert faults(keeps=True) < block < 4 * block < faults(keeps=False)
