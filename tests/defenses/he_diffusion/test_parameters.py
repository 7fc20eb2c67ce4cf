"""The named CKKS parameter sets."""

from __future__ import annotations

import pytest
import tenseal as ts

from latentleak.defenses.he_diffusion.parameters import (
    LEAN,
    PARAMETERS,
    REPOSITORY,
    SMALL,
    CkksParameters,
    parameters_of,
)


def test_moduli_add_up() -> None:
    assert (REPOSITORY.total_bits, LEAN.total_bits, SMALL.total_bits) == (218, 160, 104)
    assert (REPOSITORY.slots, LEAN.slots, SMALL.slots) == (4096, 4096, 2048)
    assert (REPOSITORY.scale, LEAN.scale, SMALL.scale) == (2.0**26, 2.0**40, 2.0**28)


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=list(PARAMETERS))
def test_seal_accepts_each_set(parameters: CkksParameters) -> None:
    context = ts.context(
        ts.SCHEME_TYPE.CKKS,
        parameters.degree,
        coeff_mod_bit_sizes=list(parameters.modulus_bits),
        n_threads=1,
    )
    assert context.has_secret_key()


@pytest.mark.parametrize(("values", "count"), [(0, 0), (1, 1), (4096, 1), (4097, 2), (16384, 4)])
def test_ciphertexts(values: int, count: int) -> None:
    assert LEAN.ciphertexts(values) == count


def test_unknown_names_and_impossible_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="parameters='huge' must be one of repository, lean"):
        parameters_of("huge")
    with pytest.raises(ValueError, match="degree=5000 must be a power of two"):
        CkksParameters(name="odd", degree=5000, modulus_bits=(40, 30, 40), scale_bits=30)
    with pytest.raises(ValueError, match="at least 3 primes"):
        CkksParameters(name="short", degree=4096, modulus_bits=(40, 40), scale_bits=30)
