"""Sizes are those of real ciphertexts; times are times."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import tenseal as ts

from latentleak.audits import report
from latentleak.audits.he.costs import (
    ciphertext_bytes,
    measures_of,
    milliseconds,
    plaintext_bytes,
)
from latentleak.audits.he.flooding import flooding_bits


@pytest.mark.parametrize(("degree", "bits"), [(4096, [38, 28, 38]), (8192, [60, 40, 60])])
def test_a_ciphertext_on_the_wire_is_as_large_as_its_residues_need(
    degree: int, bits: list[int]
) -> None:
    """Residues of b bits in words of 64 compress to about b / 64, never below; a small header."""
    context = ts.context(ts.SCHEME_TYPE.CKKS, degree, coeff_mod_bit_sizes=bits)
    context.global_scale = 2.0 ** bits[1]
    size = len(ts.ckks_vector(context, [1.0] * (degree // 2)).serialize())
    entropy = 2 * degree * sum(bits[:-1]) / 8
    assert entropy < size < ciphertext_bytes(degree, len(bits)) + 1000
    assert ciphertext_bytes(degree, len(bits)) == 2 * plaintext_bytes(degree, len(bits))


def test_measures_are_what_findings_may_hold() -> None:
    """And all of them are costs, which reports show apart."""
    schema = json.loads((Path(report.__file__).parent / "finding.schema.json").read_text())
    rule = jsonschema.Draft202012Validator({"$ref": "#/$defs/measure", "$defs": schema["$defs"]})
    for measure in measures_of({"degree": 8192, "modulus_bits": [60, 40, 60]}, 25):
        rule.validate(measure)
        assert measure["cost"] is True


def test_measures_name_sizes_and_the_price_of_flooding() -> None:
    found = {m["name"]: m for m in measures_of({"degree": 8192, "modulus_bits": [60, 40, 60]}, 25)}
    assert found["ciphertext, not compressed"]["estimate"] == pytest.approx(262.144)
    assert found["full ciphertext over its numbers in float32"]["estimate"] == pytest.approx(16)
    lost = found["precision lost if every hand-back were flooded"]
    assert lost["estimate"] == flooding_bits(25, 40)


def test_times_are_positive_and_bad_parameters_are_named() -> None:
    times = milliseconds(4096, [38, 28, 38], repeats=1)
    assert set(times) > {"multiplication by a plaintext", "decryption"}
    assert min(times.values()) > 0
    with pytest.raises(ValueError, match="poly_modulus_degree=4096, coeff_mod_bits="):
        milliseconds(4096, [60, 60, 60])
