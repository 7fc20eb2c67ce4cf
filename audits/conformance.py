"""One suite of rules for defences and adversaries, ours and third parties'.

Use it from the command line (`latentleak conformance adversary mine.py:Mine`), or in a test:

    assert not conformance.check("adversary", "mine:Mine")
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..adversaries.contract import Adversary, Auxiliary, Knowledge, Question, Shadow
from ..adversaries.sealed import AdversaryError, Job, score
from ..defenses.codec import ProtocolError
from ..defenses.obclip.protocol import ObClip
from ..defenses.protocol import Defense, execute, public_parameters
from ..defenses.spec import Spec, SpecError
from ..defenses.transcript import View
from ..defenses.views import Views
from ..scenarios.contract import adjusted
from ..targets.pipeline import Target, load
from .catalog import spec_of
from .config import UsageError

PROMPT = "woman firefighter: medium skin tone"
GAMES = 6


def check(kind: str, name: str) -> list[str]:
    """Return what `name` does not keep; empty if it conforms.

    Args:
        kind: `defense` or `adversary`.
        name: Id, `package.module:Class` or `file.py:Class`.

    Raises:
        UsageError: If `kind` is neither.
        SpecError: If nothing goes by that name.
    """
    suites = {"defense": _defense, "adversary": _adversary}
    if kind not in suites:
        raise UsageError(f"kind={kind!r} must be defense or adversary")
    spec = spec_of(kind, name)
    return [*_datasheet(spec.find()), *suites[kind](spec)]


def _datasheet(kind: type[Any]) -> Iterator[str]:
    if not getattr(getattr(kind, "__dataclass_params__", None), "frozen", False):
        yield f"{kind.__name__} must be a frozen dataclass: the constructor is the configuration"
        return
    if not (kind.__doc__ or "").strip() or (kind.__doc__ or "").startswith(kind.__name__ + "("):
        yield f"{kind.__name__} must have a docstring that says what it does"
    needy = [
        f.name
        for f in dataclasses.fields(kind)
        if f.init and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if needy:
        yield f"{kind.__name__}.{needy[0]} must have a default: latentleak builds it by name alone"


def _defense(spec: Spec) -> Iterator[str]:
    try:
        defense: Defense = adjusted(spec.build(), steps=2, k=1)
    except (TypeError, ValueError) as error:
        yield f"it cannot be built from its defaults: {error}"
        return
    try:
        Spec.of(defense).build()
        json.dumps(public_parameters(defense))
    except (SpecError, TypeError) as error:
        yield f"its configuration has no JSON form: {error}"
    if not defense.servers:
        yield "servers must name at least one party"
    target = load("tiny", device="cpu")
    digests = {_view(defense, target, seed=1).digest() for _ in range(2)}
    if len(digests) != 1:
        yield "two executions with one seed must have byte-identical views"
    for party in defense.servers:
        yield from _refuses_nonsense(defense, target, party)


def _refuses_nonsense(defense: Defense, target: Target, party: Any) -> Iterator[str]:
    try:
        defense.server(party, target, 0).handle("no-such-kind", {})
    except ProtocolError:
        return
    except Exception as error:  # whatever a stranger's server raises instead
        yield f"{party} must answer nonsense with ProtocolError, not {type(error).__name__}"
        return
    yield f"{party} must answer nonsense with ProtocolError, but it answered"


def _adversary(spec: Spec) -> Iterator[str]:
    kind = spec.find()
    for name, member in (("plays", Question), ("needs", Knowledge), ("reads", str)):
        value = getattr(kind, name, None)
        if not isinstance(value, frozenset) or not all(isinstance(v, member) for v in value):
            yield f"{kind.__name__}.{name} must be a frozenset of {member.__name__}"
            return
    try:
        adversary: Adversary = spec.build()
        Spec.of(adversary).build()
    except (TypeError, ValueError) as error:
        yield f"it cannot be built from its fields: {error}"
        return
    with tempfile.TemporaryDirectory(prefix="latentleak-") as folder:
        job = _job(Path(folder))
        try:
            openly = score(adversary, [job], sealed=False)["games"]
            sealed = score(adversary, [job], sealed=True)["games"]
        except (AdversaryError, ValueError) as error:
            yield f"it fails on views of {ObClip.__name__}: {error}"
            return
    if openly.tobytes() != sealed.tobytes():
        yield "sealed and open scores must agree bit for bit: use only views, facts and rng"
    if openly.shape != (GAMES, len(ObClip().candidates(PROMPT))):
        yield f"scores have shape {openly.shape}; they must be (games, candidates)"


def _job(folder: Path) -> Job:
    defense, target = ObClip(steps=2, k=1), load("tiny", device="cpu")
    candidates = ObClip().candidates(PROMPT)
    truth = np.arange(GAMES) % len(candidates)
    views = Views.of(
        ([_view(defense, target, seed, candidates[real])] for seed, real in enumerate(truth)),
        folder / "views",
    )
    sets = (candidates,) * GAMES
    shadow = Shadow(views=views, candidates=sets, labels=truth)
    facts = Auxiliary(candidates=sets, shadow=shadow, weights=target.to_dict())
    return Job(name="games", views=views, auxiliary=facts, seed=5)


def _view(defense: Defense, target: Target, seed: int, prompt: str = PROMPT) -> View:
    transcript = execute(defense, target, prompt, seed)[1]
    view = transcript.view(defense.servers)
    transcript.close()
    return view
