"""Findings and run folders to read, built by hand."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from latentleak.audits.verdict import Control, Finding, Role, Row, Verdict
from latentleak.defenses.claims import Assumption, Obliviousness

DIGEST = hashlib.sha256(b"weights").hexdigest()
MODEL = {
    "spec": "embedded",
    "revision": None,
    "digests": {"cloud/unet": DIGEST},
    "dtype": "float32",
}


def _row(**values: Any) -> Row:
    facts = {"model": "tiny", "sessions": 3, "sealed": True, "timed": False, "tap": ["generate"]}
    defaults: dict[str, Any] = {
        "adversary": "position",
        "arm": "cheap",
        "metric": "advantage over 1/N",
        "n": 400,
        "wins": 45,
        "chance": 0.1,
        "estimate": 0.0125,
        "interval": (-0.031, 0.067),
        "p_value": 0.6,
        "p_adjusted": 1.0,
        "critical": 70,
        "detectable": 0.089,
        "ceiling": 0.88,
        "alpha": 0.005,
        "level": 0.001,
        "swapped": {"wins": 40, "n": 400, "chance": 0.1, "p_value": 0.5, "holds": True},
        "games": facts,
    }
    return Row(**(defaults | values))


def _finding(**values: Any) -> Finding:
    row = _row()
    defaults: dict[str, Any] = {
        "id": "which-prompt/obclip",
        "scenario": "which-prompt",
        "question": "Which of the candidate prompts did the client really ask for?",
        "defense": {"name": "ObClip", "path": "latentleak.defenses.obclip:ObClip", "fields": {}},
        "role": Role.CLAIM,
        "expected": None,
        "claim": Obliviousness().to_dict(),
        "verdict": Verdict.NOT_REFUTED,
        "reason": "no adversary beats 1/N + slack",
        "metric": row.metric,
        "estimate": row.estimate,
        "interval": row.interval,
        "ceiling": row.ceiling,
        "detectable": 0.0894,
        "resolution": 0.25,
        "alpha": 0.005,
        "n": row.n,
        "rows": (row, _row(adversary="pivot", wins=31, estimate=-0.0225, interval=(-0.06, 0.03))),
        "exact": (
            {
                "name": "noninterference",
                "templates": 20,
                "executions": 236,
                "identical": True,
                "differing": [],
                "model": "tiny",
            },
        ),
        "measures": (
            {
                "name": "min-entropy leakage",
                "unit": "bit",
                "arm": "cheap",
                "adversary": "position",
                "estimate": 0.0217,
                "interval": [0.0, 0.309],
                "n": 400,
            },
        ),
        "controls": (
            Control(name="undefended", expected="found", observed="400 of 400", holds=True),
        ),
        "threat_model": {
            "coalition": ["server/0"],
            "behavior": "semi-honest",
            "knows": ["candidates", "protocol", "shadow", "weights"],
            "queries": 1,
        },
        "provenance": {"seed": 0, "target": MODEL},
    }
    return Finding(**(defaults | values))


def _refuted(**values: Any) -> Finding:
    row = _row(
        wins=400,
        estimate=0.9,
        interval=(0.88, 0.9),
        p_value=1e-250,
        p_adjusted=2e-249,
        adversary="residue",
    )
    defaults: dict[str, Any] = {
        "id": "which-prompt/broken",
        "defense": {"name": "Broken", "path": "broken.py:Broken", "fields": {"k": 10}},
        "verdict": Verdict.REFUTED,
        "reason": "residue won 400 of 400 games",
        "estimate": row.estimate,
        "interval": row.interval,
        "rows": (_row(), row),
        "exact": (),
        "measures": (),
    }
    return _finding(**(defaults | values))


def _plain(**values: Any) -> Finding:
    defaults: dict[str, Any] = {
        "id": "which-prompt/plain",
        "defense": {"name": "Plain", "path": "latentleak.defenses.plain:Plain", "fields": {}},
        "role": Role.CONTROL,
        "expected": Verdict.REFUTED,
    }
    return _refuted(**(defaults | values))


def _undecided(**values: Any) -> Finding:
    defaults: dict[str, Any] = {
        "id": "which-prompt-timed/obclip",
        "scenario": "which-prompt-timed",
        "question": "Does the response time tell which candidate is real?",
        "verdict": Verdict.INCONCLUSIVE,
        "reason": "too few games",
        "estimate": None,
        "interval": None,
        "detectable": float("inf"),
        "rows": (_row(estimate=float("nan"), interval=(-0.1, float("inf"))),),
        "timed": True,
    }
    return _finding(**(defaults | values))


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    return _row


@pytest.fixture(scope="session")
def finding() -> Callable[..., Finding]:
    return _finding


@pytest.fixture(scope="session")
def refuted() -> Callable[..., Finding]:
    return _refuted


@pytest.fixture(scope="session")
def plain() -> Callable[..., Finding]:
    return _plain


@pytest.fixture(scope="session")
def undecided() -> Callable[..., Finding]:
    return _undecided


@pytest.fixture(scope="session")
def png() -> bytes:
    """A picture of 3 x 2 white pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    pixels = zlib.compress(b"".join(b"\0" + b"\xff" * 9 for _ in range(2)))
    header = struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


RUN = {
    "schema": 1,
    "command": ["latentleak", "run", "which-prompt", "--seed", "0"],
    "config": {"seed": 0, "alpha": 0.01, "profile": "quick", "sealed": True},
    "alpha_split": {"which-prompt/obclip": 0.005, "which-prompt-timed/obclip": 0.005},
    "versions": {"python": "3.11.7", "latentleak": "0.1.0"},
    "host": {"platform": "Linux", "cores": 2},
    "started": "2026-01-02T03:04:05+00:00",
    "seconds": 83.4,
    "exit_status": 1,
}


@pytest.fixture
def run_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run folder: findings, `run.json`, artifacts by name."""

    def write(
        findings: Iterable[Finding],
        run: Mapping[str, Any] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> Path:
        folder = tmp_path / "run"
        (folder / "artifacts").mkdir(parents=True, exist_ok=True)
        lines = "".join(f.to_json() + "\n" for f in findings)
        (folder / "findings.jsonl").write_text(lines, encoding="utf-8")
        (folder / "run.json").write_text(json.dumps(RUN if run is None else run))
        for name, data in (files or {}).items():
            (folder / "artifacts" / name).write_bytes(data)
        return folder

    return write


@pytest.fixture(scope="session")
def assumptions() -> tuple[str, ...]:
    return tuple(a.value for a in Assumption)
