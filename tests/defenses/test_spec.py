"""Specs: an import path and JSON fields, enough to build the same object elsewhere."""

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from latentleak.defenses.claims import Obliviousness
from latentleak.defenses.spec import Spec, SpecError

SOURCE = """
from dataclasses import dataclass


class Outer:
    @dataclass(frozen=True, kw_only=True)
    class Inner:
        k: int = 3


@dataclass(frozen=True, kw_only=True)
class Plugin:
    k: int = 5
    names: tuple[str, ...] = ()


NOT_A_CLASS = 3


class Bare:
    pass
"""


class Color(str, enum.Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Thing:
    need: int
    share: float = 0.5
    names: tuple[str, ...] = ()
    nested: Mapping[str, Any] = field(default_factory=dict)
    color: Color = Color.RED
    flag: bool = False
    note: str | None = None
    derived: int = field(init=False, default=7)


@dataclass(frozen=True, kw_only=True)
class Holder:
    thing: Any = None


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "plugin.py"
    path.write_text(SOURCE)
    return path


THINGS = [
    Thing(need=1),
    Thing(need=1, share=0.25, names=("a", "b"), flag=True, note="x"),
    Thing(need=2, nested={"grid": (1, 2), "deep": {"pair": (3, (4, 5))}}),
]


def rebuilt(spec: Spec) -> Any:
    return Spec(**json.loads(json.dumps({"path": spec.path, "fields": dict(spec.fields)}))).build()


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "spec_example", sys.modules[__name__])
    for kind in (Thing, Holder):
        monkeypatch.setattr(kind, "__module__", "spec_example")


@pytest.mark.parametrize("thing", THINGS)
def test_of_and_build_round_trip_through_json(thing: Thing) -> None:
    assert rebuilt(Spec.of(thing)) == thing


def test_only_what_differs_from_the_defaults_is_named() -> None:
    assert Spec.of(THINGS[0]) == Spec(path="spec_example:Thing", fields={"need": 1})
    assert set(Spec.of(THINGS[1]).fields) == {"need", "share", "names", "flag", "note"}


def test_an_installed_class_round_trips() -> None:
    claim = Obliviousness(candidates=12, slack=0.1)
    spec = Spec.of(claim)
    assert spec.path == "latentleak.defenses.claims:Obliviousness"
    assert rebuilt(spec) == claim


def test_a_field_without_json_form_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"Holder\.thing is a Thing, which has no JSON form"):
        Spec.of(Holder(thing=Thing(need=1)))


def test_an_unknown_field_lists_the_valid_ones() -> None:
    with pytest.raises(SpecError, match=r"Thing has no field 'nede'; valid fields: need, share"):
        Spec(path="spec_example:Thing", fields={"nede": 1}).build()
    with pytest.raises(SpecError, match="no field 'derived'"):
        Spec(path="spec_example:Thing", fields={"need": 1, "derived": 2}).build()


def test_a_class_in_a_file(plugin: Path) -> None:
    spec = Spec(path=f"{plugin}:Plugin", fields={"k": 9, "names": ["a"]})
    built = spec.build()
    assert (built.k, built.names) == (9, ("a",))
    again = Spec.of(built)
    assert again == Spec(path=f"{plugin}:Plugin", fields={"k": 9, "names": ["a"]})
    assert again.build() == built
    assert Spec(path=f"{plugin}:Outer.Inner").build().k == 3


def test_the_public_form_has_no_folder(plugin: Path) -> None:
    form = Spec(path=f"{plugin}:Plugin", fields={"k": 9}).to_dict()
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()
    assert form == {"path": "plugin.py:Plugin", "sha256": digest, "fields": {"k": 9}}
    assert str(plugin.parent) not in json.dumps(form)
    assert Spec.of(THINGS[0]).to_dict() == {"path": "spec_example:Thing", "fields": {"need": 1}}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "must be package.module:Class"),
        ("no_colon", "must be package.module:Class"),
        (":Class", "must be package.module:Class"),
        ("json:", "must be package.module:Class"),
        ("no_such_module_anywhere:Class", "is the package installed"),
        (".relative:Class", "without leading dots"),
        ("json:NoSuchClass", "'json' has no class 'NoSuchClass'"),
        ("json:loads", "has no class 'loads'"),
        ("missing.py:Class", "'missing.py' is not a Python file"),
        ("FILE:NOT_A_CLASS", "has no class 'NOT_A_CLASS'"),
        ("FILE:Bare", "Bare must be a dataclass"),
    ],
)
def test_what_cannot_be_found_says_so(path: str, message: str, plugin: Path) -> None:
    with pytest.raises(SpecError, match=message):
        Spec(path=path.replace("FILE", str(plugin))).build()


def test_a_missing_file_has_no_public_form() -> None:
    with pytest.raises(SpecError, match=r"'missing\.py' is not a Python file"):
        Spec(path="somewhere/missing.py:Class").to_dict()


def test_a_file_that_fails_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text("raise RuntimeError('not yet')")
    with pytest.raises(RuntimeError, match="not yet"):
        Spec(path=f"{path}:Plugin").build()
    path.write_text(SOURCE + "# now\n")
    assert Spec(path=f"{path}:Plugin").build().k == 5
