"""Seconds of PPIDM's modes against the plain U-Net: the embedded model, and a pass as large as SD.

python benchmarks/ppidm.py [--json] [--steps 5] [--servers 4] [--preset all_linear] [--sd up_blocks]

All in one process and one run, so the ratios mean something and the seconds little. *Server work*
is that of all servers together, serialization on their side included; *plain* is the whole U-Net.
The SD-shaped model has random weights, runs one pass of one row at 64 x 64 with `--sd-servers`
servers, and drops payloads once hashed; `--sd none` leaves it out (it takes 12 GB of memory).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from latentleak.defenses.ppidm.client import sharing_of
from latentleak.defenses.ppidm.layers import PRESETS
from latentleak.defenses.ppidm.macs import count_macs
from latentleak.defenses.ppidm.meters import Stopwatch, traffic
from latentleak.defenses.ppidm.offload import Session, offloaded
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.ppidm.server import LayerServer, serve
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import derive, torch_stream
from latentleak.defenses.transcript import Transcript
from latentleak.defenses.wire import Message, Party, Server, Wire
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target, load

PROMPT = "woman firefighter: medium skin tone"
MODES: Mapping[str, Mapping[str, Any]] = {
    "ring, k = 64": {"modulus_bits": 64, "input_bits": 24, "weight_bits": 20},
    "ring, k = 48": {},
    "ring, k = 44": {"modulus_bits": 44, "input_bits": 16},
    "real, fp32": {"share": "real"},
    "partition, fp32": {"share": "partition"},
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One mode on one model.

    Attributes:
        model: `embedded` or `SD shape`.
        preset: Which layers left; empty for plain.
        mode: Sharing mode.
        n: Servers.
        seconds: Of a step, or a pass.
        client: Of those, at the client.
        servers: And at the servers together.
        ratio: Seconds over those of the plain U-Net.
        work: Server seconds over what the plain U-Net would take for what they serve, by
            multiply-accumulates.
        megabytes: Both ways, all servers.
        round_trips: With each server.
    """

    model: str
    preset: str
    mode: str
    n: int
    seconds: float
    client: float = 0.0
    servers: float = 0.0
    ratio: float = 1.0
    work: float = 1.0
    megabytes: float = 0.0
    round_trips: float = 0.0


def embedded(steps: int, n: int, preset: str) -> Iterator[Row]:
    """Whole executions on the embedded model, a step of them."""
    target = load("embedded", device="cpu")
    pipe = sampling.open_denoiser(target)
    conditioning = sampling.encode_prompts(pipe, [PROMPT])
    noise = sampling.initial_noise(pipe, 1, torch_stream(derive(1, "client"), "noise"))
    plain = []
    for _ in range(3):
        start = time.perf_counter()
        sampling.denoise(pipe, noise, conditioning, steps=steps)
        plain.append((time.perf_counter() - start) / steps)
    base = min(plain)
    yield Row(model="embedded", preset="", mode="plain", n=0, seconds=base)
    served = count_macs(pipe.unet, preset).served_share
    for mode, fields in MODES.items():
        config = Ppidm(steps=steps, n=n, preset=preset, **fields)
        execute(Ppidm(steps=1, n=n, preset=preset, **fields), target, PROMPT, 1)[1].close()
        watch = Stopwatch()
        transcript = execute(config, target, PROMPT, 1, transport=watch)[1]
        crossed = traffic(transcript, steps)
        transcript.close()
        yield row(
            "embedded", config, mode, watch, base=base, served=served, per=steps,
            megabytes=sum(t.up + t.down for t in crossed.values()) / 1e6,
            round_trips=crossed[config.servers[0]].round_trips,
        )  # fmt: skip


def row(
    model: str,
    config: Ppidm,
    mode: str,
    watch: Stopwatch,
    *,
    base: float,
    served: float,
    per: int,
    megabytes: float,
    round_trips: float,
) -> Row:
    """Relate what was measured to the plain U-Net."""
    total = (watch.client + watch.servers) / per
    return Row(
        model=model,
        preset=config.preset,
        mode=mode,
        n=config.n,
        seconds=total,
        client=watch.client / per,
        servers=watch.servers / per,
        ratio=total / base,
        work=watch.servers / per / (base * served),
        megabytes=megabytes,
        round_trips=round_trips,
    )


class Servers:
    """Stands in for a defence, since the random model is no target."""

    def __init__(self, config: Ppidm, unet: Any) -> None:
        self.sharing = sharing_of(config)
        self.config = config
        self.alike: dict[int, Any] = {}
        self.unet = unet

    def server(self, me: Party, target: Target, seed: int) -> Server:
        """Servers with the same weights share them in memory."""
        index = self.config.servers.index(me) if self.config.share == "partition" else 0
        if index not in self.alike:
            self.alike[index] = serve(self.unet, self.config.preset, self.sharing, index)
        return LayerServer(served=self.alike[index], dtype=self.sharing.dtype, steps=1)


def sd_shape(n: int, preset: str) -> Iterator[Row]:
    """One pass of a random U-Net with the shapes of Stable Diffusion 1.x."""
    torch.manual_seed(0)
    unet: Any = UNet2DConditionModel(sample_size=64, cross_attention_dim=768).eval()
    given = {
        "sample": torch.randn(1, 4, 64, 64),
        "timestep": torch.tensor(500),
        "encoder_hidden_states": torch.randn(1, 77, 768),
    }
    start = time.perf_counter()
    with torch.no_grad():
        unet(**given)
    base = time.perf_counter() - start
    yield Row(model="SD shape", preset="", mode="plain", n=0, seconds=base)
    served = count_macs(unet, preset).served_share
    for mode, fields in MODES.items():
        yield _sd_mode(
            unet, given, Ppidm(n=n, steps=1, preset=preset, **fields), mode, base, served
        )


def _sd_mode(
    unet: Any, given: Mapping[str, Any], config: Ppidm, mode: str, base: float, served: float
) -> Row:
    watch, transcript, sizes = Stopwatch(), Transcript(tap=frozenset()), [0, 0]

    def record(message: Message) -> None:
        sizes[0] += len(message.payload)
        sizes[1] += message.receiver == config.servers[0]
        transcript.append(message)

    servers: Any = Servers(config, unet)
    with watch.connect(servers, Target(), dict.fromkeys(config.servers, 0)) as link:
        session = Session(Wire(link, record), config.servers, sharing_of(config, 1))
        with torch.no_grad():
            offloaded(unet, config.preset, session)(**given)
    return row(
        "SD shape", config, mode, watch, base=base, served=served, per=1,
        megabytes=sizes[0] / 1e6, round_trips=sizes[1],
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON line a row")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--servers", type=int, default=4)
    parser.add_argument("--preset", choices=PRESETS, default="all_linear")
    parser.add_argument("--sd", choices=(*PRESETS, "none"), default="up_blocks")
    parser.add_argument("--sd-servers", type=int, default=2)
    chosen = parser.parse_args()
    if not chosen.json:
        print(
            f"{'model':9} {'preset':24} {'mode':16} n {'s':>8} {'client':>8} {'servers':>8} "
            f"{'ratio':>6} {'work':>6} {'MB':>8} {'trips':>6}"
        )
    rows = embedded(chosen.steps, chosen.servers, chosen.preset)
    for each in rows:
        show(each, as_json=chosen.json)
    if chosen.sd != "none":
        for each in sd_shape(chosen.sd_servers, chosen.sd):
            show(each, as_json=chosen.json)


def show(each: Row, *, as_json: bool) -> None:
    """Print a row."""
    if as_json:
        print(json.dumps(asdict(each)), flush=True)
        return
    print(
        f"{each.model:9} {each.preset:24} {each.mode:16} {each.n} {each.seconds:8.3f} "
        f"{each.client:8.3f} {each.servers:8.3f} {each.ratio:6.1f} {each.work:6.1f} "
        f"{each.megabytes:8.1f} {each.round_trips:6.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
