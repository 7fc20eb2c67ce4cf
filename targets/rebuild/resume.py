"""Checkpoints from the weights that ship, so that training goes on where they stopped.

Run as `python -m latentleak.targets.rebuild.resume --state FOLDER`.
"""

import argparse
import json
import shutil
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from ..pipeline import EMBEDDED
from .state import save_tensors, write_progress


def exported(component: str, prefix: str = "") -> dict[str, Tensor]:
    """The weights of a component in float32, under `prefix`."""
    (path,) = (EMBEDDED / component).glob("*.safetensors")
    return {prefix + name: tensor.float() for name, tensor in load_file(path).items()}


def resume(state: Path) -> None:
    """Write checkpoint folders for autoencoder, U-Nets and text encoder into `state`."""
    progress = json.loads((EMBEDDED / "progress.json").read_text())
    text = exported("text_encoder", "text_encoder.")
    cloud = exported("unet", "unet.") | text
    checkpoints = {
        "autoencoder": exported("vae"),
        "cloud": cloud,
        "cloud-average": cloud,
        "local": exported("local/unet", "unet."),
        "local-average": exported("local/unet", "unet."),
    }
    for name, tensors in checkpoints.items():
        folder = state / name
        folder.mkdir(parents=True)
        save_tensors(folder / "weights.safetensors", tensors)
        write_progress(folder, int(progress[name.removesuffix("-average")]))
    shutil.copytree(EMBEDDED / "tokenizer", state / "tokenizer")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder without checkpoints")
    resume(parser.parse_args().state)


if __name__ == "__main__":
    main()
