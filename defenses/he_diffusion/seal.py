"""SEAL with randomness from a seed.

SEAL draws from the operating system, and TenSEAL has no way to change that. `tenseal.sealapi`
has: its encryption parameters take a generator factory with a seed. Such a factory starts *every*
draw at that seed, so each key and each encryption here gets a context and a seed of its own; two
encryptions under one would differ by the difference of their plaintexts.

Objects of `sealapi` leave it through files, so the secret key lies for a moment in a folder that
only its owner can read. This is for experiments that must repeat; deployments use the operating
system's randomness (`keys.SystemKeys`), which needs no files.
"""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tenseal import sealapi

from ..seeds import stream
from .parameters import CkksParameters
from .proto import context_bytes, vector_bytes

_SEED_WORDS = 8
"""SEAL's generators take a seed of 512 bits."""


@lru_cache(maxsize=8)
def parameter_bytes(parameters: CkksParameters) -> bytes:
    """SEAL's serialized encryption parameters: what opens every context under them."""
    return _saved(_parameters(parameters))


class SeededEncryptor:
    """Keys and ciphertexts that depend on a seed alone.

    Args:
        parameters: CKKS parameters.
        seed: Whoever knows it can decrypt.
    """

    def __init__(self, parameters: CkksParameters, seed: int) -> None:
        self._parameters = parameters
        self._seed = seed
        self._count = 0
        own = self._context("secret key")
        self._secret_key = sealapi.KeyGenerator(own).secret_key()
        other = self._context("public key")
        self._public_key = sealapi.PublicKey()
        sealapi.KeyGenerator(other, self._secret_key).create_public_key(self._public_key)
        self._encoder = sealapi.CKKSEncoder(own)

    def context(self) -> bytes:
        """A TenSEAL context with both keys."""
        return context_bytes(
            parameters=parameter_bytes(self._parameters),
            public_key=_saved(self._public_key),
            secret_key=_saved(self._secret_key),
            scale=self._parameters.scale,
        )

    def encrypt(self, values: npt.NDArray[np.float64]) -> bytes:
        """A TenSEAL vector of at most as many numbers as there are slots.

        As TenSEAL does, the numbers are repeated to fill all slots.
        """
        parameters, plain, ciphertext = self._parameters, sealapi.Plaintext(), sealapi.Ciphertext()
        filled = np.resize(values, parameters.slots).tolist()
        self._encoder.encode(filled, parameters.scale, plain)
        context = self._context("encryption", self._count)
        self._count += 1
        sealapi.Encryptor(context, self._public_key).encrypt(plain, ciphertext)
        return vector_bytes(size=len(values), ciphertext=_saved(ciphertext), scale=parameters.scale)

    def _context(self, *names: str | int) -> Any:
        words = stream(self._seed, *names).integers(0, 2**64, _SEED_WORDS, dtype=np.uint64)
        seeded = _parameters(self._parameters)
        seeded.set_random_generator(sealapi.Blake2xbPRNGFactory(words.tolist()))
        return sealapi.SEALContext(seeded, True, sealapi.SEC_LEVEL_TYPE.TC128)


def _parameters(parameters: CkksParameters) -> Any:
    made = sealapi.EncryptionParameters(sealapi.SCHEME_TYPE.CKKS)
    made.set_poly_modulus_degree(parameters.degree)
    made.set_coeff_modulus(_primes(parameters))
    return made


@lru_cache(maxsize=8)
def _primes(parameters: CkksParameters) -> Any:
    return sealapi.CoeffModulus.Create(parameters.degree, list(parameters.modulus_bits))


def _saved(thing: Any) -> bytes:
    with tempfile.TemporaryDirectory(prefix="latentleak-") as folder:
        path = Path(folder) / "seal"
        thing.save(str(path))
        return path.read_bytes()
