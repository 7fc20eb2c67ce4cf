"""The accelerated twin against the U-Net it was made of, and against definitions written out."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor

from latentleak.defenses.obclip.accelerated import AcceleratedUNet
from latentleak.defenses.obclip.acceleration import Acceleration

ROWS = 3
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def inputs(unet: Any, step: int = 0, *, rows: int = ROWS, equal: bool = False) -> dict[str, Any]:
    """Both branches of guidance for N rows; the empty branch has one text, as it always does."""
    coins = torch.Generator().manual_seed(step)
    width, text = unet.config.cross_attention_dim, torch.Generator().manual_seed(99)
    latents = torch.randn(1 if equal else rows, 4, 8, 8, generator=coins).expand(rows, 4, 8, 8)
    empty = torch.randn(1, 7, width, generator=text).expand(rows, 7, width)
    found: dict[str, Any] = {
        "sample": torch.cat([latents, latents]),
        "timestep": torch.tensor(900 - 40 * step),
        "encoder_hidden_states": torch.cat([empty, torch.randn(rows, 7, width, generator=text)]),
    }
    if unet.config.addition_embed_type == "text_time":
        pooled = torch.randn(rows, 16, generator=text)
        found["added_cond_kwargs"] = {
            "text_embeds": torch.cat([pooled[:1].expand(rows, 16), pooled]),
            "time_ids": torch.ones(2 * rows, 6),
        }
    return found


@torch.no_grad()
def steps(unet: Any, knobs: Acceleration, count: int, **options: Any) -> list[Tensor]:
    network = AcceleratedUNet(unet, knobs, rows=ROWS, **options)
    return [network(**inputs(unet, step)).sample for step in range(count)]


@torch.no_grad()
def plain(unet: Any, step: int = 0, **options: Any) -> Tensor:
    return torch.as_tensor(unet(**inputs(unet, step, **options)).sample)


def test_switched_off_it_is_the_same_to_the_last_bit(unet: Any) -> None:
    for step, out in enumerate(steps(unet, Acceleration(), 3)):
        torch.testing.assert_close(out, plain(unet, step), rtol=0, atol=0)


def test_before_the_first_knob_and_at_a_refresh_it_is_exact(unet: Any) -> None:
    out = steps(unet, Acceleration(cache_from=2, skip_from=2, refresh=3), 5)
    torch.testing.assert_close(out[0], plain(unet, 0), rtol=0, atol=0)
    torch.testing.assert_close(out[1], plain(unet, 1), **CLOSE)
    torch.testing.assert_close(out[4], plain(unet, 4), **CLOSE)
    for step in (2, 3):
        assert (out[step] - plain(unet, step)).abs().max() > 1e-3


def test_the_twin_leaves_the_unet_as_it_was_and_shares_its_weights(unet: Any) -> None:
    before, processors = plain(unet), dict(unet.attn_processors)
    network = AcceleratedUNet(unet, Acceleration(reuse_until=9), rows=ROWS)
    ours = {tensor.data_ptr() for tensor in unet.parameters()}
    assert {tensor.data_ptr() for tensor in network.parameters()} == ours
    network(**inputs(unet))
    assert unet.attn_processors == processors
    torch.testing.assert_close(plain(unet), before, rtol=0, atol=0)


def test_one_row_reuses_itself_exactly(unet: Any) -> None:
    given = inputs(unet, rows=1)
    with torch.no_grad():
        out = AcceleratedUNet(unet, Acceleration(reuse_until=9), rows=1)(**given).sample
        torch.testing.assert_close(out, unet(**given).sample, **CLOSE)


@pytest.mark.parametrize("pivot", range(ROWS))
def test_the_pivot_is_exact_and_the_others_are_not(unet: Any, pivot: int) -> None:
    """Rows do not mix: the pivot's own maps are the true ones at every layer."""
    out, true = steps(unet, Acceleration(reuse_until=1), 1, pivot=pivot)[0], plain(unet)
    for row in range(ROWS):
        for place in (row, ROWS + row):
            error = (out[place] - true[place]).abs().max()
            assert (error < 1e-4) == (row == pivot)


def test_maps_of_kept_attention_are_those_of_the_step_that_kept_them(unet: Any) -> None:
    """The same input twice: what is recalled is what would have been computed."""
    network = AcceleratedUNet(unet, Acceleration(cache_from=1, skip_from=1), rows=ROWS)
    with torch.no_grad():
        first, again = (network(**inputs(unet, 0)).sample for _ in range(2))
    torch.testing.assert_close(again, first, **CLOSE)
    torch.testing.assert_close(first, plain(unet, 0), **CLOSE)


def test_reused_maps_are_recalled_for_all_rows(unet: Any) -> None:
    network = AcceleratedUNet(unet, Acceleration(reuse_until=1, cache_from=1), rows=ROWS, pivot=1)
    with torch.no_grad():
        first, again = (network(**inputs(unet, 0)).sample for _ in range(2))
    torch.testing.assert_close(again, first, **CLOSE)


def test_blocks_skipped_before_attention_is_kept(unet: Any) -> None:
    """Layers inside a skipped block have nothing to recall when it runs again: they compute."""
    knobs = Acceleration(skip_from=1, cache_from=3, refresh=4)
    assert all(out.isfinite().all() for out in steps(unet, knobs, 9))


def test_a_shared_step_is_one_row_under_the_mean_prompt(unet: Any) -> None:
    network = AcceleratedUNet(unet, Acceleration(lead_until=1), rows=ROWS)
    given = inputs(unet, equal=True)
    with torch.no_grad():
        out = network(**given).sample
        mean = {
            name: torch.cat([value[:1], value[ROWS:].mean(0, keepdim=True)])
            for name, value in ({"text": given["encoder_hidden_states"]} | added(given)).items()
        }
        alone = unet(
            torch.cat([given["sample"][:1]] * 2),
            given["timestep"],
            encoder_hidden_states=mean.pop("text"),
            added_cond_kwargs=mean or None,
        ).sample
    torch.testing.assert_close(out, alone.repeat_interleave(ROWS, 0), **CLOSE)
    assert network.evaluated == [2]


def added(given: dict[str, Any]) -> dict[str, Tensor]:
    return dict(given.get("added_cond_kwargs", {}))


def test_a_shared_step_with_all_weight_on_one_row_is_that_row(unet: Any) -> None:
    mixture = torch.tensor([0.0, 1.0, 0.0])
    network = AcceleratedUNet(unet, Acceleration(lead_until=1), rows=ROWS, mixture=mixture)
    given = inputs(unet, equal=True)
    with torch.no_grad():
        out, true = network(**given).sample, unet(**given).sample
    torch.testing.assert_close(out[ROWS], true[ROWS + 1], **CLOSE)
    torch.testing.assert_close(out[0], true[0], **CLOSE)


@pytest.mark.parametrize(
    "knobs",
    [
        Acceleration(lead_until=2, skip_from=2, cache_from=2),
        Acceleration(lead_until=2, skip_from=2, cache_from=2, reuse_until=9),
        Acceleration(lead_until=2, skip_from=1, reuse_until=9, refresh=3),
    ],
)
def test_rows_recall_what_the_shared_step_kept(unet: Any, knobs: Acceleration) -> None:
    network = AcceleratedUNet(unet, knobs, rows=ROWS)
    with torch.no_grad():
        for step in range(4):
            out = network(**inputs(unet, step, equal=step < 2)).sample
            assert out.shape == (2 * ROWS, 4, 8, 8)
    assert network.evaluated == [2, 2, 6, 6]


def test_own_maps_recalled_in_a_shared_step_are_the_pivots(unet: Any) -> None:
    """Nothing in a preset does this, but a step may have fewer rows than what was kept."""
    network = AcceleratedUNet(unet, Acceleration(cache_from=1), rows=ROWS)
    with torch.no_grad():
        network(**inputs(unet, equal=True))
        network.acceleration = Acceleration(cache_from=1, lead_until=2)
        out = network(**inputs(unet, equal=True)).sample
    assert out.isfinite().all()


def test_without_guidance_there_is_one_branch(unet: Any) -> None:
    given = inputs(unet)
    given = {
        "sample": given["sample"][ROWS:],
        "timestep": given["timestep"],
        "encoder_hidden_states": given["encoder_hidden_states"][ROWS:],
        "added_cond_kwargs": {k: v[ROWS:] for k, v in added(given).items()} or None,
    }
    network = AcceleratedUNet(unet, Acceleration(reuse_until=1, cache_from=2), rows=ROWS)
    with torch.no_grad():
        out = network(**given).sample
        torch.testing.assert_close(out[0], unet(**given).sample[0], **CLOSE)
        network(**given)
        torch.testing.assert_close(network(**given).sample, unet(**given).sample, **CLOSE)


def test_what_a_session_remembers_goes_with_it(unet: Any) -> None:
    network = AcceleratedUNet(unet, Acceleration(cache_from=1, skip_from=1), rows=ROWS)
    with torch.no_grad():
        network(**inputs(unet))
    kept = [weakref.ref(t) for _, tensors in network.session.kept.values() for t in tensors]
    assert len(kept) > 10
    del network
    gc.collect()
    assert not [reference for reference in kept if reference() is not None]


def test_what_is_not_plain_is_refused(unet: Any) -> None:
    with pytest.raises(ValueError, match="pivot=3 must be >= 0 and < rows=3"):
        AcceleratedUNet(unet, Acceleration(), rows=3, pivot=3)
    layer = next(m for m in unet.up_blocks.modules() if hasattr(m, "to_q"))
    layer.rescale_output_factor = 2.0
    try:
        with pytest.raises(ValueError, match=r"attention layer up_blocks\..*residual_connection"):
            AcceleratedUNet(unet, Acceleration(), rows=3)
    finally:
        layer.rescale_output_factor = 1.0


def test_masks_are_refused(unet: Any) -> None:
    network = AcceleratedUNet(unet, Acceleration(), rows=ROWS)
    layer = next(m for m in network.modules() if hasattr(m, "to_q"))
    with pytest.raises(ValueError, match="attention_mask must be None"):
        layer(torch.zeros(1, 4, layer.to_q.in_features), attention_mask=torch.ones(1, 1, 4))
