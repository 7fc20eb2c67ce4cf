"""Which code ran."""

from __future__ import annotations

from pathlib import Path

from latentleak.audits import source
from latentleak.audits.source import LAYERS, digests

ROOT = Path(__file__).parents[2]


def test_every_package_has_a_digest() -> None:
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for layer in LAYERS
        for path in (ROOT / layer).rglob("*.py")
    }
    assert set(digests()) == packages
    assert digests() == digests()


def test_a_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("x = 1\n")
    second.write_text("x = 1\n")
    assert source._digest([first]) != source._digest([second])
    before = source._digest([first, second])
    second.write_text("x = 2\n")
    assert source._digest([first, second]) != before
