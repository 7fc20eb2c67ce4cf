"""The client's keys: the only thing that decrypts, and it never leaves the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tenseal as ts

from ..codec import ProtocolError
from .parameters import CkksParameters
from .proto import check_vector, refusing
from .seal import SeededEncryptor

Values = npt.NDArray[np.float64]


class Keys(Protocol):
    """A key pair, and what its owner does with it."""

    @property
    def context(self) -> Any:
        """TenSEAL context that holds the secret key."""
        ...

    def encrypt(self, values: Values) -> list[bytes]:
        """TenSEAL vectors of `values`, one for each ciphertext that they fill."""
        ...

    def decrypt(self, messages: Sequence[bytes], count: int) -> Values:
        """The `count` numbers that `messages` hold."""
        ...


class SystemKeys:
    """Keys and noise from the operating system, as SEAL draws them by itself."""

    def __init__(self, parameters: CkksParameters) -> None:
        self._parameters = parameters
        self._context = ts.context(
            ts.SCHEME_TYPE.CKKS,
            parameters.degree,
            coeff_mod_bit_sizes=list(parameters.modulus_bits),
            n_threads=1,
        )
        self._context.global_scale = parameters.scale

    @property
    def context(self) -> Any:
        """TenSEAL context that holds the secret key."""
        return self._context

    def encrypt(self, values: Values) -> list[bytes]:
        """TenSEAL vectors of `values`, one for each ciphertext that they fill."""
        return [
            ts.ckks_vector(self._context, part.tolist()).serialize()
            for part in chunks(values, self._parameters.slots)
        ]

    def decrypt(self, messages: Sequence[bytes], count: int) -> Values:
        """The `count` numbers that `messages` hold.

        Raises:
            ProtocolError: If they are not ciphertexts of that many numbers under these keys.
        """
        vectors = load_vectors(self._context, messages, count, self._parameters)
        with refusing("a ciphertext does not decrypt"):
            parts = [np.asarray(vector.decrypt()) for vector in vectors]
        return np.concatenate(parts) if parts else np.empty(0)


class SeededKeys(SystemKeys):
    """Keys and noise from a seed, so that an execution repeats byte for byte.

    Args:
        parameters: CKKS parameters.
        seed: Whoever knows it can decrypt.
    """

    def __init__(self, parameters: CkksParameters, seed: int) -> None:
        self._parameters = parameters
        self._encryptor = SeededEncryptor(parameters, seed)
        self._context = ts.context_from(self._encryptor.context(), n_threads=1)

    def encrypt(self, values: Values) -> list[bytes]:
        """TenSEAL vectors of `values`, one for each ciphertext that they fill."""
        return [self._encryptor.encrypt(part) for part in chunks(values, self._parameters.slots)]


def public_context(context: Any) -> bytes:
    """What a server needs to compute: parameters and public key, neither secret nor Galois keys.

    Serialized without the secret key rather than made public in place: TenSEAL's
    `make_context_public` drops its secret key but keeps the decryptor that holds a copy.
    """
    return bytes(
        context.serialize(save_secret_key=False, save_galois_keys=False, save_relin_keys=False)
    )


def chunks(values: Values, slots: int) -> list[Values]:
    """`values` in pieces of at most `slots`, in order."""
    return [values[start : start + slots] for start in range(0, len(values), slots)]


def load_vectors(
    context: Any, messages: Sequence[bytes], count: int, parameters: CkksParameters
) -> list[Any]:
    """Open the ciphertexts of `count` numbers under a context.

    Raises:
        ProtocolError: If a message is anything else.
    """
    if len(messages) != parameters.ciphertexts(count):
        raise ProtocolError(
            f"{count} numbers take {parameters.ciphertexts(count)} ciphertexts, not {len(messages)}"
        )
    vectors = []
    for index, message in enumerate(messages):
        size = min(parameters.slots, count - index * parameters.slots)
        check_vector(message, size=size, scale=parameters.scale)
        with refusing(f"ciphertext {index} does not open"):
            vectors.append(ts.ckks_vector_from(context, message))
    return vectors
