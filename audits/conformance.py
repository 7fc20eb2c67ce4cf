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
from ..adversaries.jobs import Job
from ..adversaries.sealed import AdversaryError, score
from ..adversaries.share_views import LAYERS
from ..defenses.codec import ProtocolError
from ..defenses.dp_adaptation.aggregation import Aggregation
from ..defenses.he_diffusion.variants import AsReleased, ClientUnet
from ..defenses.obclip.protocol import ObClip
from ..defenses.ppidm.variants import Partition
from ..defenses.protocol import Defense, Mechanism, execute, public_parameters
from ..defenses.spec import Spec, SpecError
from ..defenses.transcript import View
from ..defenses.views import Views
from ..scenarios.contract import adjusted
from ..scenarios.releases import release_views
from ..targets.pipeline import Target, load
from .catalog import spec_of
from .config import UsageError
from .dispatch import audit_of

PROMPT = "woman firefighter: medium skin tone"
GAMES = 6
ENCRYPTED = frozenset({"condition", "denoise", "update"})
"""Message kinds of HE-Diffusion."""

PROMPTS = frozenset(
    {Question.WHICH_PROMPT, Question.WHICH_ATTRIBUTES, Question.WHICH_ROW_WAS_PUBLISHED}
)
"""Games about prompts."""

RECORDS, WIDTH = 8, 32


def check(kind: str, name: str) -> list[str]:
    """Return what `name` does not keep; empty if it conforms.

    Args:
        kind: `defense` or `adversary`.
        name: Id, `package.module:Class` or `file.py:Class`.

    Raises:
        UsageError: If `kind` is neither.
        SpecError: If nothing goes by that name.
    """
    if kind not in ("defense", "adversary"):
        raise UsageError(f"kind={kind!r} must be defense or adversary")
    spec = spec_of(kind, name)
    found = spec.find()
    if kind == "adversary":
        suite = _adversary
    else:
        suite = _mechanism if hasattr(found, "release") else _defense
        suite = _trained if hasattr(found, "model") else suite
    return [*_datasheet(found), *suite(spec)]


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
    yield from _claims(defense)
    if not defense.servers:
        yield "servers must name at least one party"
    target = load("tiny", device="cpu")
    digests = {_view(defense, target, seed=1).digest() for _ in range(2)}
    if len(digests) != 1:
        yield "two executions with one seed must have byte-identical views"
    for party in defense.servers:
        yield from _refuses_nonsense(defense, target, party)


def _claims(thing: Defense | Mechanism) -> Iterator[str]:
    if not isinstance(thing.claims, tuple):
        yield f"claims must be a tuple, not {type(thing.claims).__name__}; () promises nothing"
        return
    for claim in thing.claims:
        try:
            json.dumps(claim.to_dict())
            audit_of(claim)
        except (AttributeError, TypeError) as error:
            yield f"claims holds {claim!r}, which no audit takes: {error}"


def _mechanism(spec: Spec) -> Iterator[str]:
    try:
        mechanism: Mechanism = spec.build()
        Spec.of(mechanism).build()
    except (TypeError, ValueError) as error:
        yield f"it cannot be built from its defaults, or has no JSON form: {error}"
        return
    yield from _claims(mechanism)
    records = np.random.default_rng(3).standard_normal((RECORDS, WIDTH))
    try:
        json.dumps(mechanism.terms(RECORDS).to_dict())
        first, again = (
            mechanism.release(records, np.random.default_rng(5), trials=4) for _ in range(2)
        )
    except (AttributeError, TypeError, ValueError) as error:
        yield f"terms or release fails on {RECORDS} records of width {WIDTH}: {error}"
        return
    if first.ndim != 2 or len(first) != 4:
        yield f"release has shape {first.shape}; it must be (trials, d)"
    if first.tobytes() != again.tobytes():
        yield "two releases with one generator state must be equal: use rng and nothing else"
    try:
        mechanism.release(np.full((RECORDS, WIDTH), np.nan), np.random.default_rng(5), trials=1)
    except ValueError:
        return
    yield "release must refuse records that are not finite with ValueError"


def _trained(spec: Spec) -> Iterator[str]:
    try:
        trained = spec.build()
        Spec.of(trained).build()
        load(trained.model, device="cpu").open("unet", "scheduler")
    except (TypeError, ValueError) as error:
        yield f"it cannot be built from its defaults, or its model does not open: {error}"


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
        job = _job(adversary, Path(folder))
        try:
            openly = score(adversary, [job], sealed=False)["games"]
            sealed = score(adversary, [job], sealed=True)["games"]
        except (AdversaryError, ValueError) as error:
            yield f"it fails on views of the game that it plays: {error}"
            return
    if openly.tobytes() != sealed.tobytes():
        yield "sealed and open scores must agree bit for bit: use only views, facts and rng"
    if openly.shape != (GAMES, _columns(adversary)):
        yield f"scores have shape {openly.shape}; they must be (games, candidates)"


def _columns(adversary: Adversary) -> int:
    if adversary.plays & PROMPTS:
        return len(ObClip().candidates(PROMPT))
    if adversary.plays == {Question.WHAT_WAS_DRAWN}:
        return 0
    if adversary.reads & LAYERS:
        return 1 if Question.SAME_PROMPT in adversary.plays else len(ObClip().candidates(PROMPT))
    return 1 if Question.WAS_IT_USED in adversary.plays else RECORDS


def _job(adversary: Adversary, folder: Path) -> Job:
    if adversary.reads & ENCRYPTED:
        return _encrypted_job(adversary, folder)
    if adversary.reads & LAYERS:
        return _shared_job(adversary, folder)
    if adversary.plays & PROMPTS:
        return _prompt_job(folder)
    return _release_job(adversary, folder)


def _release_job(adversary: Adversary, folder: Path) -> Job:
    """Releases of token embeddings or pictures, on the tiny model."""
    mechanism, target = Aggregation(), load("tiny", device="cpu")
    rng = np.random.default_rng(3)
    records = rng.standard_normal((RECORDS, WIDTH))
    pictures = rng.integers(0, 256, (GAMES, 2, 64, 64, 3)).astype(np.uint8)
    vectors = mechanism.release(records, rng, trials=GAMES)
    kind = "pictures" if "pictures" in adversary.reads else "release"
    name, column = ("pictures", pictures) if kind == "pictures" else ("vector", vectors)
    views = release_views(
        {name: column}, kind=kind, public=mechanism.terms(RECORDS).to_dict(), path=folder / "views"
    )
    facts = Auxiliary(
        target={
            "record": records[0],
            "replacement": records[1],
            "image": pictures[0, 0],
            "replacement image": pictures[0, 1],
            "candidates": records,
        },
        others=records[2:],
        weights={**target.to_dict(), "open": dataclasses.asdict(target)},
    )
    return Job(name="games", views=views, auxiliary=facts, seed=5)


def _encrypted_job(adversary: Adversary, folder: Path) -> Job:
    """Partly encrypted latents on the tiny model, from a server that has the U-Net or not."""
    kind = AsReleased if "update" not in adversary.reads else ClientUnet
    defense, target = kind(steps=2, parameters="small"), load("tiny", device="cpu")
    prompts = ObClip().candidates(PROMPT)
    views = Views.of(
        ([_view(defense, target, seed, prompts[seed])] for seed in range(GAMES)), folder / "views"
    )
    latents = np.random.default_rng(3).standard_normal((GAMES, RECORDS, 64))
    facts = Auxiliary(
        candidates=(prompts,) * GAMES,
        target={"candidates": latents},
        weights={**target.to_dict(), "open": dataclasses.asdict(target)},
    )
    return Job(name="games", views=views, auxiliary=facts, seed=5)


def _shared_job(adversary: Adversary, folder: Path) -> Job:
    """Inputs of layers as all servers of PPIDM see them, on the tiny model."""
    defense, target = Partition(n=2, steps=1), load("tiny", device="cpu")
    prompts = ObClip().candidates(PROMPT)
    sessions = 2 if Question.SAME_PROMPT in adversary.plays else 1
    games = (
        [_view(defense, target, seed + GAMES * again, prompts[seed]) for again in range(sessions)]
        for seed in range(GAMES)
    )
    views = Views.of(games, folder / "views")
    facts = Auxiliary(
        candidates=(prompts,) * GAMES,
        weights={**target.to_dict(), "open": dataclasses.asdict(target)},
    )
    return Job(name="games", views=views, auxiliary=facts, seed=5)


def _prompt_job(folder: Path) -> Job:
    defense, target = ObClip(steps=2, k=1), load("tiny", device="cpu")
    candidates = ObClip().candidates(PROMPT)
    truth = np.arange(GAMES) % len(candidates)
    views = Views.of(
        ([_view(defense, target, seed, candidates[real])] for seed, real in enumerate(truth)),
        folder / "views",
    )
    sets = (candidates,) * GAMES
    shadow = Shadow(views=views, candidates=sets, labels=truth)
    weights = {**target.to_dict(), "open": dataclasses.asdict(target)}
    facts = Auxiliary(
        candidates=sets,
        shadow=shadow,
        weights=weights,
        target={"published": np.zeros((GAMES, 8, 8, 3), np.uint8)},
    )
    return Job(name="games", views=views, auxiliary=facts, seed=5)


def _view(defense: Defense, target: Target, seed: int, prompt: str = PROMPT) -> View:
    transcript = execute(defense, target, prompt, seed)[1]
    view = transcript.view(defense.servers)
    transcript.close()
    return view
