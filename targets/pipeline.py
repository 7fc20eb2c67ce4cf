"""Which model is under attack: a reference that opens its parts, and says exactly what it was."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import TargetError
from .memory import keep

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

Model = Literal["cloud", "local"]
EMBEDDED = Path(__file__).parent / "embedded"
PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
DTYPES = ("float32", "float16", "bfloat16")
BUILT_IN = ("embedded", "tiny")
ADAPTED = "*-*/*/config.json"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A cloud model and the smaller model on the client's device.

    Only names travel: a target pickles, and `Target(**dataclasses.asdict(target))` rebuilds it
    in another process. Weights are read when `open` first asks for them.

    Attributes:
        spec: `embedded`, `embedded+NAME` (the same with the parts in `embedded/NAME` in place of
            its own, such as `embedded+avatars-overfitted`), `tiny`, a folder in diffusers format,
            or a hub id.
        local: The same for the client's device; None is what `spec` brings along, else itself.
        revision: Commit hash of `spec` where it comes from a hub.
        local_revision: Commit hash of `local`.
        dtype: `float32`, `float16` or `bfloat16`.
        device: A torch device, such as `cpu` or `cuda`.
    """

    spec: str = "embedded"
    local: str | None = None
    revision: str | None = None
    local_revision: str | None = None
    dtype: str = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise TargetError(f"dtype={self.dtype!r} must be one of {', '.join(DTYPES)}")

    def open(self, *components: str, model: Model = "cloud") -> "DiffusionPipeline":
        """A pipeline that holds the named components and None in place of the others.

        Components are read once a process and shared: never change them in place.

        Args:
            *components: Such as `unet`, `vae`, `text_encoder`, `tokenizer`, `scheduler`; none
                named means all.
            model: The cloud's or the client's.

        Raises:
            TargetError: A component is missing, damaged or not of this pipeline.
        """
        from .components import open_pipeline

        keep()
        return open_pipeline(self.parts(model), components, dtype=self.dtype, device=self.device)

    def folder(self, model: Model = "cloud") -> Path:
        """Where the pipeline of a model lies on this machine."""
        if model == "local" and self.local is not None:
            return resolve(self.local, self.local_revision)
        return resolve(self.spec, self.revision)

    def parts(self, model: Model = "cloud") -> dict[str, Path]:
        """The folder of each component of a model, by name."""
        folder = self.folder(model)
        spec = self.local if self.local is not None and model == "local" else self.spec
        parts = {name: folder / name for name in component_names(folder)} | adapted(spec)
        small = folder / "local"
        if model == "local" and self.local is None and small.is_dir():
            parts |= {path.name: path for path in sorted(small.iterdir()) if path.is_dir()}
        return {"": folder, **parts}

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each component's files, under `cloud/NAME` and `local/NAME`."""
        models: tuple[Model, Model] = ("cloud", "local")
        return {
            f"{model}/{name}": digest(path)
            for model in models
            for name, path in self.parts(model).items()
            if name and path.is_dir()
        }

    def to_dict(self) -> dict[str, Any]:
        """What a report says about the model; a folder is named without where it lies."""
        return {
            "spec": _public(self.spec),
            "local": None if self.local is None else _public(self.local),
            "revision": self.revision,
            "local_revision": self.local_revision,
            "digests": dict(self.digests),
            "dtype": self.dtype,
            "device": self.device,
        }


def load(
    spec: str = "embedded",
    *,
    local: str | None = None,
    revision: str | None = None,
    local_revision: str | None = None,
    dtype: str = "float32",
    device: str = "auto",
) -> Target:
    """Resolve a model by name; nothing is read but its index (and downloaded if it is on a hub).

    Args:
        spec: `embedded`, `embedded+NAME`, `tiny` (random weights, for tests), a folder, or a
            hub id.
        local: The model on the client's device; None takes what `spec` brings along, else `spec`.
        revision: Branch, tag or commit of `spec` on the hub.
        local_revision: The same for `local`.
        dtype: `float32`, `float16` or `bfloat16`.
        device: A torch device, or `auto` for CUDA where there is one.

    Raises:
        TargetError: There is no such model, or not one that can be attacked.
    """
    chosen = _device(device)
    commit = _commit(spec, revision)
    local_commit = None if local is None else _commit(local, local_revision)
    target = Target(
        spec=spec,
        local=local,
        revision=commit,
        local_revision=local_commit,
        dtype=dtype,
        device=chosen,
    )
    models: tuple[Model, Model] = ("cloud", "local")
    for model in models:
        component_names(target.folder(model))
    return target


@cache
def resolve(spec: str, revision: str | None) -> Path:
    """The folder of a model, downloaded if it is on a hub.

    Raises:
        TargetError: There is no such folder and no such hub model, or no way to reach it.
    """
    if spec == "embedded" or adapted(spec):
        return EMBEDDED
    if spec == "tiny":
        from .tiny import tiny_folder

        return tiny_folder()
    if Path(spec).is_dir():
        return Path(spec).resolve()
    from .hub import download

    return download(spec, revision)


def adapted(spec: str) -> dict[str, Path]:
    """The folders of the parts that `embedded+NAME` puts in place of the embedded model's.

    Raises:
        TargetError: There is no such adaptation.
    """
    base, _, name = spec.partition("+")
    if base != "embedded" or not name:
        return {}
    shipped = {path.parent.parent.name: path.parent.parent for path in EMBEDDED.glob(ADAPTED)}
    if name not in shipped:
        raise TargetError(f"spec={spec!r} must be embedded+ one of {', '.join(sorted(shipped))}")
    return {path.name: path for path in sorted(shipped[name].iterdir()) if path.is_dir()}


@cache
def component_names(folder: Path) -> tuple[str, ...]:
    """The components that a pipeline folder declares.

    Raises:
        TargetError: The folder has no index, or its pipeline is not a Stable Diffusion.
    """
    index = read_index(folder)
    return tuple(
        name for name, value in index.items() if isinstance(value, list) and value[1] is not None
    )


def read_index(folder: Path) -> dict[str, Any]:
    """The `model_index.json` of a pipeline folder."""
    path = folder / "model_index.json"
    if not path.is_file():
        raise TargetError(
            f"spec={folder.name!r} has no model_index.json; save the model in diffusers format "
            "with pipeline.save_pretrained(folder, safe_serialization=True)"
        )
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TargetError(f"{folder.name}/model_index.json is not JSON: {error}") from error
    kind = index.get("_class_name") if isinstance(index, dict) else None
    if kind not in PIPELINES:
        raise TargetError(
            f"spec={folder.name!r} is a {kind}; supported are {' and '.join(PIPELINES)}"
        )
    return dict(index)


@cache
def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a component's files, in order of name."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            total.update(f"{name} {_file_digest(path)}\n".encode())
    return total.hexdigest()


def _file_digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            total.update(chunk)
    return total.hexdigest()


def _commit(spec: str, revision: str | None) -> str | None:
    if spec in BUILT_IN or adapted(spec) or Path(spec).is_dir():
        if revision is not None:
            raise TargetError(f"revision={revision!r} applies to hub models only, not to {spec!r}")
        return None
    return resolve(spec, revision).name


def _public(spec: str) -> str:
    return Path(spec).name if Path(spec).is_dir() else spec


def _device(device: str) -> str:
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise TargetError(f"device={device!r}, but torch finds no CUDA device; use device='cpu'")
    return device
