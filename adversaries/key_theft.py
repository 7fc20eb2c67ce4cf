"""Steal the secret key from decryptions that are handed back, and open the picture with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, pairwise, takewhile
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.he_diffusion.keys import chunks
from ..defenses.he_diffusion.selection import Latent
from ..defenses.he_diffusion.sparse import merge
from ..defenses.he_diffusion.tenseal_format import read_context
from ..defenses.views import Views
from ..defenses.wire import CLIENT
from .ckks_key_recovery import KeyNotRecovered, Pairs, Reason, decrypt, recover_secret_key
from .ckks_ring import Ntt, centered
from .contract import Auxiliary, Guesses, Knowledge, Question
from .he_views import Model, Step, steps_of


@dataclass(frozen=True, kw_only=True)
class StolenKey:
    """Recover the client's secret key from the transcript, and decrypt the finished latent.

    The server evaluated [z_s'] and is then handed z' in the clear, for the next U-Net call: exact
    decryptions of ciphertexts that it knows. Two give the key (`ckks_key_recovery`); with it the
    ciphertexts of the last answer open, which nobody handed back. A key that lies in the context
    as it was sent is simply used.

    It fails, and answers with the prior picture, if nothing is handed back, if too few slots of
    each ciphertext are, if noise is added to them, or if every step has a key of its own. Notes
    say in how many games each of these happened.

    No U-Net calls; the model's autoencoder alone is used.

    References:
        Li, Micciancio, On the security of homomorphic encryption on approximate numbers
        (EUROCRYPT 2021), https://eprint.iacr.org/2020/1533.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHAT_WAS_DRAWN})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.WEIGHTS})
    reads: ClassVar[frozenset[str]] = frozenset({"context", "denoise", "update"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Draw the picture of every game."""
        model = Model.open(aux, views)
        pictures, failures = model.prior(len(views)), Counter[str]()
        recovered = 0
        for game in range(len(views)):
            try:
                final = stolen_latent(views, game)
            except KeyNotRecovered as error:
                failures[error.reason.value] += 1
                continue
            pictures[game] = model.pictures(final[:1])[0]
            recovered += 1
        notes = {"keys recovered": recovered, "not recovered": dict(failures)}
        return Guesses(scores=np.zeros((len(views), 0)), images=pictures, notes=notes)


def stolen_latent(views: Views, game: int) -> Latent:
    """The finished latent of one execution, shape (samples, channels, height, width).

    Raises:
        KeyNotRecovered: If the transcript does not give away the key of the last step.
    """
    steps = steps_of(views, game)
    contexts = [c["context"].tobytes() for c in views.arrays(game, "context", sender=CLIENT)]
    if not steps or not contexts:
        raise KeyNotRecovered(Reason.TOO_FEW_PAIRS, "there is no ciphertext to open")
    context, last = contexts[-1], steps[-1]
    key = _sent_key(context)
    if key is None:
        fresh = len(contexts) > 1
        key = recover_secret_key(context, handed_back(steps[-1:] if fresh else steps, context))
    opened = [decrypt(context, message, key) for message in _ciphertexts(last.told)]
    return merge(last.updated, last.asked["indices"], np.concatenate(opened))


def handed_back(steps: Sequence[Step], context: bytes) -> Pairs:
    """Ciphertexts that the server evaluated, with the decrypted numbers it got next."""
    slots = read_context(context).parameters.degree // 2
    pairs: list[tuple[bytes, list[float]]] = []
    for step, later in pairwise(steps):
        if "latent" not in later.asked:
            continue
        numbers = np.asarray(later.asked["latent"], np.float64).ravel()[step.asked["indices"]]
        parts = (part.tolist() for part in chunks(numbers, slots))
        pairs += zip(_ciphertexts(step.told), parts, strict=False)
    return pairs


def _ciphertexts(tensors: Mapping[str, Array]) -> list[bytes]:
    names = takewhile(tensors.__contains__, (f"cipher_{i}" for i in count()))
    return [tensors[name].tobytes() for name in names]


def _sent_key(context: bytes) -> npt.NDArray[np.int8] | None:
    """The secret key, if the client put it into the context."""
    opened = read_context(context)
    if opened.secret_key is None:
        return None
    prime = opened.parameters.primes[0]
    ntt = Ntt.of(opened.parameters.degree, prime)
    return centered(ntt.inverse(opened.secret_key[0]), prime).astype(np.int8)
