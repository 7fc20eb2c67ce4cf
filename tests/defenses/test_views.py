"""The views of many games in one file: what went in comes out, and nothing else."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from latentleak.defenses.codec import ProtocolError, encode, encode_texts
from latentleak.defenses.transcript import Transcript, View
from latentleak.defenses.views import Views
from latentleak.defenses.wire import CLIENT, Message, Party

BOUNDED = settings(derandomize=True, deadline=None, max_examples=60, database=None)
A = Party("server/0")


def view(*payloads: bytes, kinds: Sequence[str] = (), coins: int = 7, **rest: object) -> View:
    messages = tuple(
        Message(
            number=i,
            sender=A if i % 2 else CLIENT,
            receiver=CLIENT if i % 2 else A,
            kind=kinds[i] if kinds else "step",
            payload=payload,
            work={"rows": i},
            received=None if i % 2 else float(i),
        )
        for i, payload in enumerate(payloads)
    )
    return View(coalition=frozenset({A}), messages=messages, coins={A: coins}, public={"k": 3})


def number(value: float, size: int = 2) -> bytes:
    return encode({"x": torch.full((size,), float(value))})


def test_games_and_sessions_come_back(tmp_path: Path) -> None:
    games = [
        [view(number(1), number(2))],
        [view(number(3), coins=8), view(b"", number(4), coins=9)],
        [],
    ]
    views = Views.of(games, tmp_path / "v")
    for opened in (views, Views.load(tmp_path / "v")):
        assert len(opened) == 3
        assert [opened.sessions(g) for g in range(3)] == [1, 2, 0]
        for g, sessions in enumerate(games):
            for s, expected in enumerate(sessions):
                assert opened.messages(g, s) == expected.messages
                assert opened.view(g, s).coins == expected.coins
                assert opened.view(g, s).public == expected.public
                assert all(m.payload == b"" for m in opened.view(g, s).messages)
    assert [p.name for p in tmp_path.iterdir()] == ["v"]


def test_payloads_are_read_from_the_file_when_asked_for(tmp_path: Path) -> None:
    views = Views.of([[view(number(1, 1000))]], tmp_path / "v")
    assert isinstance(views._blob, np.memmap)
    assert not views._blob.flags.writeable
    array = views.arrays(0, "step")[0]["x"]
    array += 1
    assert views.arrays(0, "step")[0]["x"][0] == 1


def test_no_games_and_no_payloads(tmp_path: Path) -> None:
    assert len(Views.of([], tmp_path / "v")) == 0
    views = Views.of([[view()], [view(b"")]], tmp_path / "w")
    assert views.messages(0) == ()
    assert views.messages(1)[0].payload == b""
    assert views.arrays(1, "step") == []


def test_take_reorders_and_repeats_games(tmp_path: Path) -> None:
    views = Views.of([[view(number(i), coins=i)] for i in range(4)], tmp_path / "v")
    swapped = views.take(np.array([2, 0, 2]))
    assert len(swapped) == 3
    assert [swapped.view(g).coins[A] for g in range(3)] == [2, 0, 2]
    assert [float(swapped.arrays(g, "step")[0]["x"][0]) for g in range(3)] == [2, 0, 2]
    assert [swapped.take([1]).view(0).coins[A]] == [0]
    with pytest.raises(IndexError):
        views.take([4])


def test_arrays_filter_by_kind_and_sender(tmp_path: Path) -> None:
    session = view(number(0), number(1), number(2), number(3), kinds=["a", "a", "b", "b"])
    views = Views.of([[session]], tmp_path / "v")
    assert [float(b["x"][0]) for b in views.arrays(0, "a")] == [0, 1]
    assert [float(b["x"][0]) for b in views.arrays(0, "b", sender="client")] == [2]
    assert [float(b["x"][0]) for b in views.arrays(0, "b", sender=A)] == [3]
    assert views.arrays(0, "c") == []


def test_texts_are_gathered_in_order(tmp_path: Path) -> None:
    blocks = [encode({"p": encode_texts(["a", "ß"])}), number(1), encode({"p": encode_texts([""])})]
    views = Views.of([[view(*blocks)]], tmp_path / "v")
    assert views.texts(0, "step", "p") == ["a", "ß", ""]
    assert views.texts(0, "step", "q") == []


def test_a_column_is_stacked_where_shapes_agree_and_a_list_elsewhere(tmp_path: Path) -> None:
    sizes = [2, 2, 2, 3, 2]
    views = Views.of([[view(b"", number(i, n))] for i, n in enumerate(sizes)], tmp_path / "v")
    chunks = list(views.column(1, "x", chunk=3))
    assert isinstance(chunks[0], np.ndarray)
    assert chunks[0].shape == (3, 2)
    assert chunks[0][:, 0].tolist() == [0, 1, 2]
    assert isinstance(chunks[1], list)
    assert [row.shape for row in chunks[1]] == [(3,), (2,)]
    whole = list(views.column(1, "x"))
    assert len(whole) == 1
    assert len(whole[0]) == 5
    with pytest.raises(KeyError):
        list(views.column(1, "y"))


def test_a_selection_is_saved_alone(tmp_path: Path) -> None:
    views = Views.of([[view(number(i, 100), coins=i)] for i in range(10)], tmp_path / "v")
    views.take([3, 1]).save(tmp_path / "w")
    back = Views.load(tmp_path / "w")
    assert [back.messages(g) for g in range(2)] == [views.messages(3), views.messages(1)]
    assert (tmp_path / "w").stat().st_size < (tmp_path / "v").stat().st_size / 3
    views.take([0]).save(tmp_path / "v")  # over the file that it is read from
    assert views.messages(9)[0].payload == number(9, 100)
    assert len(Views.load(tmp_path / "v")) == 1


@pytest.mark.parametrize("links", [True, False])
def test_a_whole_file_is_saved_without_room(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*given: object) -> None:
        raise OSError("no links here")

    if not links:
        monkeypatch.setattr(os, "link", none)
    views = Views.of([[view(number(1, 100))]], tmp_path / "v")
    (tmp_path / "w").write_text("what was there before")
    views.save(tmp_path / "w")
    assert (tmp_path / "w").samefile(tmp_path / "v") == links
    assert Views.load(tmp_path / "w").messages(0) == views.messages(0)
    Views.of([[view(number(2))]], tmp_path / "v")  # the other name keeps what it had
    assert Views.load(tmp_path / "w").messages(0) == views.messages(0)


def test_equal_views_give_equal_files(tmp_path: Path) -> None:
    for name in "vw":
        Views.of([[view(number(1))], [view(number(2), b"")]], tmp_path / name)
    assert (tmp_path / "v").read_bytes() == (tmp_path / "w").read_bytes()


def header(index: object) -> bytes:
    text = json.dumps(index).encode()
    return b"LLVIEWS1" + len(text).to_bytes(8, "big") + text


BAD_SPAN = {"messages": [{"span": [0, 9]}], "coins": {}, "public": {}}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"LLVIEWS1",
        b"LLVIEWS2" + header([])[8:],
        b"LLVIEWS1" + b"\xff" * 8,
        header({"a": 1}),
        header([3]),
        header([[{}]]),
        header([[BAD_SPAN]]),
        header([[BAD_SPAN | {"messages": [{"span": [-4, 2]}]}]]),
        header([[BAD_SPAN | {"messages": [{"span": [0, 0], "surprise": 1}]}]]),
        b"LLVIEWS1" + (100_000).to_bytes(8, "big") + b"[" * 100_000,
    ],
    ids=range(11),
)
def test_another_file_is_refused(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "v").write_bytes(raw)
    with pytest.raises(ProtocolError, match="is not a file of views"):
        Views.load(tmp_path / "v")


@BOUNDED
@given(data=st.data())
def test_a_changed_file_never_crashes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.views"
    Views.of([[view(number(1), number(2))]], path)
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del raw[place:]
    path.write_bytes(raw)
    try:
        views = Views.load(path)
        for game in range(len(views)):
            for session in range(views.sessions(game)):
                views.messages(game, session)
                views.arrays(game, "step", session)
    except ProtocolError:
        return


PARTIES = tuple(Party(f"server/{i}") for i in range(3))


@BOUNDED
@given(
    sent=st.lists(
        st.tuples(st.sampled_from(PARTIES), st.booleans(), st.integers(0, 3), st.booleans()),
        max_size=12,
    ),
    members=st.sets(st.sampled_from(PARTIES)),
    others=st.sets(st.sampled_from(PARTIES)),
)
def test_a_smaller_coalition_sees_what_the_transcript_gives_it(
    sent: list[tuple[Party, bool, int, bool]],
    members: set[Party],
    others: set[Party],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    transcript = Transcript(public={"k": 1}, coins=dict.fromkeys(PARTIES, 5))
    for i, (server, asks, rows, clock) in enumerate(sent):
        transcript.append(
            Message(
                number=i,
                sender=CLIENT if asks else server,
                receiver=server if asks else CLIENT,
                kind="step",
                payload=number(i, size=i + 1),
                work={"rows": rows} if rows else {},
                sent=float(i) if clock else None,
                received=i + 0.5 if clock else None,
            )
        )
    path = tmp_path_factory.mktemp("views") / "v"
    pooled = Views.of([[transcript.view(members | others)]], path)
    own = pooled.seen_by(members)
    expected = transcript.view(members)
    assert own.messages(0) == expected.messages
    assert own.view(0).coins == expected.coins
    assert own.view(0).public == expected.public
    own.save(path.with_name("own"))
    assert Views.load(path.with_name("own")).messages(0) == expected.messages


def test_a_selection_of_messages_keeps_their_payloads(tmp_path: Path) -> None:
    views = Views.of([[view(number(1), number(2), number(3))]], tmp_path / "v")
    last = views.select(lambda messages: [(i, m) for i, m in enumerate(messages) if i == 2])
    assert last.messages(0) == views.messages(0)[2:]
    assert last.view(0).coins == views.view(0).coins
