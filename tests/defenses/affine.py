"""A defence without any model, and servers of it in threads: what the tests of TCP run.

Server processes find it as `affine.py:Affine`; the tests load it in the same way.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from latentleak.defenses.codec import ProtocolError, encode_texts
from latentleak.defenses.protocol import Output
from latentleak.defenses.seeds import torch_stream
from latentleak.defenses.serve import serve
from latentleak.defenses.tcp import Limits
from latentleak.defenses.wire import Party, Server, Wire
from latentleak.targets.pipeline import Target

A, B = Party("server/0"), Party("server/1")
PATIENT = Limits(connect=20.0, read=20.0, write=20.0)
NOWHERE = Target(spec="nowhere")


class AffineHalf:
    """Doubles `x` and counts its calls; other kinds go wrong on purpose."""

    def __init__(self, seed: int, pause: float) -> None:
        self.seed, self.pause, self.calls = seed, pause, 0

    def handle(self, kind: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        self.calls += 1
        time.sleep(self.pause)
        if kind == "fail":
            raise RuntimeError("/secret/folder/weights")
        if kind == "refuse":
            raise ProtocolError("x must be positive")
        return {"x": 2 * tensors["x"] + self.calls}


@dataclass(frozen=True, kw_only=True)
class Affine:
    """The client sends random rows, the servers return 2 x + (number of the call)."""

    count: int = 1
    rounds: int = 3
    pause: float = 0.0
    claims: tuple[Any, ...] = ()

    @property
    def servers(self) -> tuple[Party, ...]:
        return tuple(Party(f"server/{i}") for i in range(self.count))

    @property
    def public(self) -> dict[str, int]:
        return {"rounds": self.rounds}

    def client(self, target: Target, secret: str, wire: Wire, seed: int) -> Output:
        x = torch.randn(2, 3, generator=torch_stream(seed, "x"))
        wire.call(self.servers[-1], "ask", {"x": encode_texts([secret])})
        for _ in range(self.rounds):
            answers = wire.scatter("step", {server: {"x": x} for server in self.servers})
            x = torch.stack([answer["x"] for answer in answers.values()]).mean(0)
        return Output(latents=x)

    def server(self, me: Party, target: Target, seed: int) -> Server:
        return AffineHalf(seed, self.pause)


@contextmanager
def served(
    defense: Any, *, limits: Limits = PATIENT, **options: Any
) -> Iterator[dict[Party, tuple[str, int]]]:
    """The servers of a defence in threads of this process."""
    stop = threading.Event()
    addresses: dict[Party, tuple[str, int]] = {}
    with ExitStack() as stack:
        for party in defense.servers:
            listening = threading.Event()

            def ready(
                port: int, party: Party = party, listening: threading.Event = listening
            ) -> None:
                addresses[party] = ("127.0.0.1", port)
                listening.set()

            values = {"seed": 5, "ready": ready, "stop": stop, "limits": limits} | options
            thread = threading.Thread(target=serve, args=(defense, NOWHERE, party), kwargs=values)
            thread.start()
            stack.callback(thread.join)
            stack.callback(stop.set)
            assert listening.wait(10)
        yield addresses


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
