"""What was said, kept in order; and what a coalition saw of it, and no more."""

import gc
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentleak.defenses.codec import ProtocolError
from latentleak.defenses.transcript import Transcript, View
from latentleak.defenses.wire import CLIENT, Message, Party

BOUNDED = settings(derandomize=True, deadline=None, max_examples=60, database=None)
A, B = Party("server/0"), Party("server/1")


def message(
    number: int, sender: Party, receiver: Party, kind: str = "step", **rest: object
) -> Message:
    base = Message(
        number=number,
        sender=sender,
        receiver=receiver,
        kind=kind,
        payload=f"{sender}>{receiver}#{number}".encode(),
        sent=number + 0.25,
        received=number + 0.5,
    )
    return replace(base, **rest)  # type-checked by the dataclass


def example(**options: frozenset[str] | None) -> Transcript:
    transcript = Transcript(
        public={"defense": "Example"}, coins={A: 11, B: 22, CLIENT: 33}, **options
    )
    for number, (sender, receiver, kind) in enumerate(
        [
            (CLIENT, A, "ask"),
            (A, CLIENT, "ask"),
            (CLIENT, B, "other"),
            (B, CLIENT, "other"),
            (CLIENT, A, "ask"),
        ]
    ):
        transcript.append(message(number, sender, receiver, kind))
    return transcript


def test_messages_come_back_in_order() -> None:
    transcript = example()
    assert len(transcript) == 5
    assert [m.number for m in transcript] == [0, 1, 2, 3, 4]
    assert [m.payload for m in transcript][1] == b"server/0>client#1"
    assert list(transcript) == list(transcript)


@pytest.mark.parametrize("number", [-1, 0, 4, 6])
def test_a_message_out_of_order_is_refused(number: int) -> None:
    transcript = example()
    with pytest.raises(ProtocolError, match="follows 4"):
        transcript.append(message(number, A, CLIENT))
    assert len(transcript) == 5


def test_a_tap_keeps_hash_and_count_and_drops_the_payload() -> None:
    tapped, whole = example(tap=frozenset({"other"})), example()
    assert len(tapped) == len(whole)
    for seen, full in zip(tapped, whole, strict=True):
        if full.kind == "other":
            assert seen == full
        else:
            assert seen.payload == b""
            assert seen.digest == hashlib.sha256(full.payload).hexdigest()
            assert replace(seen, payload=full.payload, digest="") == full


def test_large_transcripts_move_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentleak.defenses.transcript.SPOOL_BYTES", 1000)
    transcript = Transcript()
    for number in range(10):
        transcript.append(message(number, CLIENT, A, payload=bytes([number]) * 300))
    assert transcript._spool._rolled
    assert [m.payload[:1] for m in transcript] == [bytes([n]) for n in range(10)]
    transcript.append(message(10, A, CLIENT))
    assert len(list(transcript)) == 11
    del transcript
    gc.collect()  # a spool left open would warn


def test_others_traffic_leaves_no_trace_in_a_view() -> None:
    with_b, without_b = example(), Transcript(public={"defense": "Example"}, coins={A: 11})
    kept = [m for m in with_b if A in (m.sender, m.receiver)]
    for number, m in enumerate(kept):
        without_b.append(replace(m, number=number))
    assert with_b.view({A}) == without_b.view({A})
    assert with_b.view({A}).digest() == without_b.view({A}).digest()
    assert [m.number for m in with_b.view({A}).messages] == [0, 1, 2]
    assert [m.number for m in with_b.view({A, B}).messages] == [0, 1, 2, 3, 4]
    assert with_b.view(()).messages == ()


def test_coins_and_stamps_are_the_members_own() -> None:
    view = example().view({A})
    assert view.coins == {A: 11}
    for m in view.messages:
        assert (m.sent is not None) == (m.sender == A)
        assert (m.received is not None) == (m.receiver == A)
    assert example().view({A, B}).coins == {A: 11, B: 22}


def test_work_in_a_view_counts_from_the_senders_last_visible_message() -> None:
    transcript = Transcript()
    for number, (receiver, rows) in enumerate([(A, 1), (B, 10), (B, 100), (A, 1000), (B, 0)]):
        transcript.append(message(number, CLIENT, receiver, work={"calls": 1, "rows": rows}))
    assert [m.work["rows"] for m in transcript.view({A}).messages] == [1, 1110]
    assert [m.work["rows"] for m in transcript.view({B}).messages] == [11, 100, 1000]
    assert [m.work["rows"] for m in transcript.view({A, B}).messages] == [1, 10, 100, 1000, 0]


VARIANTS: list[dict[str, object]] = [
    {"payload": b"other"},
    {"payload": b""},
    {"kind": "other"},
    {"sender": B},
    {"sent": 9.0},
    {"sent": None},
    {"received": 9.0},
    {"work": {"calls": 1}},
    {"digest": "ab"},
]


@pytest.mark.parametrize("change", VARIANTS, ids=lambda c: next(iter(c)))
def test_the_digest_covers_every_part_of_a_message(change: dict[str, object]) -> None:
    def view(m: Message) -> View:
        return View(coalition=frozenset({A}), messages=(m,), coins={A: 1}, public={"k": 1})

    base = message(0, A, CLIENT)
    assert view(base).digest() == view(replace(base)).digest()
    assert view(base).digest() != view(replace(base, **change)).digest()


def test_the_digest_covers_coalition_coins_public_and_order() -> None:
    one, two = message(0, A, CLIENT, payload=b"xy"), message(0, A, CLIENT, payload=b"")
    base = View(coalition=frozenset({A}), messages=(one, two), coins={A: 1}, public={"k": 1})
    others = [
        replace(base, coalition=frozenset({A, B})),
        replace(base, coins={A: 2}),
        replace(base, public={"k": 2}),
        replace(base, messages=(two, one)),
        replace(base, messages=(one,)),
        replace(base, messages=(replace(one, payload=b"x"), replace(two, payload=b"y"))),
    ]
    assert len({v.digest() for v in [base, *others]}) == 7


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "t.transcript"
    for transcript in (example(), example(tap=frozenset()), Transcript()):
        transcript.save(path)
        back = Transcript.load(path)
        assert list(back) == list(transcript)
        assert (back.public, back.coins) == (transcript.public, transcript.coins)
        assert back.view({A}).digest() == transcript.view({A}).digest()
        back.append(message(len(transcript), A, CLIENT))
    assert [p.name for p in tmp_path.iterdir()] == ["t.transcript"]


@BOUNDED
@given(data=st.data())
def test_a_changed_file_is_no_transcript(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.transcript"
    example().save(path)
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert", "tail"])):
        case "flip":
            raw[place] ^= 1 << data.draw(st.integers(0, 7))
        case "cut":
            del raw[place]
        case "insert":
            raw.insert(place, raw[place] ^ 1)
        case "tail":
            del raw[place:]
    path.write_bytes(raw)
    with pytest.raises(ProtocolError, match=r"changed\.transcript is not a transcript"):
        Transcript.load(path)


@pytest.mark.parametrize(
    "head",
    [
        b"[]",
        b"3",
        b'{"public": {}, "coins": {}, "messages": [3]}',
        b'{"public": {}, "coins": {}, "messages": [{"length": 99999999999999}]}',
        b'{"public": {}, "coins": {}, "messages": [{"length": "x"}]}',
        b'{"public": {}, "coins": 5, "messages": []}',
        b'{"public": {}, "messages": []}',
        b"[" * 100_000,
        b"\xff",
    ],
    ids=lambda h: h[:60].decode("latin-1"),
)
def test_a_file_with_a_valid_checksum_and_wrong_content_is_refused(
    head: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "t.transcript"
    path.write_bytes(head + b"\n" + hashlib.sha256(head + b"\n").digest())
    with pytest.raises(ProtocolError, match="is not a transcript"):
        Transcript.load(path)
