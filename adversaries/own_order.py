"""Ask an attack about games in an order of their own: what it says follows the views.

Games are sorted by a digest of all that is known of them. An attack that is handed the same games
in another order, as the swapped-view control does, would be asked the same question: it is asked
once, and its guesses follow the views.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..defenses.views import Views
from .contract import Auxiliary, Guesses
from .digested import Digested

Attack = Callable[[Views, Auxiliary, np.random.Generator], Guesses]


Asked = tuple[Views, Auxiliary, int]
"""Games in their own order, what is known beyond them, and a seed."""


def in_own_order(attack: Attack, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
    """What an attack says, whatever the order of games.

    Args:
        attack: A method of a frozen adversary that reads views, candidates and weights.
        views: n games.
        aux: Granted facts.
        rng: Of the attack; its first draw seeds the one that the attack is handed.
    """
    each = [_digest(views, game, aux) for game in range(len(views))]
    order = sorted(range(len(views)), key=lambda game: each[game])
    seed = int(rng.integers(2**62))
    asked = Digested(
        value=(views.take(order), _ordered(aux, order), seed),
        digest=json.dumps([seed, [each[game] for game in order]]),
    )
    said, back = _answer(attack, asked), np.argsort(order)
    images = None if said.images is None else said.images[back]
    texts = None if said.texts is None else tuple(said.texts[place] for place in back)
    return replace(said, scores=said.scores[back], images=images, texts=texts)


@lru_cache(maxsize=1)
def _answer(attack: Attack, asked: Digested[Asked]) -> Guesses:
    views, aux, seed = asked.value
    return attack(views, aux, np.random.default_rng(seed))


def _ordered(aux: Auxiliary, order: Sequence[int]) -> Auxiliary:
    if aux.candidates is None:
        return aux
    return replace(aux, candidates=tuple(aux.candidates[game] for game in order))


def _digest(views: Views, game: int, aux: Auxiliary) -> str:
    candidates = None if aux.candidates is None else aux.candidates[game]
    found = hashlib.sha256(json.dumps([candidates, aux.weights], sort_keys=True).encode())
    for session in range(views.sessions(game)):
        own = views.view(game, session)
        found.update(json.dumps([own.public, own.coins], sort_keys=True).encode())
        for message in views.messages(game, session):
            head = [message.number, message.sender, message.receiver, message.kind]
            found.update(json.dumps(head).encode() + message.payload)
    return found.hexdigest()
