"""The only way out of a client: bytes, recorded in order, checked on both sides."""

from collections.abc import Mapping

import pytest
import torch

from latentleak.defenses.codec import ProtocolError, decode, encode
from latentleak.defenses.wire import (
    CLIENT,
    MAX_KIND,
    Message,
    Party,
    Reply,
    Wire,
    check_kind,
    check_size,
)
from latentleak.targets.work import Work, count, meter

A, B = Party("server/0"), Party("server/1")


class Doubling:
    """A link whose servers double `x`; `stamped` plays real clocks."""

    def __init__(self, *, stamped: bool = False) -> None:
        self.stamped = stamped
        self.requests: list[dict[Party, tuple[str, bytes]]] = []

    def request(self, requests: Mapping[Party, tuple[str, bytes]]) -> Mapping[Party, Reply]:
        self.requests.append(dict(requests))
        replies = {}
        for party, (_, payload) in reversed(requests.items()):
            answer = encode({"x": 2 * decode(payload)["x"]})
            stamps = {"sent": 1.0, "received": 2.0} if self.stamped else {}
            work = {} if self.stamped else {"calls": 1, "rows": 3}
            replies[party] = Reply(payload=answer, work=work, **stamps)
        return replies


class Lost:
    def request(self, requests: Mapping[Party, tuple[str, bytes]]) -> Mapping[Party, Reply]:
        raise ProtocolError("the connection is lost")


class Answers:
    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def request(self, requests: Mapping[Party, tuple[str, bytes]]) -> Mapping[Party, Reply]:
        return {party: Reply(payload=self.payload) for party in requests}


def test_call_sends_records_and_decodes() -> None:
    seen: list[Message] = []
    x = torch.arange(3.0)
    answer = Wire(Doubling(), seen.append).call(A, "step", {"x": x})
    assert torch.equal(answer["x"], 2 * x)
    assert [(m.number, m.sender, m.receiver, m.kind) for m in seen] == [
        (0, CLIENT, A, "step"),
        (1, A, CLIENT, "step"),
    ]
    assert seen[0].payload == encode({"x": x})
    assert seen[1].payload == encode({"x": 2 * x})
    answer["x"].zero_()
    assert torch.equal(decode(seen[1].payload)["x"], 2 * x)
    assert torch.equal(x, torch.arange(3.0))


def test_scatter_is_one_request_and_keeps_the_order_of_the_call() -> None:
    seen: list[Message] = []
    link = Doubling()
    answers = Wire(link, seen.append).scatter(
        "step", {B: {"x": torch.ones(1)}, A: {"x": torch.zeros(1)}}
    )
    assert len(link.requests) == 1
    assert list(answers) == [B, A]
    assert [(m.sender, m.receiver) for m in seen] == [
        (CLIENT, B),
        (CLIENT, A),
        (B, CLIENT),
        (A, CLIENT),
    ]
    assert [m.number for m in seen] == [0, 1, 2, 3]


def test_work_is_counted_once_and_attributed_to_who_did_it() -> None:
    seen: list[Message] = []
    with meter() as work:
        wire = Wire(Doubling(), seen.append, work)
        count(rows=5)
        wire.scatter("step", {A: {"x": torch.ones(1)}, B: {"x": torch.ones(1)}})
        wire.call(A, "step", {"x": torch.ones(1)})
    assert [dict(m.work) for m in seen if m.sender == CLIENT] == [
        {"calls": 1, "rows": 5},
        {"calls": 0, "rows": 0},
        {"calls": 0, "rows": 0},
    ]
    assert all(m.work == {"calls": 1, "rows": 3} for m in seen if m.sender != CLIENT)


def test_stamps_replace_work_where_clocks_are_real() -> None:
    seen: list[Message] = []
    Wire(Doubling(stamped=True), seen.append, Work(calls=4, rows=4)).call(
        A, "step", {"x": torch.ones(1)}
    )
    assert [(m.sent, m.received, dict(m.work)) for m in seen] == [(1.0, None, {}), (None, 2.0, {})]


def test_what_was_sent_is_recorded_even_if_nothing_comes_back() -> None:
    seen: list[Message] = []
    with pytest.raises(ProtocolError, match="lost"):
        Wire(Lost(), seen.append).call(A, "step", {"x": torch.ones(1)})
    assert [(m.sender, m.receiver) for m in seen] == [(CLIENT, A)]


@pytest.mark.parametrize("payload", [b"", b"not safetensors", encode({"x": torch.ones(1)}) + b" "])
def test_an_answer_that_is_no_payload_is_a_protocol_error(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        Wire(Answers(payload), lambda message: None).call(A, "step", {"x": torch.ones(1)})


@pytest.mark.parametrize("kind", ["", "a b", "é", "a/b", "a\n", "1a", "x" * (MAX_KIND + 1)])
def test_kinds_are_plain_words(kind: str) -> None:
    with pytest.raises(ProtocolError, match="ASCII word"):
        Wire(Doubling(), lambda message: None).call(A, kind, {})
    with pytest.raises(ProtocolError, match="kind="):
        check_kind(kind)


@pytest.mark.parametrize("kind", ["a", "cloud-steps", "step_2", "x" * MAX_KIND])
def test_kinds_that_are_allowed(kind: str) -> None:
    check_kind(kind)


def test_payloads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("latentleak.defenses.wire.MAX_PAYLOAD", 100)
    check_size(b"x" * 100, "step")
    with pytest.raises(ProtocolError, match="at most 100"):
        check_size(b"x" * 101, "step")
    link = Doubling()
    with pytest.raises(ProtocolError, match="'step' has"):
        Wire(link, lambda message: None).call(A, "step", {"x": torch.ones(100)})
    assert not link.requests


def test_meters_nest_without_leaking() -> None:
    with meter() as outer:
        count(rows=1)
        with meter() as inner:
            count(rows=7)
        count(rows=2)
    count(rows=100)
    assert (outer.calls, outer.rows) == (2, 3)
    assert inner.take() == {"calls": 1, "rows": 7}
    assert inner.take() == {"calls": 0, "rows": 0}
