"""CKKS parameter sets by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CkksParameters:
    """What fixes a CKKS instance in SEAL.

    Attributes:
        name: How configurations name it.
        degree: N, the polynomial modulus degree; a ciphertext holds N / 2 real numbers.
        modulus_bits: Sizes of the primes [bits], the special prime of key switching last.
        scale_bits: log2 of the scale at which numbers are encoded.
    """

    name: str
    degree: int
    modulus_bits: tuple[int, ...]
    scale_bits: int

    def __post_init__(self) -> None:
        if self.degree < 1024 or self.degree & (self.degree - 1):
            raise ValueError(f"degree={self.degree} must be a power of two >= 1024")
        if len(self.modulus_bits) < 3:
            raise ValueError(
                f"modulus_bits={self.modulus_bits} must name at least 3 primes: one to decrypt "
                "with, one for the multiplication, and the special prime"
            )

    @property
    def slots(self) -> int:
        """Real numbers in one ciphertext."""
        return self.degree // 2

    @property
    def total_bits(self) -> int:
        """Nominal size of the whole modulus, the special prime too: what security tables bound."""
        return sum(self.modulus_bits)

    @property
    def scale(self) -> float:
        """Factor between a number and its encoding."""
        return float(2**self.scale_bits)

    def ciphertexts(self, values: int) -> int:
        """How many ciphertexts hold `values` numbers."""
        return -(-values // self.slots)


REPOSITORY = CkksParameters(
    name="repository", degree=8192, modulus_bits=(31, 26, 26, 26, 26, 26, 26, 31), scale_bits=26
)
"""As the released sampler sets them: six primes for a circuit that multiplies once."""

LEAN = CkksParameters(name="lean", degree=8192, modulus_bits=(60, 40, 60), scale_bits=40)
"""One prime for one multiplication: smaller ciphertexts and a thousand times the precision."""

SMALL = CkksParameters(name="small", degree=4096, modulus_bits=(38, 28, 38), scale_bits=28)
"""At N = 4096: 104 bits, of the 106 that the 2024 security guidelines allow for 128."""

PARAMETERS = {chosen.name: chosen for chosen in (REPOSITORY, LEAN, SMALL)}


def parameters_of(name: str) -> CkksParameters:
    """The set of that name.

    Raises:
        ValueError: If there is none.
    """
    if name not in PARAMETERS:
        raise ValueError(f"parameters={name!r} must be one of {', '.join(PARAMETERS)}")
    return PARAMETERS[name]
