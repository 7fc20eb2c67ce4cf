"""What an attack says follows the views, and it is asked once about the same games."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
import pytest

from latentleak.adversaries.contract import Auxiliary, Guesses
from latentleak.adversaries.own_order import in_own_order
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.views import Views
from latentleak.targets.pipeline import Target


def last_bytes(views: Views) -> list[int]:
    kept = ([m.payload for m in views.messages(game) if m.payload] for game in range(len(views)))
    return [payloads[-1][-1] for payloads in kept]


@dataclass(frozen=True)
class Counting:
    """Says of every game the last byte of what was kept, and a number of its own."""

    asked: list[int] = field(default_factory=list, compare=False)

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        self.asked.append(len(views))
        last = last_bytes(views)
        scores = np.stack([last, rng.standard_normal(len(views))], axis=1).astype(np.float64)
        images = np.array(last, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(3, axis=3)
        return Guesses(scores=scores, images=images)


@pytest.fixture
def played(tiny: Target, play_shares):
    return play_shares(Ppidm(steps=2, n=2), tiny, 3, (1,))


def test_guesses_follow_the_views_and_are_made_once(played) -> None:
    adversary, order = Counting(), [2, 0, 1]
    attack = adversary.attack
    first = in_own_order(attack, played.views, played.aux, np.random.default_rng(0))
    again = in_own_order(attack, played.views.take(order), played.aux, np.random.default_rng(0))
    assert adversary.asked == [3]
    assert np.array_equal(again.scores, first.scores[order])
    assert first.images is not None
    assert again.images is not None
    assert np.array_equal(again.images, first.images[order])
    assert first.scores[:, 0].tolist() == last_bytes(played.views)


def test_other_facts_seeds_and_views_are_asked_again(played) -> None:
    adversary = Counting()
    attack, rng = adversary.attack, np.random.default_rng
    in_own_order(attack, played.views, played.aux, rng(0))
    in_own_order(attack, played.views, played.aux, rng(1))
    others = tuple(("another", *row[1:]) for row in played.aux.candidates)
    in_own_order(attack, played.views, dataclasses.replace(played.aux, candidates=others), rng(1))
    in_own_order(attack, played.views.take([0, 0]), Auxiliary(), rng(1))
    assert adversary.asked == [3, 3, 3, 2]


def test_candidates_go_with_their_game(played) -> None:
    def attack(views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        return Guesses(scores=np.array([[float(row[0])] for row in aux.candidates or ()]))

    numbered = dataclasses.replace(played.aux, candidates=(("1",), ("2",), ("3",)))
    said = in_own_order(attack, played.views, numbered, np.random.default_rng(0))
    assert said.scores[:, 0].tolist() == [1, 2, 3]
