"""Who is cited: the references of what a run holds, from a BibTeX file that ships with the package.

Each entry of `references.bib` has a field `keywords` that says what it belongs to: a defence, an
adversary or a type of claim, such as `defense:he-*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..cells import Cell
from .page import Page

REFERENCES = Path(__file__).with_name("references.bib")
_KEY = re.compile(r"@\w+\{([^,\s]+),")
_KEYWORDS = re.compile(r"\n  keywords = \{([^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One entry.

    Attributes:
        key: What is cited.
        entry: Its BibTeX, without keywords.
        names: What it belongs to; `*` stands for anything.
    """

    key: str
    entry: str
    names: tuple[str, ...]

    def about(self, name: str) -> bool:
        """Whether it belongs to `name`, such as `adversary:pivot`."""
        return any(fnmatchcase(name, pattern) for pattern in self.names)


def references() -> tuple[Reference, ...]:
    """All entries, in the order of the file."""
    blocks = REFERENCES.read_text(encoding="utf-8").split("\n@")[1:]
    return tuple(_reference(f"@{block.strip()}") for block in blocks)


def _reference(block: str) -> Reference:
    key, keywords = _KEY.match(block), _KEYWORDS.search(block)
    if key is None or keywords is None:
        raise ValueError(f"{REFERENCES.name}: {block[:40]!r} must have a key and keywords")
    entry = _KEYWORDS.sub("", block).replace(",\n}", "\n}")
    return Reference(
        key=key[1], entry=entry, names=tuple(name.strip() for name in keywords[1].split(","))
    )


def cited(name: str) -> tuple[str, ...]:
    """Keys of what belongs to `name`.

    >>> cited("adversary:look-alike")
    ('pang2025blackbox',)
    """
    return tuple(reference.key for reference in references() if reference.about(name))


def names(page: Page, cells: Iterable[Cell]) -> tuple[str, ...]:
    """Every defence, adversary and type of claim of a run, as `references.bib` spells them."""
    found: dict[str, None] = {f"defense:{cell.defense}": None for cell in cells}
    for card in page.cards:
        finding = card.finding
        found[f"defense:{defense_of(finding.id)}"] = None
        found[f"claim:{finding.claim.get('type')}"] = None
        found.update(dict.fromkeys(f"adversary:{row.adversary}" for row in finding.rows))
    return tuple(found)


def defense_of(finding: str) -> str:
    """Id of the defence within the id of a finding.

    >>> defense_of("what-did-the-server-see/he-client-unet/hidden-image")
    'he-client-unet'
    """
    return [*finding.split("/"), ""][1]


def used(named: Iterable[str]) -> tuple[Reference, ...]:
    """The entries about any of `named`, sorted by key, and the package itself."""
    wanted = tuple(named)
    found = {r.key: r for r in references() if r.about("package") or any(map(r.about, wanted))}
    return tuple(found[key] for key in sorted(found))


def bibtex(entries: Iterable[Reference]) -> str:
    """The text of a `.bib` file."""
    return "\n\n".join(reference.entry for reference in entries) + "\n"
