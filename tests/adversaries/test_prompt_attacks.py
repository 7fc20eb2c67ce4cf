"""Each attack on oblivious sets: where it must work, and where it must collapse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentleak.adversaries.contract import Adversary, Auxiliary, Shadow, play
from latentleak.adversaries.enumerated import Enumerated
from latentleak.adversaries.intersection import Intersection, agreeing
from latentleak.adversaries.nearest_neighbor import NearestNeighbor
from latentleak.adversaries.order import Order
from latentleak.adversaries.singled_out import WARM, SingledOut
from latentleak.adversaries.size import Size, bytes_of
from latentleak.audits.statistics import expected_wins
from latentleak.defenses.codec import Array, encode, encode_texts
from latentleak.defenses.transcript import View
from latentleak.defenses.views import Views
from latentleak.defenses.wire import CLIENT, Message, Party

SERVER = Party("server/0")
SET = tuple(
    f"{gender} judge: {tone} skin tone"
    for gender in ("woman", "man")
    for tone in ("light", "medium-light", "medium", "medium-dark", "dark")
)
GAMES = 40

Block = Mapping[str, Array]
Sent = tuple[str, Block]


def texts(prompts: Sequence[str]) -> Array:
    return encode_texts(prompts).numpy()


def request(prompts: Sequence[str], **arrays: Array) -> Sent:
    return "generate", {"prompts": texts(prompts), **arrays}


@dataclass(frozen=True, kw_only=True)
class Played:
    views: Views
    truth: np.ndarray
    shadow: Shadow

    def success(self, adversary: Adversary) -> float:
        aux = Auxiliary(candidates=(SET,) * GAMES, shadow=self.shadow)
        said = play(adversary, self.views, aux, np.random.default_rng(0))
        return float(expected_wins(said.scores, self.truth).mean())

    @property
    def swapped(self) -> Played:
        return replace(self, views=self.views.take(np.roll(np.arange(GAMES), 7)))


Client = Callable[[int, np.random.Generator], Sequence[Sequence[Sent]]]
"""Sessions of one game, each the messages that a client sends, by the real column."""


def played(client: Client, folder: Path) -> Played:
    rng = np.random.default_rng(0)

    def some(purpose: str) -> tuple[Views, np.ndarray]:
        truth = rng.integers(len(SET), size=GAMES)
        games = [[_view(sent) for sent in client(int(real), rng)] for real in truth]
        return Views.of(games, folder / purpose), truth

    views, truth = some("game")
    known, labels = some("shadow")
    return Played(
        views=views,
        truth=truth,
        shadow=Shadow(views=known, candidates=(SET,) * GAMES, labels=labels),
    )


def _view(sent: Sequence[Sent]) -> View:
    messages = tuple(
        Message(
            number=number,
            sender=CLIENT,
            receiver=SERVER,
            kind=kind,
            payload=encode({name: torch.from_numpy(array) for name, array in block.items()}),
        )
        for number, (kind, block) in enumerate(sent)
    )
    return View(coalition=frozenset({SERVER}), messages=messages, coins={}, public={})


def honest(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    noise = rng.standard_normal((1, 4, 2, 2)).astype(np.float32)
    even = np.full(len(SET), 0.1, np.float32)
    return [[request(SET, noise=noise, pivot=np.zeros(1, np.int64), lead=even)]]


def last(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    return [[request([*SET[real + 1 :], *SET[: real + 1]])]]


def third(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    others = [text for text in SET if text != SET[real]]
    return [[request([*others[:2], SET[real], *others[2:]])]]


def hole(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    return [[request([t for i, t in enumerate(SET) if i != (real + 1) % len(SET)])]]


def warmed(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    return [[(WARM, {"prompts": texts([SET[real]])}), request(SET)]]


def retried(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    return [[request(SET), request([SET[real]])]]


def led(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    return [[request(SET, lead=np.eye(len(SET), dtype=np.float32)[real])]]


def fetched(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    return [[request(SET), ("fetch", {"row": np.array([real])})]]


def padded(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    return [[request(SET), ("fetch", {"padding": np.zeros(64 * real, np.uint8)})]]


def seeded(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    noise = np.random.default_rng(real).standard_normal((1, 4, 2, 2)).astype(np.float32)
    return [[request(SET, noise=noise)]]


def subsets(real: int, rng: np.random.Generator) -> Sequence[Sequence[Sent]]:
    sessions = []
    for scene in ("judge", "judge in court", "old judge in court"):
        others = rng.permutation([i for i in range(len(SET)) if i != real])[:4]
        kept = sorted([real, *others.tolist()])
        sessions.append([request([SET[i].replace("judge", scene) for i in kept])])
    return sessions


@pytest.mark.parametrize(
    ("adversary", "client", "least"),
    [
        (Order(), last, 1.0),
        (Order(), third, 1.0),
        (Order(), hole, 1.0),
        (SingledOut(), warmed, 1.0),
        (SingledOut(), retried, 1.0),
        (SingledOut(), led, 1.0),
        (SingledOut(), fetched, 1.0),
        (Size(), padded, 0.9),
        (NearestNeighbor(), seeded, 0.95),
        (Intersection(), subsets, 0.5),
    ],
)
def test_it_works_on_the_mistake_that_it_is_about_and_collapses_without(
    adversary: Adversary, client: Client, least: float, tmp_path: Path
) -> None:
    broken = played(client, tmp_path)
    assert broken.success(adversary) >= least
    # A chance of 1/10 in 40 games: 0.45 or more with probability below 1e-6.
    assert broken.swapped.success(adversary) < 0.45
    (tmp_path / "honest").mkdir()
    assert played(honest, tmp_path / "honest").success(adversary) < 0.45


def test_one_session_tells_less_than_colluding_servers_share(tmp_path: Path) -> None:
    games = played(subsets, tmp_path)
    alone, pooled = (games.success(Intersection(sessions=s)) for s in (1, 0))
    assert alone == pytest.approx(1 / 5)
    assert pooled > 2 * alone
    with pytest.raises(ValueError, match="sessions=-1 must be >= 0"):
        Intersection(sessions=-1)


def test_a_follow_up_agrees_in_what_both_mention() -> None:
    kept = agreeing(["an old man judge in court: dark skin tone"], SET)
    assert [SET[i] for i in np.flatnonzero(kept)] == ["man judge: dark skin tone"]
    assert agreeing(["a man in court"], SET).sum() == 5
    assert agreeing(["a court"], SET).all()
    assert not agreeing([], SET).any()


@pytest.mark.parametrize(
    ("prompts", "place"),
    [
        (["a woman in a park", "a man in a park"], 0),
        (["a young woman in a park", "a young man in a park", "an old man in a park"], 1),
        (["a young woman with dark skin in a park", "an old man with light skin in a park"], 2),
    ],
)
def test_what_is_enumerated_says_what_is_mentioned(
    prompts: list[str], place: int, tmp_path: Path
) -> None:
    options = (
        "a woman in a park",
        "an old woman in a park",
        "an old woman with medium skin in a park",
    )
    views = Views.of([[_view([request(prompts)])]], tmp_path / "views")
    aux = Auxiliary(candidates=(options,))
    scores = Enumerated().attack(views, aux, np.random.default_rng(0)).scores
    assert scores.argmax() == place
    assert scores[0, place] == 0


def test_an_attack_that_was_not_trained_scores_what_was_sent_alike(tmp_path: Path) -> None:
    games = played(honest, tmp_path)
    aux: Any = Auxiliary(candidates=(SET,) * GAMES)
    for adversary in (Order(), Size(), NearestNeighbor()):
        scores = adversary.attack(games.views, aux, np.random.default_rng(0)).scores
        assert (scores == scores[:, :1]).all()
    assert (bytes_of(games.views) == bytes_of(games.views)[0]).all()
    with pytest.raises(ValueError, match="smoothing=0"):
        Order(smoothing=0)
