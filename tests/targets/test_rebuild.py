"""The scripts that make what ships: their parts on small inputs."""

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPTokenizer

from latentleak.targets.pipeline import EMBEDDED
from latentleak.targets.rebuild.concepts import normal, split
from latentleak.targets.rebuild.dataset import render, sheet, swap_tones
from latentleak.targets.rebuild.diffusion import Networks
from latentleak.targets.rebuild.lpips_backbone import ArrayUnpickler
from latentleak.targets.rebuild.mixed import Mixed
from latentleak.targets.rebuild.replicas import Meeting
from latentleak.targets.rebuild.resume import resume
from latentleak.targets.rebuild.state import load_state, save_state


def test_tones_are_swapped_back() -> None:
    assert swap_tones("1f468-1f3fc-200d-1f33e") == "1f468-1f3fd-200d-1f33e"
    assert swap_tones(swap_tones("1f9d1-1f3fd")) == "1f9d1-1f3fd"
    assert swap_tones("1f468-1f3fe") == "1f468-1f3fe"


def test_codes_agree_across_packages() -> None:
    assert normal("A9-FE0F") == normal("00a9") == "00a9"


def test_images_are_composited_on_white() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(buffer, "PNG")
    assert set(render(buffer.getvalue(), ".png")) == {255}
    box = b'<rect width="1" height="1"/>'
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">' + box + b"</svg>"
    assert set(render(svg, ".svg")) == {0}


def test_sheet_keeps_order() -> None:
    images = [bytes([i]) * (64 * 64 * 3) for i in range(70)]
    canvas = np.asarray(sheet(images))
    assert canvas.shape == (128, 62 * 64, 3)
    assert canvas[0, 61 * 64, 0] == 61
    assert canvas[64, 0, 0] == 62


def test_split_is_a_function_of_the_names() -> None:
    assert {split("firefighter", "noto") for _ in range(3)} == {split("firefighter", "noto")}
    parts = [split(f"family {i}", "noto") for i in range(2000)]
    assert 0.05 < parts.count("concept") / 2000 < 0.11
    assert 0.06 < parts.count("style") / 2000 < 0.13


def test_pickle_of_anything_but_arrays_is_refused() -> None:
    with pytest.raises(Exception, match=r"posix\.system is not an array"):
        ArrayUnpickler(io.BytesIO(b"cposix\nsystem\n(S'true'\ntR.")).load()


def test_replicas_meet_at_the_mean() -> None:
    meeting = Meeting(2, 3)

    def work(rank: int) -> tuple[torch.Tensor, tuple[float, float]]:
        gradients = [torch.full((1,), float(rank)), torch.full((2,), 2.0 * rank)]
        return meeting.average(rank, 0, gradients, (0.5 + rank, 0.25))

    with ThreadPoolExecutor(2) as pool:
        for mean, said in pool.map(work, range(2)):
            assert mean.tolist() == [0.5, 1.0, 1.0]
            assert said == (0.5, 0.25)


def test_mixed_precision_descends() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    mixed = Mixed(model, decay=0.9)
    x = torch.randn(64, 4)
    losses = []
    for step in range(100):
        loss = (model(x.bfloat16()).float() - x.sum(1, keepdim=True)).square().mean()
        loss.backward()
        losses.append(loss.item())
        mixed.step(torch.cat([g.flatten() for g in mixed.gradients()]).float(), 0.05, step)
    assert losses[-1] < 0.05 * losses[0]
    assert model.weight.dtype == torch.bfloat16
    assert mixed.masters[0].dtype == torch.float32


def test_checkpoints_of_another_architecture_are_refused(tmp_path: Path) -> None:
    save_state(tmp_path / "x", torch.nn.Linear(3, 2), 5)
    assert load_state(tmp_path / "x", torch.nn.Linear(3, 2)) == 5
    with pytest.raises(ValueError, match="another architecture"):
        load_state(tmp_path / "x", torch.nn.Linear(3, 2, bias=False))
    assert load_state(tmp_path / "none", torch.nn.Linear(3, 2)) == 0


def test_training_resumes_from_what_ships(tmp_path: Path) -> None:
    resume(tmp_path)
    tokenizer = CLIPTokenizer.from_pretrained(str(EMBEDDED / "tokenizer"))
    assert load_state(tmp_path / "cloud", Networks("cloud", tokenizer, fused=False)) > 0
    local = Networks("local", tokenizer, fused=False)
    local.text_encoder.requires_grad_(False)
    assert load_state(tmp_path / "local", local) > 0
