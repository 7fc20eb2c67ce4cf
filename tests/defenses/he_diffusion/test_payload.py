"""What a message may hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from latentleak.defenses.codec import ProtocolError
from latentleak.defenses.he_diffusion import payload
from latentleak.defenses.he_diffusion.sparse import Sealed
from latentleak.targets.sampling import Conditioning

LIKE = Conditioning(text=torch.zeros(2, 7, 3), empty=torch.zeros(2, 7, 3))


@given(content=st.binary(min_size=1, max_size=100))
def test_bytes_round_trip(content: bytes) -> None:
    assert payload.unpack_bytes({"x": payload.pack_bytes(content)}, "x") == content


@pytest.mark.parametrize(
    "tensor", [torch.zeros(3), torch.zeros(2, 2, dtype=torch.uint8), torch.tensor(1)]
)
def test_what_holds_no_bytes_is_refused(tensor: Tensor) -> None:
    with pytest.raises(ProtocolError, match="x must be a 1-D uint8 tensor"):
        payload.unpack_bytes({"x": tensor}, "x")
    with pytest.raises(ProtocolError, match="tensor 'y' is missing"):
        payload.unpack_bytes({"x": tensor}, "y")


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_latents_keep_their_precision(precision: str) -> None:
    latent = np.random.default_rng(0).standard_normal((1, 2, 3, 3))
    packed = payload.pack_latent(latent, precision)
    assert packed.dtype == getattr(torch, precision)
    unpacked = payload.unpack_latent({"z": packed}, "z", latent.shape)
    assert (unpacked == latent.astype(precision)).all()


@pytest.mark.parametrize(
    ("latent", "problem"),
    [
        (torch.zeros(1, 2), "of shape"),
        (torch.zeros(2, 2, dtype=torch.int64), "floating-point"),
        (torch.full((2, 2), torch.nan), "finite"),
        (torch.tensor([[0, 1], [torch.inf, 0]]), "finite"),
    ],
)
def test_odd_latents_are_refused(latent: Tensor, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem):
        payload.unpack_latent({"z": latent}, "z", (2, 2))


@pytest.mark.parametrize("indices", [[-1, 2], [3, 2], [2, 2], [0, 9]])
def test_odd_indices_are_refused(indices: list[int]) -> None:
    packed = {"indices": torch.tensor(indices, dtype=torch.int32)}
    with pytest.raises(ProtocolError, match="indices must ascend from >= 0 to < 9"):
        payload.unpack_indices(packed, 9)
    with pytest.raises(ProtocolError, match="1-D int32"):
        payload.unpack_indices({"indices": packed["indices"].long()}, 9)


@pytest.mark.parametrize("step", [torch.tensor([1]), torch.tensor(1.0), torch.tensor(1).int()])
def test_odd_steps_are_refused(step: Tensor) -> None:
    with pytest.raises(ProtocolError, match="step must be one int64"):
        payload.unpack_step({"step": step})


def test_a_sealed_latent_has_a_name_for_each_part() -> None:
    sealed = Sealed(
        rest=np.zeros((1, 1, 2, 2)), indices=np.array([1, 3], np.int32), messages=(b"a", b"b")
    )
    packed = payload.pack_sealed(sealed, "float64")
    assert set(packed) == {"rest", "indices", "cipher_0", "cipher_1"}
    assert payload.unpack_messages(packed, "cipher", 2) == [b"a", b"b"]
    with pytest.raises(ProtocolError, match="missing or unknown tensors: indices"):
        payload.expect_names("step", packed, {"rest", "cipher_0", "cipher_1"})


def test_conditioning_round_trips_with_what_sdxl_adds() -> None:
    given_ = replace(
        LIKE, added={"time_ids": torch.ones(2, 6)}, added_empty={"time_ids": torch.zeros(2, 6)}
    )
    back = payload.unpack_conditioning(payload.pack_conditioning(given_), given_)
    assert torch.equal(back.added["time_ids"], torch.ones(2, 6))
    assert torch.equal(back.added_empty["time_ids"], torch.zeros(2, 6))


@pytest.mark.parametrize(
    "change",
    [
        {"text": torch.zeros(1, 7, 3)},
        {"text": torch.zeros(2, 7, 4)},
        {"empty": torch.zeros(2, 7, 3, dtype=torch.float64)},
        {"empty": torch.full((2, 7, 3), torch.nan)},
        {"more": torch.zeros(2)},
    ],
)
def test_odd_conditioning_is_refused(change: dict[str, Tensor]) -> None:
    packed = {**payload.pack_conditioning(LIKE), **change}
    with pytest.raises(ProtocolError, match=r"text must|empty must|unknown tensors: more"):
        payload.unpack_conditioning(packed, LIKE)
