"""Servers in processes and threads: equal bytes, and records of what each of them saw."""

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from latentleak.defenses import serve as module
from latentleak.defenses.codec import ProtocolError, decode, encode
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import derive
from latentleak.defenses.serve import (
    CLOSED,
    parse_spec,
    record_folder,
    recorded_views,
    serve,
    session_files,
    spawn_servers,
)
from latentleak.defenses.spec import Spec
from latentleak.defenses.tcp import Limits, Tcp
from latentleak.defenses.transcript import Transcript
from latentleak.defenses.wire import CLIENT, Party, Server
from latentleak.targets.pipeline import Target

AFFINE = f"{Path(__file__).with_name('affine.py')}:Affine"
Affine = Spec(path=AFFINE).find()
lab = sys.modules[Affine.__module__]
A, B, NOWHERE, PATIENT = lab.A, lab.B, lab.NOWHERE, lab.PATIENT
SHORT = Limits(connect=0.4, read=0.4, write=0.4)
served, until = lab.served, lab.until


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A target that loads at once because it has no parts."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    return {"spec": str(folder), "device": "cpu"}


# --- real processes -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Recorded:
    defense: Any
    root: Path
    runs: list[tuple[torch.Tensor, Transcript]]
    stopping: float


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, model: dict[str, str]) -> Recorded:
    """Three sessions with two server processes."""
    defense, root = Affine(count=2), tmp_path_factory.mktemp("records")
    with spawn_servers(defense, Target(**model), root, seed=9) as transport:
        runs = [
            execute(defense, NOWHERE, f"secret {i}", seed, transport=transport)
            for i, seed in enumerate([1, 1, 2])
        ]
        end = time.monotonic()
    stopping = time.monotonic() - end
    pairs = [(output.latents, transcript) for output, transcript in runs]
    return Recorded(defense=defense, root=root, runs=pairs, stopping=stopping)


def test_processes_and_one_process_say_the_same(recorded: Recorded) -> None:
    for (latents, transcript), (i, seed) in zip(recorded.runs, enumerate([1, 1, 2]), strict=True):
        output, reference = execute(recorded.defense, NOWHERE, f"secret {i}", seed)
        assert torch.equal(latents, output.latents)
        said = [(m.number, m.sender, m.receiver, m.kind, m.payload) for m in transcript]
        assert said == [(m.number, m.sender, m.receiver, m.kind, m.payload) for m in reference]
    assert torch.equal(recorded.runs[0][0], recorded.runs[1][0])  # halves are new each session


def test_a_servers_record_is_what_the_referee_would_show_it(recorded: Recorded) -> None:
    for party in recorded.defense.servers:
        views = list(recorded_views(recorded.root, {party}))
        assert len(views) == 3
        for view, (_, transcript) in zip(views, recorded.runs, strict=True):
            expected = transcript.view({party})
            *messages, last = view.messages
            assert (last.kind, last.sender, last.payload) == (CLOSED, CLIENT, b"")
            assert last.received is not None
            for own, shown in zip(messages, expected.messages, strict=True):
                assert (own.number, own.sender, own.receiver) == (
                    shown.number,
                    shown.sender,
                    shown.receiver,
                )
                assert (own.kind, own.payload) == (shown.kind, shown.payload)
            assert view.public == expected.public == {"defense": "Affine", "rounds": 3}


def test_a_record_has_own_coins_own_stamps_and_no_work(recorded: Recorded) -> None:
    for party in recorded.defense.servers:
        for n, view in enumerate(recorded_views(recorded.root, {party})):
            assert view.coins == {party: derive(derive(9, "server", party), "session", n)}
            stamps = [m.sent if m.sender == party else m.received for m in view.messages]
            assert all(stamp is not None and stamp >= 0 for stamp in stamps)
            assert stamps == sorted(stamps)
            assert all((m.sent is None) == (m.sender != party) for m in view.messages)
            assert all((m.received is None) == (m.receiver != party) for m in view.messages)
            assert not any(m.work for m in view.messages)


def test_the_client_stamps_its_own_messages(recorded: Recorded) -> None:
    for _, transcript in recorded.runs:
        assert all((m.sent is None) == (m.sender != CLIENT) for m in transcript)
        assert all((m.received is None) == (m.receiver != CLIENT) for m in transcript)
        assert not any(m.work for m in transcript)
        for party in recorded.defense.servers:
            own = [m for m in transcript if party in (m.sender, m.receiver)]
            stamps = [m.sent if m.sent is not None else m.received for m in own]
            assert all(stamp is not None and stamp >= 0 for stamp in stamps)
            assert stamps == sorted(stamps)


def test_a_coalition_is_the_union_of_its_members(recorded: Recorded) -> None:
    alone = [list(recorded_views(recorded.root, {party})) for party in (A, B)]
    for n, view in enumerate(recorded_views(recorded.root, [B, A])):
        assert view.coalition == {A, B}
        assert [m.number for m in view.messages] == list(range(len(view.messages)))
        parts = [m.payload for member in alone for m in member[n].messages]
        assert [m.payload for m in view.messages] == parts
        assert view.coins == {**alone[0][n].coins, **alone[1][n].coins}


def test_members_that_recorded_different_sessions_have_no_union(
    recorded: Recorded, tmp_path: Path
) -> None:
    for party, count in ((A, 2), (B, 3)):
        folder = record_folder(tmp_path, party)
        folder.mkdir()
        for file in session_files(record_folder(recorded.root, party))[:count]:
            (folder / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ProtocolError, match="server/0: 2, server/1: 3"):
        list(recorded_views(tmp_path, {A, B}))


def test_servers_end_by_themselves_when_their_parent_lets_go(recorded: Recorded) -> None:
    assert recorded.stopping < module._GRACE  # later, they would have been killed


@contextmanager
def process(spec: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "latentleak.defenses.serve", "--spec", json.dumps(spec)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as child:
        try:
            yield child
        finally:
            child.kill()


def test_sigterm_ends_a_server_in_the_middle_of_a_session(
    tmp_path: Path, model: dict[str, str]
) -> None:
    spec = {"defense": {"path": AFFINE}, "target": model, "party": A, "seed": 3}
    with process({**spec, "record": str(tmp_path)}) as child:
        assert child.stdout is not None
        port = json.loads(child.stdout.readline())["port"]
        with Tcp({A: ("127.0.0.1", port)}, limits=PATIENT).connect(
            Affine(), NOWHERE, {A: 0}
        ) as link:
            link.request({A: ("step", encode({"x": torch.ones(1)}))})
            os.kill(child.pid, signal.SIGTERM)
            assert child.wait(10) == 0
            with pytest.raises(ProtocolError, match=r"stopping|lost"):
                link.request({A: ("step", encode({"x": torch.ones(1)}))})
    (file,) = session_files(tmp_path)
    assert [m.kind for m in Transcript.load(file)] == ["step", "step"]


def test_a_process_with_a_wrong_specification_says_why() -> None:
    spec = {"defense": {"path": AFFINE}, "target": {}, "party": A, "sed": 3}
    with process(spec) as child:
        _, error = child.communicate(timeout=30)
    assert child.returncode == 2
    assert error.decode().startswith("error: spec has no key 'sed'; valid keys: defense, target")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting"),
        ("[]", "must be a JSON object"),
        ('{"defence": {}}', "no key 'defence'; valid keys: defense, target"),
        ('{"defense": {}, "target": {}, "party": "server/0"}', "lacks the key 'seed'"),
    ],
)
def test_a_wrong_specification_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_spec(text)


def test_a_server_that_does_not_start_is_an_error(tmp_path: Path, capfd: Any) -> None:
    target = Target(spec=str(tmp_path), device="cpu")
    with (
        pytest.raises(RuntimeError, match="server/0 did not start"),
        spawn_servers(Affine(), target, None, seed=1),
    ):
        pass
    assert "has no model_index.json" in capfd.readouterr().err


# --- sessions -------------------------------------------------------------------------------


def test_servers_work_at_the_same_time() -> None:
    """Each half answers only once the other has its request too."""
    both = threading.Barrier(2, timeout=10)

    class MeetingHalf(lab.AffineHalf):
        def handle(self, kind: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            if kind == "step":
                both.wait()
            return super().handle(kind, tensors)

    class Meeting(Affine):
        def server(self, me: Party, target: Target, seed: int) -> Server:
            return MeetingHalf(seed, 0)

    defense = Meeting(count=2)
    with served(defense) as addresses:
        execute(defense, NOWHERE, "s", 0, transport=Tcp(addresses, limits=PATIENT))


def test_stamps_come_from_the_given_clocks_and_start_at_zero(tmp_path: Path) -> None:
    ticks, tocks = iter(range(100, 200)), iter(range(1000, 9000, 10))
    with served(Affine(rounds=1), record=tmp_path, clock=lambda: float(next(tocks))) as addresses:
        transport = Tcp(addresses, limits=PATIENT, clock=lambda: float(next(ticks)))
        _, transcript = execute(Affine(rounds=1), NOWHERE, "s", 0, transport=transport)
        until(lambda: bool(session_files(tmp_path)))
    # Zero is read first; then OPEN out and in, and two exchanges.
    assert [m.sent if m.sent is not None else m.received for m in transcript] == [3, 4, 5, 6]
    own = Transcript.load(session_files(tmp_path)[0])
    stamps = [m.sent if m.sent is not None else m.received for m in own]
    assert stamps == [30, 40, 50, 60, 70]


def test_the_record_shows_how_long_the_client_took(tmp_path: Path) -> None:
    x = encode({"x": torch.ones(1)})
    with served(Affine(), record=tmp_path) as addresses:
        with Tcp(addresses, limits=PATIENT).connect(Affine(), NOWHERE, {A: 0}) as link:
            for pause in (0.5, 0.0, 0.5):
                link.request({A: ("step", x)})
                time.sleep(pause)
        until(lambda: bool(session_files(tmp_path)))
    messages = list(Transcript.load(session_files(tmp_path)[0]))
    gaps = [
        heard.received - said.sent
        for said, heard in itertools.pairwise(messages)
        if heard.sender == CLIENT
    ]
    assert gaps[0] > 0.25
    assert gaps[1] >= 0
    assert gaps[2] > 0.25  # until the client went away


def test_a_tap_keeps_stamps_and_drops_payloads(tmp_path: Path) -> None:
    with served(Affine(), record=tmp_path, tap=frozenset({"ask"})) as addresses:
        execute(Affine(), NOWHERE, "s", 0, transport=Tcp(addresses, limits=PATIENT))
        until(lambda: bool(session_files(tmp_path)))
    messages = list(Transcript.load(session_files(tmp_path)[0]))
    assert [bool(m.payload) for m in messages] == [True, True, *[False] * 7]
    assert all(m.digest for m in messages[2:])


def test_a_folder_with_records_is_continued(tmp_path: Path) -> None:
    for _ in range(2):
        with served(Affine(), record=tmp_path) as addresses:
            count = len(session_files(tmp_path))
            execute(Affine(), NOWHERE, "s", 0, transport=Tcp(addresses, limits=PATIENT))
            until(lambda count=count: len(session_files(tmp_path)) > count)
    first, second = (Transcript.load(path) for path in session_files(tmp_path))
    assert first.coins == {A: derive(5, "session", 0)}
    assert second.coins == {A: derive(5, "session", 1)}


def test_a_refusal_and_a_failure_reach_the_client_in_plain_words() -> None:
    x = encode({"x": torch.ones(1)})
    with served(Affine()) as addresses:
        transport = Tcp(addresses, limits=PATIENT)
        cases = [
            ("refuse", x, r"^server/0: refused: x must be positive$"),
            ("fail", x, r"^server/0: refused: the server failed on this message; its own log"),
            ("step", encode({}), r"^server/0: refused: the server failed"),
            ("step", b"junk", r"^server/0: refused: payload of 4 bytes is not safetensors"),
            ("step", x + b" ", r"^server/0: refused: payload"),
        ]
        for kind, payload, message in cases:
            with transport.connect(Affine(), NOWHERE, {A: 0}) as link:
                with pytest.raises(ProtocolError, match=message) as caught:
                    link.request({A: (kind, payload)})
                assert "secret" not in str(caught.value)
                with pytest.raises(ProtocolError, match="ended with an earlier error"):
                    link.request({A: ("step", x)})
        with transport.connect(Affine(), NOWHERE, {A: 0}) as link:
            assert torch.equal(
                decode(link.request({A: ("step", x)})[A].payload)["x"], torch.tensor([3.0])
            )


def test_an_aborted_session_is_recorded_too(tmp_path: Path) -> None:
    with served(Affine(), record=tmp_path) as addresses:
        with Tcp(addresses, limits=PATIENT).connect(Affine(), NOWHERE, {A: 0}) as link:
            link.request({A: ("step", encode({"x": torch.ones(1)}))})
            with pytest.raises(ProtocolError):
                link.request({A: ("step", b"junk")})
        until(lambda: bool(session_files(tmp_path)))
    kinds = [(m.sender, m.payload) for m in Transcript.load(session_files(tmp_path)[0])]
    assert [sender for sender, _ in kinds] == [CLIENT, A, CLIENT]
    assert kinds[-1][1] == b"junk"


@pytest.mark.parametrize("other", [Affine(rounds=4), Affine(count=2)])
def test_another_configuration_is_refused(other: Affine, tmp_path: Path) -> None:
    with served(Affine(), record=tmp_path) as addresses:
        transport = Tcp(dict.fromkeys([A, B], addresses[A]), limits=PATIENT)
        party = other.servers[-1]
        with (
            pytest.raises(ProtocolError, match=f"{party}: refused: this is server/0 of Affine"),
            transport.connect(other, NOWHERE, {party: 0}),
        ):
            pass
        execute(Affine(), NOWHERE, "s", 0, transport=transport)
    assert [p.name for p in session_files(tmp_path)] == ["session-0000.transcript"]


def test_parties_without_address_or_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = Tcp({A: ("127.0.0.1", port)}, limits=SHORT)
    with (
        pytest.raises(ProtocolError, match=r"server/0 at .* cannot be reached .* is it running"),
        transport.connect(Affine(), NOWHERE, {A: 0}),
    ):
        pass
    with (
        pytest.raises(ValueError, match="party 'server/1' has no address; known: server/0"),
        transport.connect(Affine(), NOWHERE, {B: 0}),
    ):
        pass
    with (
        served(Affine()) as addresses,
        Tcp(addresses, limits=PATIENT).connect(Affine(), NOWHERE, {A: 0}) as link,
        pytest.raises(ProtocolError, match="server/1 takes no part"),
    ):
        link.request({B: ("step", b"")})
    with pytest.raises(ValueError, match="party='server/1' must be one of server/0"):
        serve(Affine(), NOWHERE, B, seed=0)
    with pytest.raises(ValueError, match="seed=-1 must be >= 0"):
        serve(Affine(), NOWHERE, A, seed=-1)


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_waiting_has_an_end(value: float) -> None:
    with pytest.raises(ValueError, match=r"read=.* must be > 0 and finite"):
        Limits(read=value)
