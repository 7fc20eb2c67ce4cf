"""Models from a hub: safetensors only, no remote code, a commit hash for the record."""

from pathlib import Path

from diffusers import DiffusionPipeline

from .errors import TargetError


def download(spec: str, revision: str | None) -> Path:
    """The snapshot folder of a hub model; its name is the commit hash.

    Honours `HF_HUB_OFFLINE`: then only what was downloaded before is found.

    Raises:
        TargetError: The hub has no such model, or cannot be reached.
    """
    if Path(spec).is_absolute() or spec.count("/") != 1 or spec.startswith("."):
        raise TargetError(f"spec={spec!r} is neither a folder that exists nor a hub id OWNER/NAME")
    try:
        folder = DiffusionPipeline.download(
            spec, revision=revision, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:
        raise TargetError(
            f"spec={spec!r}, revision={revision!r} is no folder and could not be had from the hub "
            f"({type(error).__name__}); check the name and the network, or download it elsewhere "
            "and give the folder"
        ) from error
    return Path(folder)
