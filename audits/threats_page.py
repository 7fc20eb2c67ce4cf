"""The table of threats in `docs/threat-model.md`.

`python -m latentleak.audits.threats_page docs/threat-model.md` writes it anew between its marks.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .threats import THREATS, Threat

MARK = "<!-- threats -->"


def section() -> str:
    """What stands between the marks."""
    head = (
        "| id | threat | attacker | LINDDUN | MITRE ATLAS | measured by | claimed by |",
        "|---|---|---|---|---|---|---|",
    )
    return "\n\n" + "\n".join((*head, *map(_line, THREATS))) + "\n\n"


def _line(threat: Threat) -> str:
    cells = (
        f"`{threat.id}`",
        threat.title,
        threat.attacker,
        threat.linddun.value,
        " ".join((*threat.atlas, *threat.mitigations)) or "-",
        f"`{threat.measure.scenario}`" if threat.measure else "**nothing**",
        ", ".join(f"`{name}`" for name in threat.defenses) or f"nobody: {threat.note}",
    )
    return f"| {' | '.join(cells)} |"


def write(page: Path) -> None:
    """Replace what stands between the marks of a page.

    Raises:
        ValueError: The page does not hold the mark twice.
    """
    before, *rest = page.read_text(encoding="utf-8").split(MARK)
    if len(rest) != 2:
        raise ValueError(f"{page.name} must hold {MARK} twice")
    page.write_text(MARK.join((before, section(), rest[1])), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
