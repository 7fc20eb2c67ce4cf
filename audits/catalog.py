"""What there is, by name: built in, installed as plug-ins, or named by path.

Third parties add entry points to the groups `latentleak.defenses`, `latentleak.adversaries` and
`latentleak.scenarios`.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from ..defenses.spec import Spec, SpecError
from .built_in import BUILT_IN, Entry

KINDS = ("defense", "adversary", "scenario")
GROUPS = {
    "defense": "latentleak.defenses",
    "adversary": "latentleak.adversaries",
    "scenario": "latentleak.scenarios",
}


class UnknownNameError(SpecError):
    """Nothing goes by that name."""


def entries(kind: str | None = None) -> tuple[Entry, ...]:
    """All entries of `kind`, built in first, then installed plug-ins.

    Raises:
        SpecError: If a plug-in takes a name that is taken.
    """
    found = {(entry.kind, entry.id): entry for entry in BUILT_IN}
    for each in KINDS:
        for point in entry_points(group=GROUPS[each]):
            if (each, point.name) in found:
                raise SpecError(
                    f"two plug-ins give the {each} {point.name!r}: {found[each, point.name].path} "
                    f"and {point.value}; uninstall or rename one"
                )
            source = point.dist.name if point.dist is not None else "unknown package"
            found[each, point.name] = Entry(
                kind=each, id=point.name, path=point.value, summary=f"Plug-in of {source}."
            )
    return tuple(entry for entry in found.values() if kind in (None, entry.kind))


def spec_of(kind: str, name: str, fields: Mapping[str, Any] | None = None) -> Spec:
    """Resolve a name, `package.module:Class` or `file.py:Class`.

    Raises:
        UnknownNameError: If nothing goes by `name`; the message lists what does.
    """
    if ":" in name:
        return Spec(path=name, fields=dict(fields or {}))
    table = {entry.id: entry for entry in entries(kind)}
    if name not in table:
        near = get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(
            f"{kind}={name!r} is not known{hint} There are: {', '.join(table)}; or name a class as "
            "package.module:Class or file.py:Class"
        )
    return Spec(path=table[name].path, fields=dict(fields or {}))


def name_of(kind: str, name: str) -> str:
    """Short name for findings: the id, or the class of a path."""
    return name.rpartition(":")[2].lower() if ":" in name else name
