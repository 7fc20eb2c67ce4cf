"""Frames over sockets: bounded, canonical, and no way to break the other end."""

import socket
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentleak.defenses import tcp
from latentleak.defenses.codec import ProtocolError, decode, encode
from latentleak.defenses.spec import Spec
from latentleak.defenses.tcp import MAGIC, Channel, Frame, Limits, Tcp, What
from latentleak.defenses.wire import MAX_PAYLOAD, Wire

Affine = Spec(path=f"{Path(__file__).with_name('affine.py')}:Affine").find()
lab = sys.modules[Affine.__module__]
A, NOWHERE, PATIENT, served = lab.A, lab.NOWHERE, lab.PATIENT, lab.served
SHORT = Limits(connect=0.4, read=0.4, write=0.4)
BOUNDED = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def frame_bytes(frame: Frame) -> bytes:
    return tcp.pack_head(frame) + frame.payload


@contextmanager
def pair(limits: Limits = SHORT) -> Iterator[tuple[Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    with Channel(ours, limits) as channel, theirs:
        yield channel, theirs


FRAMES = st.one_of(
    st.builds(
        Frame,
        what=st.just(What.MESSAGE),
        kind=st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True),
        payload=st.binary(max_size=40),
    ),
    st.builds(Frame, what=st.just(What.OPEN), payload=st.binary(max_size=32)),
    st.builds(Frame, what=st.just(What.ERROR), payload=st.binary(max_size=40)),
)


@st.composite
def mutated(draw: st.DrawFn, *frames: Frame) -> bytes:
    """Frames with bits flipped, bytes cut out or put in, lengths and types rewritten."""
    raw = bytearray(b"".join(map(frame_bytes, frames or draw(st.lists(FRAMES, min_size=1)))))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(raw) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert", "head", "tail"])):
            case "flip" if raw:
                raw[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del raw[place : place + draw(st.integers(1, 8))]
            case "insert":
                raw[place:place] = draw(st.binary(min_size=1, max_size=12))
            case "head":
                raw[4:10] = draw(st.binary(min_size=6, max_size=6))
            case "tail":
                del raw[place:]
    return bytes(raw)


@settings(BOUNDED, max_examples=100)
@given(FRAMES)
def test_a_frame_comes_back(frame: Frame) -> None:
    with pair() as (channel, theirs), Channel(theirs, SHORT) as other:
        sent = channel.send(frame)
        got, received = other.receive()
        assert got == frame
        assert min(sent, received) >= 0


@settings(BOUNDED, max_examples=150)
@given(mutated())
def test_mutated_frames_are_refused_or_exactly_themselves(raw: bytes) -> None:
    with pair() as (channel, theirs):
        theirs.sendall(raw)
        theirs.shutdown(socket.SHUT_WR)
        read = b""
        try:
            while (frame := channel.receive()[0]) is not None:
                read += frame_bytes(frame)
        except ProtocolError:
            assert raw.startswith(read)
            return
        assert read == raw


@pytest.mark.parametrize(
    "head",
    [
        b"LLW2\x02\x01\0\0\0\0a",
        MAGIC + b"\x00\x01\0\0\0\0a",
        MAGIC + b"\x04\x00\0\0\0\0",
        MAGIC + b"\x02\x00\0\0\0\0",
        MAGIC + b"\x02\x41\0\0\0\0" + b"a" * 65,
        MAGIC + b"\x02\x01\0\0\0\0\xff",
        MAGIC + b"\x02\x01\0\0\0\0 ",
        MAGIC + b"\x01\x01\0\0\0\0a",
        MAGIC + b"\x01\x00\0\0\0\x21",
        MAGIC + b"\x03\x00\0\0\x04\x01",
        MAGIC + b"\x02\x01" + (MAX_PAYLOAD + 1).to_bytes(4, "big") + b"a",
        MAGIC + b"\x02\x01\xff\xff\xff\xffa",
    ],
)
def test_a_wrong_head_is_refused_before_its_payload(head: bytes) -> None:
    with pair() as (channel, theirs):
        theirs.sendall(head)  # and then silence: the refusal must not wait for more
        start = time.monotonic()
        with pytest.raises(ProtocolError) as caught:
            channel.receive(10.0)
        assert time.monotonic() - start < 5
        assert "within" not in str(caught.value)


def test_an_announced_payload_takes_no_memory_before_it_comes() -> None:
    with pair() as (channel, theirs):
        theirs.sendall(MAGIC + b"\x02\x01" + MAX_PAYLOAD.to_bytes(4, "big") + b"a" + b"x" * 1000)
        tracemalloc.start()
        try:
            with pytest.raises(ProtocolError, match="no whole frame within"):
                channel.receive(0.1)
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()


def test_bytes_that_drip_do_not_extend_the_time() -> None:
    with pair() as (channel, theirs):
        done = threading.Event()

        def drip() -> None:
            for byte in frame_bytes(Frame(what=What.MESSAGE, kind="a", payload=b"x" * 400)):
                if done.wait(0.02):
                    return
                theirs.sendall(bytes([byte]))

        thread = threading.Thread(target=drip)
        thread.start()
        start = time.monotonic()
        with pytest.raises(ProtocolError, match=r"within 0\.3 s"):
            channel.receive(0.3)
        assert time.monotonic() - start < 3
        done.set()
        thread.join()


def test_a_peer_that_does_not_read_is_given_up() -> None:
    with pair() as (channel, _), pytest.raises(ProtocolError, match=r"did not read for 0\.4 s"):
        channel.send(Frame(what=What.MESSAGE, kind="a", payload=bytes(16 << 20)))


def test_a_large_frame_arrives_whole() -> None:
    frame = Frame(what=What.MESSAGE, kind="a", payload=bytes(range(256)) * (3 << 12) + b"end")
    with pair(PATIENT) as (channel, theirs), Channel(theirs, PATIENT) as other:
        thread = threading.Thread(target=channel.send, args=(frame,))
        thread.start()
        assert other.receive()[0] == frame
        thread.join()


def test_frames_that_are_not_allowed_are_not_sent() -> None:
    with pair() as (channel, _):
        for frame in (
            Frame(what=What.MESSAGE, payload=b""),
            Frame(what=What.MESSAGE, kind="a b", payload=b""),
            Frame(what=What.OPEN, kind="a", payload=b""),
            Frame(what=What.OPEN, payload=b"x" * 33),
        ):
            with pytest.raises(ProtocolError):
                channel.send(frame)


def test_small_frames_are_not_held_back() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Channel(socket.create_connection(listener.getsockname()), SHORT) as channel,
    ):
        assert channel.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# --- one end is malicious -------------------------------------------------------------------

OPENING = Frame(what=What.OPEN, payload=tcp.session_fingerprint(A, Affine()))
STEP = Frame(what=What.MESSAGE, kind="step", payload=encode({"x": torch.ones(1)}))


@pytest.fixture(scope="module")
def victim() -> Iterator[tuple[str, int]]:
    """A server with little patience."""
    with served(Affine(), limits=Limits(connect=1.0, read=1.25)) as addresses:
        yield addresses[A]


def everything(sock: socket.socket) -> bytes:
    sock.settimeout(5)
    read = b""
    try:
        while chunk := sock.recv(1 << 16):
            read += chunk
    except ConnectionError:
        pass
    return read


def still_serves(address: tuple[str, int]) -> None:
    with Tcp({A: address}, limits=PATIENT).connect(Affine(), NOWHERE, {A: 0}) as link:
        answer = link.request({A: (STEP.kind, STEP.payload)})[A]
    assert torch.equal(decode(answer.payload)["x"], torch.tensor([3.0]))


@settings(BOUNDED, max_examples=60)
@given(mutated(OPENING, STEP, STEP))
def test_a_malicious_client_does_not_stop_a_server(victim: tuple[str, int], raw: bytes) -> None:
    with socket.create_connection(victim, timeout=5) as sock:
        sock.sendall(raw)
        sock.shutdown(socket.SHUT_WR)
        answer = everything(sock)
    with pair() as (channel, theirs):
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        while (frame := channel.receive()[0]) is not None:  # whatever comes back is well formed
            assert b"Traceback" not in frame.payload


def test_the_server_serves_on_after_all_of_that(victim: tuple[str, int]) -> None:
    still_serves(victim)


@pytest.mark.parametrize(
    ("start", "wait"),
    [
        (b"", b"1 s"),
        (frame_bytes(OPENING)[:7], b"1 s"),
        (frame_bytes(OPENING), b"1.25 s"),
        (frame_bytes(OPENING) + frame_bytes(STEP)[:20], b"1.25 s"),
    ],
    ids=["nothing", "part of the opening", "opening", "part of a message"],
)
def test_a_silent_client_is_sent_away(victim: tuple[str, int], start: bytes, wait: bytes) -> None:
    with socket.create_connection(victim, timeout=5) as sock:
        sock.sendall(start)
        assert b"no whole frame within " + wait in everything(sock)
    still_serves(victim)


def test_a_client_that_vanishes_is_forgotten(victim: tuple[str, int]) -> None:
    for raw in (b"", frame_bytes(OPENING), frame_bytes(OPENING) + frame_bytes(STEP)):
        sock = socket.create_connection(victim, timeout=5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # reset at close
        sock.sendall(raw)
        sock.close()
    still_serves(victim)


@contextmanager
def impostor(*answers: bytes) -> Iterator[tuple[str, int]]:
    """A server that accepts once and answers each frame with the next of the given bytes."""

    def run(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with Channel(sock, PATIENT) as channel:
            try:
                for answer in answers:
                    if channel.receive()[0] is None:
                        return
                    sock.sendall(answer)
                sock.shutdown(socket.SHUT_WR)
                channel.receive()
            except (ProtocolError, OSError):
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=run, args=(listener,))
        thread.start()
        yield listener.getsockname()[:2]
        thread.join()


REPLY = Frame(what=What.MESSAGE, kind="ask", payload=encode({"x": torch.ones(1)}))


@settings(BOUNDED, max_examples=60)
@given(mutated(REPLY))
def test_a_malicious_server_does_not_break_a_client(raw: bytes) -> None:
    with impostor(frame_bytes(OPENING), raw) as address:
        transport = Tcp({A: address}, limits=PATIENT)
        with transport.connect(Affine(), NOWHERE, {A: 0}) as link:
            try:
                answer = Wire(link, lambda message: None).call(A, "ask", {"x": torch.ones(1)})
            except ProtocolError:
                return
            frame = Frame(what=What.MESSAGE, kind="ask", payload=encode(answer))
            assert raw.startswith(frame_bytes(frame))


@settings(BOUNDED, max_examples=30)
@given(mutated(OPENING))
def test_a_malicious_opening_is_refused(raw: bytes) -> None:
    with impostor(raw) as address:
        try:
            with Tcp({A: address}, limits=PATIENT).connect(Affine(), NOWHERE, {A: 0}):
                assert raw.startswith(frame_bytes(OPENING))
        except ProtocolError:
            return


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "closed the connection instead of answering"),
        (frame_bytes(OPENING), "sent a frame of type OPEN where MESSAGE must come"),
        (frame_bytes(STEP), "answered 'ask' with 'step'"),
        (frame_bytes(REPLY)[:-1], "the connection ended 1 bytes too early"),
        (
            frame_bytes(Frame(what=What.ERROR, payload=b"\x1b[2Jgone\n\xff")),
            r"server/0: refused: \?\[2Jgone\?.$",
        ),
    ],
)
def test_what_a_client_says_about_a_malicious_server(answer: bytes, message: str) -> None:
    with (
        impostor(frame_bytes(OPENING), answer) as address,
        Tcp({A: address}, limits=PATIENT).connect(Affine(), NOWHERE, {A: 0}) as link,
        pytest.raises(ProtocolError, match=message),
    ):
        link.request({A: ("ask", b"")})


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = Tcp({A: listener.getsockname()[:2]}, limits=SHORT)
        with (
            pytest.raises(ProtocolError, match="server/0: the peer sent no whole frame within"),
            transport.connect(Affine(), NOWHERE, {A: 0}),
        ):
            pass
    slow = Affine(pause=1.0)
    with served(slow) as addresses:
        transport = Tcp(addresses, limits=Limits(read=0.4))
        with (
            transport.connect(slow, NOWHERE, {A: 0}) as link,
            pytest.raises(ProtocolError, match=r"no answer of server/0 within 0\.4 s"),
        ):
            link.request({A: (STEP.kind, STEP.payload)})
