"""Embeddings that were computed once: found again by what they follow from, and nothing else.

An embedding's key is the SHA-256 of its own image, the model's digests, the recipe and the
versions of the libraries. Each image has its own key, so any subset of a collection, and any
collection with one image replaced, is found too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ...targets.pipeline import EMBEDDED

SHIPPED = EMBEDDED / "private"
LIBRARIES = ("torch", "diffusers", "transformers")
Vectors = NDArray[np.float32]
Images = NDArray[np.uint8]


def versions() -> dict[str, str]:
    """Versions of the libraries that compute embeddings."""
    return {name: version(name) for name in LIBRARIES}


def key(image: Images, identity: Mapping[str, Any], libraries: Mapping[str, str]) -> bytes:
    """SHA-256 of everything that an embedding follows from, 32 bytes.

    Args:
        image: One image, shape `(height, width, 3)`.
        identity: JSON-valued: recipe and model digests.
        libraries: Versions by name.
    """
    about = {"identity": identity, "libraries": dict(libraries), "shape": list(image.shape)}
    total = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    total.update(b"\0" + np.ascontiguousarray(image).tobytes())
    return total.digest()


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A folder of safetensors files, each with `keys` (n, 32) and `embeddings` (n, d).

    Attributes:
        folder: Where the files are; need not exist.
        any_versions: Take embeddings made under other library versions, which may differ from
            these libraries' by more than rounding. Meant for the files that ship.
    """

    folder: Path
    any_versions: bool = False

    def find(self, images: Sequence[Images], identity: Mapping[str, Any]) -> dict[int, Vectors]:
        """The embeddings that are there, by place in `images`.

        A file that cannot be read counts as absent.
        """
        found: dict[int, Vectors] = {}
        for path in sorted(self.folder.glob("inversions-*.safetensors")):
            libraries, stored = _read(path)
            if not stored or not (self.any_versions or libraries == versions()):
                continue
            for place, image in enumerate(images):
                hit = stored.get(key(image, identity, libraries))
                if hit is not None:
                    found[place] = hit
        return found

    def add(
        self, images: Sequence[Images], identity: Mapping[str, Any], embeddings: Vectors
    ) -> Path:
        """Write embeddings, `(n, d)`, to a file of their own, named by their keys."""
        keys = [key(image, identity, versions()) for image in images]
        path = self.folder / f"inversions-{batch_name(keys)}.safetensors"
        write(path, {"keys": _bytes(keys), "embeddings": embeddings}, {"libraries": versions()})
        return path


def batch_name(keys: Sequence[bytes]) -> str:
    """A file name for a batch of keys, 16 hexadecimal digits."""
    return hashlib.sha256(b"".join(keys)).hexdigest()[:16]


def write(path: Path, tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write a safetensors file under another name, then rename it: no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    metadata = {name: json.dumps(value, sort_keys=True) for name, value in about.items()}
    arrays = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    save_file(arrays, temporary, metadata)
    temporary.chmod(0o644)
    temporary.replace(path)


def read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]] | None:
    """Tensors and metadata of a file that `write` wrote; None if there is no whole one."""
    try:
        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
    except (OSError, SafetensorError, ValueError):
        return None
    return tensors, about


def _read(path: Path) -> tuple[dict[str, str], dict[bytes, Vectors]]:
    content = read(path)
    if content is None or set(content[0]) != {"keys", "embeddings"}:
        return {}, {}
    keys, embeddings = content[0]["keys"], content[0]["embeddings"]
    stored = {row.tobytes(): vector for row, vector in zip(keys, embeddings, strict=True)}
    return dict(content[1].get("libraries", {})), stored


def _bytes(keys: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), 32)
