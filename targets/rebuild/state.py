"""Checkpoints from which training resumes: full-precision weights and a count of steps."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def save_state(folder: Path, model: nn.Module, steps: int) -> None:
    """Write the weights and the progress record; a reader never sees half a file."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        k: v.detach().clone(memory_format=torch.contiguous_format)
        for k, v in model.state_dict().items()
    }
    save_tensors(folder / "weights.safetensors", weights)
    write_progress(folder, steps)


def write_progress(folder: Path, steps: int) -> None:
    """Record how many steps the weights in `folder` have seen."""
    (folder / "progress.json").write_text(json.dumps({"steps": steps}) + "\n")


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a safetensors file under another name, then rename it."""
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    temporary.chmod(0o644)
    temporary.replace(path)


def load_state(folder: Path, model: nn.Module) -> int:
    """Load the weights into `model` where there are any; the steps they have seen."""
    if not (folder / "progress.json").exists():
        return 0
    weights = load_file(folder / "weights.safetensors")
    missing, unknown = model.load_state_dict(weights, strict=False)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    if unknown or trained & set(missing):
        raise ValueError(f"weights in {folder.name!r} are of another architecture; remove them")
    return int(json.loads((folder / "progress.json").read_text())["steps"])
