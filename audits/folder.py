"""The run folder: written atomically, resumed after any interruption."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..scenarios.contract import Trials
from .catalog import name_of
from .cells import failed, load_cells
from .config import RunConfig, UsageError
from .verdict import Finding

PACKAGES = (
    "latentleak",
    "torch",
    "diffusers",
    "transformers",
    "safetensors",
    "numpy",
    "scipy",
    "scikit-learn",
)


def default_folder(config: RunConfig) -> Path:
    """Where a run goes that is not told: `runs/SCENARIOS-PROFILE-SEED`, classes by their names."""
    names = [name_of("scenario", each) for each in config.scenarios]
    return Path("runs", "-".join((*names, config.profile, str(config.seed))))


class RunFolder:
    """Everything of one run: `run.json`, `findings.jsonl`, `trials/`, `artifacts/`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.trials = path / "trials"
        self.artifacts = path / "artifacts"
        self.work = path / "work"

    @classmethod
    def start(cls, path: Path, config: RunConfig, *, resume: bool) -> RunFolder:
        """Create the folder, or take it up again.

        Raises:
            UsageError: If it exists and `resume` is false, or was made by another configuration,
                versions or machine: the message says what differs.
        """
        folder = cls(path)
        if (path / "run.json").exists():
            if not resume:
                raise UsageError(
                    f"--out {path.name} exists: choose another folder, or --resume to complete it"
                )
            folder._same(config)
        elif path.exists() and any(path.iterdir()):
            raise UsageError(f"--out {path.name} exists and is no run folder: choose another")
        folder.trials.mkdir(parents=True, exist_ok=True)
        folder.artifacts.mkdir(exist_ok=True)
        return folder

    def _same(self, config: RunConfig) -> None:
        stored = self.record()
        differing = config.differences(stored.get("config", {}))
        now = versions()
        differing += [
            f"{name}: {stored['versions'].get(name)} then, {now.get(name)} now"
            for name in now
            if stored.get("versions", {}).get(name) != now.get(name)
        ]
        if differing:
            raise UsageError(
                f"--resume: {self.path.name} was started under another configuration. "
                + "; ".join(differing)
                + ". Start a new folder, or repeat the old configuration"
            )

    @property
    def complete(self) -> bool:
        """Whether the run has ended, and every cell of it was measured."""
        ended = (self.path / "findings.jsonl").exists() and "exit_status" in self.record()
        return ended and not failed(load_cells(self.path))

    def record(self) -> dict[str, Any]:
        """The contents of `run.json`; empty before it is written."""
        path = self.path / "run.json"
        stored: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return stored

    def write_record(self, values: Mapping[str, Any]) -> None:
        """Replace `run.json`."""
        write(self.path / "run.json", json.dumps(values, indent=2, sort_keys=True) + "\n")

    def finished(self, name: str) -> Trials | None:
        """Trials of an arm that was completed, else None."""
        facts = self.trials / f"{name}.json"
        if not facts.exists():
            return None
        stored = json.loads(facts.read_text())
        arrays = self.trials / f"{name}.npz"
        if not arrays.exists() or sha256(arrays) != stored["sha256"]:
            return None
        return Trials.load(arrays, arm=stored["arm"], facts=stored["facts"])

    def keep(self, name: str, trials: Trials) -> Trials:
        """Store a completed arm; what is read back is what is audited."""
        arrays = self.trials / f"{name}.npz"
        partial = arrays.with_suffix(".partial")
        trials.save(partial)
        os.replace(partial, arrays)
        facts = {"arm": trials.arm, "facts": dict(trials.facts), "sha256": sha256(arrays)}
        write(self.trials / f"{name}.json", json.dumps(facts, sort_keys=True))
        kept = self.finished(name)
        if kept is None:
            raise OSError(f"trials/{name}.npz was not written as it should be; is the disk full?")
        return kept

    def clean(self) -> None:
        """Delete the views, which are large; scores and truth stay in `trials/`."""
        for path in (self.work, self.path / "parts", self.path / "errors"):
            shutil.rmtree(path, ignore_errors=True)

    def artifact(self, relative: Path, caption: str) -> dict[str, str]:
        """How a finding names a file of the folder."""
        return {
            "path": relative.as_posix(),
            "sha256": sha256(self.path / relative),
            "caption": caption,
        }


def write_findings(folder: Path, findings: Iterable[Finding]) -> None:
    """Replace `findings.jsonl` of a folder."""
    lines = "".join(finding.to_json() + "\n" for finding in findings)
    write(folder / "findings.jsonl", lines)


def write(path: Path, text: str) -> None:
    """Write a file so that it is either the old one or the new one, whatever happens."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of everything that the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """The machine, in words; not part of what must repeat."""
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": sys.implementation.name,
    }
