"""What a run was asked to do: validated, JSON both ways, and compared on resume."""

from __future__ import annotations

import dataclasses
import enum
import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..defenses.spec import SpecError

PROFILES = ("quick", "full")


class UsageError(ValueError):
    """The caller asked for something that cannot be; exit status 2."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides what a run computes.

    Attributes:
        scenarios: Scenario ids or paths.
        profile: `quick` or `full`.
        defense: A defence's id or path; None takes what the scenario is about.
        adversaries: Ids or paths; empty takes the scenario's own.
        coalition: Corrupted parties; empty takes the scenario's own.
        model: `embedded`, a folder or a hub id; of full games.
        local_model: The client's own model, if not what `model` brings along.
        revision: Of a hub model.
        dtype: Of the weights of full games. float32 gives the same findings on any machine;
            bfloat16 saves a third of the time of large batches on a CPU with AMX.
        device: `auto`, `cpu` or `cuda`.
        trials: Scored cheap games; None takes the profile's.
        alpha: Probability of refuting a true claim, for the whole run.
        seed: Of every random stream.
        threads: Of a sealed adversary's numeric libraries.
        sealed: Adversaries in processes of their own.
        settings: Dotted fields, such as `defense.k`.
    """

    scenarios: tuple[str, ...] = ("which-prompt",)
    profile: str = "quick"
    defense: str | None = None
    adversaries: tuple[str, ...] = ()
    coalition: tuple[str, ...] = ()
    model: str = "embedded"
    local_model: str | None = None
    revision: str | None = None
    dtype: str = "float32"
    device: str = "auto"
    trials: int | None = None
    alpha: float = 0.01
    seed: int = 0
    threads: int = 1
    sealed: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.scenarios:
            raise UsageError("scenarios is empty; name one, or 'all' (see: latentleak list)")
        if self.profile not in PROFILES:
            raise UsageError(f"profile={self.profile!r} must be one of {', '.join(PROFILES)}")
        if not 0 < self.alpha < 0.5:
            raise UsageError(f"alpha={self.alpha} must be > 0 and < 0.5")
        for name, least in (("seed", 0), ("threads", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"{name}={getattr(self, name)} must be >= {least}")
        if self.trials is not None and self.trials < 1:
            raise UsageError(f"trials={self.trials} must be >= 1")

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return values

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RunConfig:
        """From `to_dict`."""
        own: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**own)

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """What another run's configuration says differently, one line each."""
        mine = self.to_dict()
        names = sorted(set(mine) | set(other))
        return [
            f"{name}: {other.get(name)!r} then, {mine.get(name)!r} now"
            for name in names
            if mine.get(name) != other.get(name)
        ]

    def under(self, prefix: str) -> dict[str, Any]:
        """Settings below `prefix`, without it."""
        dotted = prefix + "."
        return {k.removeprefix(dotted): v for k, v in self.settings.items() if k.startswith(dotted)}


def parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` pairs; values are JSON where they parse as JSON, else text.

    Raises:
        UsageError: If a pair has no `=`, or a name starts with none of the known prefixes.
    """
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name.partition(".")[0] not in ("defense", "scenario"):
            raise UsageError(f"--set {pair!r} must be defense.FIELD=VALUE or scenario.FIELD=VALUE")
        try:
            settings[name] = json.loads(text)
        except ValueError:
            settings[name] = text
    return settings


def configured(thing: Any, settings: Mapping[str, Any], label: str) -> Any:
    """Copy of a dataclass instance with `settings` applied, names and types checked.

    Raises:
        UsageError: If a name is unknown (the message lists the valid ones) or a value has the
            wrong type.
    """
    hints = get_type_hints(type(thing))
    valid = {f.name: hints[f.name] for f in dataclasses.fields(thing) if f.init}
    values = {}
    for name, value in settings.items():
        if name not in valid:
            raise UsageError(
                f"{label}.{name} is not a field of {type(thing).__name__}; valid: "
                f"{', '.join(f'{label}.{known}' for known in valid)}"
            )
        values[name] = _typed(value, valid[name], f"{label}.{name}")
    try:
        return dataclasses.replace(thing, **values)
    except (ValueError, SpecError) as error:
        raise UsageError(f"{label}: {error}") from error


def _typed(value: Any, hint: Any, name: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        for choice in get_args(hint):
            try:
                return _typed(value, choice, name)
            except UsageError:
                continue
    elif origin is Literal:
        if value in get_args(hint):
            return value
        raise UsageError(f"{name}={value!r} must be one of {', '.join(map(str, get_args(hint)))}")
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        if value in [member.value for member in hint]:
            return hint(value)
        raise UsageError(
            f"{name}={value!r} must be one of {', '.join(str(member.value) for member in hint)}"
        )
    elif origin is tuple and isinstance(value, list | int | float | str):
        items = value if isinstance(value, list) else [value]
        return tuple(_typed(item, get_args(hint)[0], name) for item in items)
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint in (int, str, bool, type(None)) and type(value) is hint:
        return value
    wanted = getattr(hint, "__name__", str(hint))
    raise UsageError(f"{name}={value!r} must be of type {wanted}")
