"""Name an object so that another process can build it: an import path and JSON fields.

Defences and adversaries are frozen dataclasses whose constructor is their configuration, so
`module:Class` (or `file.py:Class`) and the fields that differ from the defaults say it all.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLAIN = (str, int, float, bool, type(None))


class SpecError(ValueError):
    """An object cannot be named, found or built as asked."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Where a class is found, and what its constructor is given.

    Attributes:
        path: `package.module:Class` or `path/to/file.py:Class`.
        fields: Keyword arguments, JSON values (tuples travel as lists).
    """

    path: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, thing: Any) -> Spec:
        """Name an existing dataclass instance.

        Raises:
            SpecError: If a field that differs from its default is no JSON value.
        """
        kind = type(thing)
        module = sys.modules[kind.__module__]
        origin = getattr(module, "__latentleak_file__", None)
        changed = {}
        for spec in dataclasses.fields(thing):
            value = getattr(thing, spec.name)
            if not spec.init or value == _default(spec):
                continue
            changed[spec.name] = _plain(value, f"{kind.__name__}.{spec.name}")
        return cls(path=f"{origin or kind.__module__}:{kind.__qualname__}", fields=changed)

    def find(self) -> type[Any]:
        """Import the class.

        Raises:
            SpecError: If the module, the file or the class does not exist.
        """
        where, _, name = self.path.rpartition(":")
        if not where or not name:
            raise SpecError(f"{self.path!r} must be package.module:Class or file.py:Class")
        if where.endswith(".py"):
            module = _import_file(Path(where))
        elif where.startswith("."):
            raise SpecError(f"{self.path!r} must name a module in full, without leading dots")
        else:
            try:
                module = importlib.import_module(where)
            except ModuleNotFoundError as error:
                raise SpecError(f"{self.path!r}: {error}; is the package installed?") from error
        found: Any = module
        for part in name.split("."):
            found = getattr(found, part, None)
        if not isinstance(found, type):
            raise SpecError(f"{where!r} has no class {name!r}")
        return found

    def build(self) -> Any:
        """Import the class and construct it from `fields`.

        Raises:
            SpecError: If a field is unknown; the message lists the valid ones.
        """
        kind = self.find()
        if not dataclasses.is_dataclass(kind):
            raise SpecError(
                f"{kind.__name__} must be a dataclass: its fields are its configuration"
            )
        known = {f.name: f for f in dataclasses.fields(kind) if f.init}
        unknown = sorted(set(self.fields) - set(known))
        if unknown:
            valid = ", ".join(known) or "none"
            raise SpecError(f"{kind.__name__} has no field {unknown[0]!r}; valid fields: {valid}")
        return kind(**{name: _frozen(value) for name, value in self.fields.items()})

    def to_dict(self) -> dict[str, Any]:
        """JSON form; a file is named by its name and SHA-256, never by its folder."""
        where, _, name = self.path.rpartition(":")
        if not where.endswith(".py"):
            return {"path": self.path, "fields": dict(self.fields)}
        if not Path(where).is_file():
            raise SpecError(f"{Path(where).name!r} is not a Python file that can be read")
        digest = hashlib.sha256(Path(where).read_bytes()).hexdigest()
        path = f"{Path(where).name}:{name}"
        return {"path": path, "sha256": digest, "fields": dict(self.fields)}


def _import_file(path: Path) -> Any:
    path = path.resolve()
    name = f"latentleak_file_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SpecError(f"{path.name!r} is not a Python file that can be read")
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__latentleak_file__"] = str(path)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _default(spec: dataclasses.Field[Any]) -> Any:
    if spec.default_factory is not dataclasses.MISSING:
        return spec.default_factory()
    return spec.default


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, tuple | list):
        return [_plain(v, name) for v in value]
    if isinstance(value, Mapping):
        return {str(k): _plain(v, name) for k, v in value.items()}
    raise SpecError(f"{name} is a {type(value).__name__}, which has no JSON form")


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _frozen(v) for name, v in value.items()}
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
