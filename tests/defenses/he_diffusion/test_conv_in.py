"""The first convolution on ciphertexts, and the packing that makes it sums of products."""

from __future__ import annotations

import numpy as np
import pytest
import tenseal as ts
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentleak.defenses.he_diffusion.conv_in import (
    Convolution,
    Layout,
    RemoteConvolution,
    convolve,
    with_conv_in,
)
from latentleak.defenses.he_diffusion.keys import SystemKeys, load_vectors, public_context
from latentleak.defenses.he_diffusion.parameters import LEAN, SMALL, CkksParameters
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target


def layer(channels: int, outputs: int, **options: int) -> Convolution:
    torch.manual_seed(0)
    return Convolution(module=torch.nn.Conv2d(channels, outputs, 3, **options))


def exact(convolution: Convolution, latent: np.ndarray) -> np.ndarray:
    module = convolution.module.double()
    with torch.no_grad():
        return module(torch.from_numpy(latent)).numpy()


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(3, 18), st.integers(3, 18)),
    outputs=st.integers(1, 9),
    padding=st.integers(0, 2),
    stride=st.integers(1, 2),
    degree=st.sampled_from([1024, 4096]),
)
def test_packing_is_exact_on_plaintext(
    shape: tuple[int, ...], outputs: int, padding: int, stride: int, degree: int
) -> None:
    """The server's sums, on the packed vectors in the clear, are the convolution."""
    convolution = layer(shape[1], outputs, padding=padding, stride=stride)
    latent = np.random.default_rng(0).standard_normal(shape)
    shifts, weights = convolution.shifts(latent), convolution.weights()
    tight = CkksParameters(name="tight", degree=degree, modulus_bits=(9, 9, 9), scale_bits=8)
    layout = Layout.of(tight, shifts.shape[1], len(shifts), outputs)
    vectors = layout.pack_shifts(shifts)
    sums = [
        (vectors[block :: layout.blocks] * multipliers).sum(axis=0)
        for multipliers in layout.pack_weights(weights)
        for block in range(layout.blocks)
    ]
    assert vectors.shape == (layout.up, layout.size)
    assert len(sums) == layout.down
    assert layout.size <= tight.slots
    outputs_ = layout.unpack_outputs(np.stack(sums), shifts.shape[1])
    np.testing.assert_allclose(outputs_, weights @ shifts, atol=1e-12)
    unpacked = layout.unpack_outputs(layout.pack_outputs(outputs_), shifts.shape[1])
    np.testing.assert_array_equal(unpacked, outputs_)
    bias = convolution.module.bias.detach().double().numpy()
    image = convolution.image(outputs_ + bias[:, None], latent)
    np.testing.assert_allclose(image, exact(convolution, latent), atol=1e-10)
    assert image.shape[2:] == convolution.size(latent)


@pytest.mark.parametrize(
    ("parameters", "shape", "outputs", "bound"),
    [
        (LEAN, (2, 4, 8, 8), 16, 2e-6),
        (SMALL, (1, 4, 4, 4), 16, 4e-3),
        (SMALL, (1, 1, 64, 64), 2, 4e-3),
    ],
)
@pytest.mark.parametrize("share", [0.7, 1.0])
def test_encrypted_part_and_plaintext_rest_add_up(
    parameters: CkksParameters, shape: tuple[int, ...], outputs: int, bound: float, share: float
) -> None:
    rng = np.random.default_rng(1)
    latent = rng.standard_normal(shape)
    mask = rng.random(shape) < share
    convolution = layer(shape[1], outputs, padding=1)
    layout = convolution.layout(parameters, latent)
    keys = SystemKeys(parameters)
    public = ts.context_from(public_context(keys.context), n_threads=1)
    vectors = [
        load_vectors(public, keys.encrypt(values), layout.size, parameters)[0]
        for values in layout.pack_shifts(convolution.shifts(latent * mask))
    ]
    features = convolve(vectors, latent * ~mask, convolution, parameters)
    assert (len(vectors), len(features)) == (layout.up, layout.down)
    slots = [keys.decrypt([bytes(v.serialize())], layout.size) for v in features]
    outputs_ = layout.unpack_outputs(np.stack(slots), latent[:, 0].size)
    image = convolution.image(outputs_, latent)
    assert abs(image - exact(convolution, latent)).max() < bound


def test_layouts_of_real_layers() -> None:
    """The embedded model's layer, and Stable Diffusion's."""
    embedded = Layout.of(LEAN, 64, 144, 128)
    assert (embedded.inner, embedded.outer, embedded.up, embedded.down) == (16, 4, 9, 32)
    stable = Layout.of(LEAN, 4096, 36, 320)
    assert (stable.inner, stable.outer, stable.up, stable.down) == (1, 1, 36, 320)


def test_only_the_first_layer_is_replaced_and_only_in_the_twin(tiny: Target) -> None:
    unet = sampling.open_denoiser(tiny).unet
    own = unet.conv_in
    asked = []

    def ask(latent: np.ndarray) -> np.ndarray:
        asked.append(latent)
        with torch.no_grad():
            return own(torch.from_numpy(latent).float()).double().numpy()

    twin = with_conv_in(unet, RemoteConvolution(ask, rows=2))
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0)).repeat(2, 1, 1, 1)
    text = torch.randn(4, 77, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        remote = twin(latents, 7, encoder_hidden_states=text).sample
        local = unet(latents, 7, encoder_hidden_states=text).sample
    torch.testing.assert_close(remote, local)
    assert len(asked) == 1
    assert asked[0].shape == (2, 4, 4, 4)
    assert unet.conv_in is own
    assert twin.conv_out is unet.conv_out
