"""Write the trained networks in diffusers format, float16, where the library looks for them.

python -m latentleak.targets.rebuild.export --state FOLDER --out FOLDER
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTokenizer

from ..quiet import quiet
from .autoencoder import new_autoencoder
from .networks import new_image_encoder, new_scheduler, new_text_encoder, new_unet
from .state import load_state, save_tensors

COMPONENTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")


def filled(model: nn.Module, folder: Path, prefix: str) -> None:
    """Load the moving average of one part of the trained networks."""
    weights = load_file(folder / "weights.safetensors")
    own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
    model.load_state_dict(own)


def steps(folder: Path) -> int:
    """How many steps the weights in a checkpoint folder have seen."""
    path = folder / "progress.json"
    return int(json.loads(path.read_text())["steps"]) if path.exists() else 0


def export(state: Path, out: Path) -> None:
    """Write pipeline, local U-Net and progress record; each folder is replaced whole."""
    tokenizer = CLIPTokenizer.from_pretrained(str(state / "tokenizer"))
    vae, text_encoder = new_autoencoder(), new_text_encoder(tokenizer)
    unet, local = new_unet("cloud"), new_unet("local")
    load_state(state / "autoencoder", vae)
    filled(text_encoder, state / "cloud-average", "text_encoder.")
    filled(unet, state / "cloud-average", "unet.")
    if (state / "local-average").exists():
        filled(local, state / "local-average", "unet.")
    text_encoder.set_attn_implementation("sdpa")
    parts: dict[str, Any] = {
        "vae": vae,
        "text_encoder": text_encoder,
        "tokenizer": tokenizer,
        "unet": unet,
        "scheduler": new_scheduler(),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }
    pipeline = StableDiffusionPipeline(**parts).to(torch.float16)
    names = ("autoencoder", "cloud", "local", "clip")
    progress = {name: steps(state / name) for name in names}
    with tempfile.TemporaryDirectory(dir=out.parent) as name:
        folder = Path(name)
        with quiet():
            pipeline.save_pretrained(folder, safe_serialization=True)
            local.half().save_pretrained(folder / "local" / "unet", safe_serialization=True)
            if (state / "clip").exists():
                export_clip(state / "clip", folder / "clip")
        for extra in ("vocab.json", "merges.txt"):
            shutil.copy(state / "tokenizer" / extra, folder / "tokenizer" / extra)
        (folder / "progress.json").write_text(json.dumps(progress, indent=1) + "\n")
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        out.mkdir(exist_ok=True)
        for path in sorted(folder.iterdir()):
            replace(path, out / path.name)


def export_clip(state: Path, out: Path) -> None:
    """Write the image encoder and the projection of the text encoder's pooled output."""
    image_encoder = new_image_encoder()
    filled(image_encoder, state, "image_encoder.")
    image_encoder.half().save_pretrained(out / "image_encoder", safe_serialization=True)
    weight = load_file(state / "weights.safetensors")["text_projection.weight"]
    save_tensors(out / "text_projection.safetensors", {"weight": weight.half()})


def replace(new: Path, old: Path) -> None:
    """Put `new` in the place of `old` by renaming."""
    aside = old.with_name(f".{old.name}.old")
    if old.exists():
        old.rename(aside)
    new.rename(old)
    if aside.is_dir():
        shutil.rmtree(aside)
    elif aside.exists():
        aside.unlink()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="the folder `embedded`")
    options = parser.parse_args()
    export(options.state, options.out)


if __name__ == "__main__":
    main()
