"""What executions cost is counted from their messages, also those that a tap dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentleak.defenses.plain import Plain
from latentleak.defenses.ppidm.variants import RingShares
from latentleak.defenses.protocol import execute
from latentleak.defenses.transcript import Transcript
from latentleak.defenses.wire import CLIENT, Message, Party
from latentleak.scenarios.costs import Tally, kept
from latentleak.targets.pipeline import Target

LEFT, RIGHT = Party("server/0"), Party("server/1")


def transcript(tap: frozenset[str] | None = None) -> Transcript:
    """One request to two servers at once, then one to the first."""
    found = Transcript(tap=tap)
    said = [
        (CLIENT, LEFT, 10, 0),
        (CLIENT, RIGHT, 20, 0),
        (LEFT, CLIENT, 300, 2),
        (RIGHT, CLIENT, 400, 3),
        (CLIENT, LEFT, 30, 5),
        (LEFT, CLIENT, 500, 7),
    ]
    for number, (sender, receiver, size, rows) in enumerate(said):
        found.append(
            Message(
                number=number,
                sender=sender,
                receiver=receiver,
                kind="step",
                payload=bytes(size),
                work={"calls": 1, "rows": rows},
            )
        )
    found.afterwards = {"calls": 1, "rows": 11}
    return found


@pytest.mark.parametrize("tap", [None, frozenset[str]()])
def test_every_message_counts_whatever_is_tapped(tap: frozenset[str] | None) -> None:
    tally = Tally()
    tally.add(transcript(tap))
    assert tally == Tally(
        executions=1, round_trips=2, messages=6, sent=60, received=1200, served=12, own=16
    )


def test_means_are_kept_for_an_arm_that_is_taken_up_again(tmp_path: Path) -> None:
    tally = Tally()
    assert kept(tmp_path) is None
    tally.add(transcript())
    tally.add(Transcript())
    tally.keep(tmp_path)
    assert kept(tmp_path) == tally.means()
    assert tally.means()["sent"] == 30
    assert "executions" not in tally.means()


def test_nothing_was_counted(tmp_path: Path) -> None:
    """Where real clocks ran, no work is known: no numbers at all, and not zeros."""
    Tally().keep(tmp_path)
    assert kept(tmp_path) == {}


def test_an_undefended_picture_is_asked_for_and_acknowledged(tiny: Target) -> None:
    """Two steps with guidance are four rows; the client computes none."""
    _, found = execute(Plain(steps=2), tiny, "cat", 1)
    tally = Tally()
    tally.add(found)
    found.close()
    assert (tally.round_trips, tally.messages) == (2, 4)
    assert (tally.served, tally.own) == (4, 0)
    assert tally.sent == sum(found.sizes[::2])
    assert tally.received == sum(found.sizes[1::2])


def test_rows_whose_layers_are_sent_out_are_the_clients(tiny: Target) -> None:
    """Every layer is a round trip to all servers, and none of them runs a row of its own."""
    tallies = []
    for defense in (Plain(steps=1), RingShares(steps=1, n=3)):
        _, found = execute(defense, tiny, "cat", 1)
        tallies.append(Tally())
        tallies[-1].add(found)
        found.close()
    plain, ring = tallies
    assert (ring.served, ring.own) == (0, plain.served)
    assert ring.messages == 6 * ring.round_trips
    assert ring.round_trips > 10 * plain.round_trips
