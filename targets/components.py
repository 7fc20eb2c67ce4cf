"""Reading the parts of a diffusers pipeline from folders, each once a process."""

import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from .errors import TargetError
from .pipeline import read_index
from .quiet import quiet

LIBRARIES = {"diffusers": diffusers, "transformers": transformers}
WEIGHTLESS = ("tokenizer", "tokenizer_2", "scheduler")
OMITTED = ("safety_checker", "feature_extractor", "image_encoder")
_LOCK = threading.RLock()


def open_pipeline(
    parts: Mapping[str, Path], components: tuple[str, ...], *, dtype: str, device: str
) -> DiffusionPipeline:
    """The pipeline of these components, built once a process: never change it in place.

    Args:
        parts: Folder of each component by name; the pipeline's own folder under "".
        components: Names to load; empty means all but the safety checker.
        dtype: Name of a torch floating-point type.
        device: A torch device.
    """
    with _LOCK:
        return _pipeline(tuple(sorted(parts.items())), components, dtype, device)


@cache
def _pipeline(
    folders: tuple[tuple[str, Path], ...], components: tuple[str, ...], dtype: str, device: str
) -> DiffusionPipeline:
    parts = dict(folders)
    index = read_index(parts[""])
    if unknown := [name for name in components if name not in parts]:
        known = ", ".join(sorted(name for name in parts if name))
        raise TargetError(f"component {unknown[0]!r} is not in this pipeline, which has {known}")
    chosen = components or tuple(name for name in parts if name and name not in OMITTED)
    declared = {name: value for name, value in index.items() if isinstance(value, list)}
    loaded: dict[str, Any] = dict.fromkeys(declared)
    for name in chosen:
        library, kind = declared[name]
        loaded[name] = component(parts[name], library, kind, dtype, device)
    kept = {k: v for k, v in index.items() if not isinstance(v, list) and not k.startswith("_")}
    if "requires_safety_checker" in kept:
        kept["requires_safety_checker"] = False
    with quiet():
        pipeline = getattr(diffusers, index["_class_name"])(**loaded, **kept)
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline, DiffusionPipeline)
    return pipeline


def component(folder: Path, library: str, kind: str, dtype: str, device: str) -> Any:
    """One component, read from its folder the first time.

    Raises:
        TargetError: Its class is unknown, a file is missing or damaged, or a tensor misfits.
    """
    with _LOCK:
        return _component(folder, library, kind, dtype, device)


@cache
def _component(folder: Path, library: str, kind: str, dtype: str, device: str) -> Any:
    cls = getattr(LIBRARIES.get(library), kind, None)
    if cls is None:
        raise TargetError(
            f"component {folder.name!r} is a {library}.{kind}, which the installed libraries do "
            "not have; only classes of diffusers and transformers are loaded, never remote code"
        )
    options: dict[str, Any] = {} if folder.name in WEIGHTLESS else {"use_safetensors": True}
    if library == "diffusers" and options:
        options["torch_dtype"] = getattr(torch, dtype)
    try:
        with quiet():
            loaded = cls.from_pretrained(str(folder), local_files_only=True, **options)
    except Exception as error:
        raise TargetError(
            f"component {folder.name!r} of {folder.parent.name!r} does not load: "
            f"{_first_line(error)}. It needs its config and safetensors weights (no pickled .bin)"
        ) from error
    if isinstance(loaded, torch.nn.Module):
        if loaded.dtype != getattr(torch, dtype):
            loaded = loaded.to(getattr(torch, dtype))
        return loaded.to(device).eval().requires_grad_(False)
    return loaded


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(". ")
