"""Get the client's key, and open the one ciphertext that was never handed back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from ..defenses.codec import Array
from ..defenses.he_diffusion.seal_format import SealFormatError
from ..defenses.he_diffusion.tenseal_format import read_context, read_vector
from ..defenses.views import Views
from .candidate_latent import candidates_of
from .ckks_key_recovery import KeyNotRecovered, decrypt, recover_secret_key
from .ckks_ring import Ntt, centered
from .contract import Auxiliary, Guesses, Knowledge, Question, Scores

Key = npt.NDArray[np.int8]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OpenedCiphertext:
    """Which of the candidates is in the last ciphertext that the server computed?

    The key is read where the context holds it, and else solved for from decryptions that came
    back (Li and Micciancio, https://eprint.iacr.org/2020/1533). With the key the score is minus
    the largest distance to a candidate; without it all candidates score alike.
    """

    plays: ClassVar[frozenset[Question]] = frozenset({Question.WHICH_PLAINTEXT})
    needs: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.TARGET})
    reads: ClassVar[frozenset[str]] = frozenset({"context", "denoise", "update"})

    def attack(self, views: Views, aux: Auxiliary, rng: np.random.Generator) -> Guesses:
        """Score every candidate of every game."""
        candidates = candidates_of(aux)
        scores = np.zeros(candidates.shape[:2])
        for game, (row, own) in enumerate(zip(scores, candidates, strict=True)):
            row[:] = _distances(views, game, own)
        return Guesses(scores=scores)


def _distances(views: Views, game: int, candidates: Reals) -> Scores:
    answers = list(_answers(views, game))
    contexts = [block["context"].tobytes() for block in views.arrays(game, "context") if block]
    if not answers or not contexts:
        return np.zeros(len(candidates))
    context, (asked, told) = contexts[-1], answers[-1]
    try:
        key = key_of(context, list(handed_back(answers)))
        opened = decrypt(context, told["cipher_0"].tobytes(), key)
    except (KeyNotRecovered, SealFormatError):
        return np.zeros(len(candidates))
    width = min(candidates.shape[1], len(opened), len(asked["indices"]))
    return np.asarray(-np.abs(candidates[:, :width] - opened[:width]).max(axis=1))


def key_of(context: bytes, pairs: list[tuple[bytes, Reals]]) -> Key:
    """The secret key: from the context if it is there, else from ciphertexts and decryptions.

    Raises:
        KeyNotRecovered: Neither holds it.
        SealFormatError: Bytes are not what TenSEAL writes.
    """
    opened = read_context(context)
    if opened.secret_key is None:
        return recover_secret_key(context, [(sent, told.tolist()) for sent, told in pairs])
    ntt = Ntt.of(opened.parameters.degree, opened.parameters.primes[0])
    return centered(ntt.inverse(opened.secret_key[0]), ntt.prime).astype(np.int8)


def handed_back(
    answers: list[tuple[dict[str, Array], dict[str, Array]]],
) -> Iterator[tuple[bytes, Reals]]:
    """Ciphertexts that the server computed, and the numbers that the next request says they hold.

    Only whole latents in the clear count; see `protocol` for who sends them.
    """
    for (asked, told), (following, _) in itertools.pairwise(answers):
        if "latent" not in following:
            continue
        numbers = following["latent"].astype(np.float64).ravel()[asked["indices"]]
        start = 0
        for index in range(sum(name.startswith("cipher_") for name in told)):
            message = told[f"cipher_{index}"].tobytes()
            used = sum(size for size, _ in read_vector(message))
            yield message, numbers[start : start + used]
            start += used


def _answers(views: Views, game: int) -> Iterator[tuple[dict[str, Array], dict[str, Array]]]:
    """Request and answer of every step, in order."""
    for kind in ("denoise", "update"):
        blocks = views.arrays(game, kind)
        yield from zip(blocks[::2], blocks[1::2], strict=False)
