"""Both halves together: fidelity, what crosses, who can decrypt, and what nonsense does."""

from __future__ import annotations

import gc
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import tenseal as ts
import torch
from torch import Tensor

from latentleak.audits import conformance
from latentleak.defenses.claims import Hidden, Indistinguishability, SecurityLevel
from latentleak.defenses.codec import ProtocolError, decode, decode_arrays
from latentleak.defenses.he_diffusion.flooding import flooding_ratio, update_noise
from latentleak.defenses.he_diffusion.keys import SeededKeys, public_context
from latentleak.defenses.he_diffusion.parameters import LEAN
from latentleak.defenses.he_diffusion.procedure import Procedure
from latentleak.defenses.he_diffusion.protocol import SERVER, HeDiffusion
from latentleak.defenses.he_diffusion.sampler import Grid, NoisePredictor, sample
from latentleak.defenses.he_diffusion.selection import Latent, Mask, min_distortion
from latentleak.defenses.he_diffusion.tenseal_format import read_context
from latentleak.defenses.he_diffusion.variants import (
    VARIANTS,
    AsReleased,
    ClientUnet,
    EncryptedTerm,
    FullEncryption,
    FullyHardened,
)
from latentleak.defenses.protocol import execute
from latentleak.defenses.seeds import derive, torch_stream
from latentleak.defenses.spec import Spec
from latentleak.defenses.transcript import Transcript
from latentleak.targets import sampling
from latentleak.targets.pipeline import Target

PROMPT = "woman firefighter: medium skin tone"
NAMES = [kind.__name__ for kind in VARIANTS]


def plain_latents(config: HeDiffusion, tiny: Target, seed: int) -> Latent:
    """What the same sampler gives in the clear."""
    pipe = sampling.open_denoiser(tiny)
    grid = Grid.of(pipe.scheduler, config.steps)
    noise = sampling.initial_noise(
        pipe, config.samples, torch_stream(derive(seed, "client"), "noise")
    )
    predict = NoisePredictor(
        pipe=pipe,
        conditioning=sampling.encode_prompts(pipe, [PROMPT] * config.samples),
        guidance=config.guidance,
        grid=grid,
    )
    return sample(predict, grid, noise.double().numpy(), config.method)


@pytest.mark.parametrize(
    ("kind", "method"),
    [*((kind, "plms") for kind in VARIANTS), (AsReleased, "ddim"), (FullEncryption, "ddim")],
)
def test_the_output_is_that_of_the_plain_sampler(
    tiny: Target, kind: type[HeDiffusion], method: str
) -> None:
    config = kind(steps=5, method=method, parameters="lean")
    output, transcript = execute(config, tiny, PROMPT, 1)
    transcript.close()
    difference = abs(output.latents.numpy() - plain_latents(config, tiny, 1)).max()
    assert difference < 1e-3  # about 3e-6 here; the model amplifies what a step adds
    assert output.latents.dtype == torch.float32


def test_every_update_is_within_1e6_of_the_plaintext_update(tiny: Target) -> None:
    """The lean set, step by step, on what crossed the wire."""
    config = FullEncryption(steps=6)
    keys = SeededKeys(LEAN, derive(derive(2, "client"), "keys", 0))
    grid = Grid.of(sampling.open_denoiser(tiny).scheduler, 6)
    _, transcript = execute(config, tiny, PROMPT, 2)
    steps = [m for m in transcript if m.kind == "update"]
    for step in range(6):
        asked, told = (decode_arrays(m.payload) for m in steps[2 * step : 2 * step + 2])
        latent = keys.decrypt([asked["cipher_0"].tobytes()], 64)
        updated = keys.decrypt([told["cipher_0"].tobytes()], 64)
        exact = grid.factor(step) * latent + asked["term"].ravel()
        assert abs(updated - exact).max() < 1e-6


@pytest.mark.parametrize("samples", [1, 3])
def test_samples_share_ciphertexts(tiny: Target, samples: int) -> None:
    config = FullEncryption(steps=2, parameters="small", samples=samples)
    output, transcript = execute(config, tiny, PROMPT, 1)
    assert output.latents.shape == (samples, 4, 4, 4)
    assert abs(output.latents.numpy() - plain_latents(config, tiny, 1)).max() < 0.05
    update = next(decode(m.payload) for m in transcript if m.kind == "update")
    assert len(update["indices"]) == 64 * samples
    assert "cipher_1" not in update


EXPECTED: dict[type[HeDiffusion], dict[str, set[str]]] = {
    AsReleased: {
        "context": {"context"},
        "condition": {"text", "empty"},
        "denoise": {"step", "latent", "rest", "indices", "cipher_0"},
    },
    ClientUnet: {
        "context": {"context"},
        "update": {"step", "term", "rest", "indices", "cipher_0"},
    },
    EncryptedTerm: {
        "context": {"context"},
        "update": {"step", "term", "term_cipher_0", "rest", "indices", "cipher_0"},
    },
    FullEncryption: {
        "context": {"context"},
        "update": {"step", "term", "rest", "indices", "cipher_0"},
    },
    FullyHardened: {
        "context": {"context"},
        "update": {"step", "term", "term_cipher_0", "rest", "indices", "cipher_0"},
    },
}


@pytest.mark.parametrize("kind", VARIANTS, ids=NAMES)
def test_what_crosses_is_what_the_roles_imply(tiny: Target, kind: type[HeDiffusion]) -> None:
    _, transcript = execute(kind(steps=3, parameters="small"), tiny, PROMPT, 1)
    asked: dict[str, list[dict[str, Tensor]]] = {}
    for message in transcript:
        content = decode(message.payload)
        if message.sender != SERVER:
            asked.setdefault(message.kind, []).append(content)
            assert set(content) == EXPECTED[kind][message.kind]
        elif message.kind in ("denoise", "update"):
            assert set(content) == {"rest", "cipher_0"}
        else:
            assert content == {}
    assert set(asked) == set(EXPECTED[kind])
    assert len(asked["context"]) == (3 if kind is FullyHardened else 1)
    for step, content in enumerate(asked.get("denoise", asked.get("update", []))):
        hidden = content["indices"].long()
        assert int(content["step"]) == step
        assert (content["rest"].flatten()[hidden] == 0).all()
        if issubclass(kind, FullEncryption):
            assert hidden.tolist() == list(range(64))
        if "term_cipher_0" in content:
            assert (content["term"].flatten()[hidden] == 0).all()


def test_the_fully_hardened_server_sees_zeros_and_ciphertexts(tiny: Target) -> None:
    """In the clear, executions on different secrets are equal byte for byte."""
    clear = []
    for prompt, seed in ((PROMPT, 1), ("man judge: dark skin tone", 2)):
        _, transcript = execute(FullyHardened(steps=2, parameters="small"), tiny, prompt, seed)
        content = [decode(m.payload) for m in transcript if m.sender != SERVER]
        clear.append(
            [
                (name, tensor.tolist())
                for tensors in content
                for name, tensor in sorted(tensors.items())
                if name != "context" and "cipher" not in name
            ]
        )
    assert clear[0] == clear[1]


def test_the_released_hand_back_is_the_decryption(tiny: Target) -> None:
    """The pairs from which a key is recovered: what the server sent, and what it means."""
    config = AsReleased(steps=3, parameters="lean")
    keys = SeededKeys(LEAN, derive(derive(1, "client"), "keys", 0))
    _, transcript = execute(config, tiny, PROMPT, 1)
    steps = [decode_arrays(m.payload) for m in transcript if m.kind == "denoise"]
    for asked, told, then in zip(steps[::2], steps[1::2], steps[2::2], strict=False):
        values = keys.decrypt([told["cipher_0"].tobytes()], len(asked["indices"]))
        assert (then["latent"].ravel()[asked["indices"]] == values).all()


def test_a_changing_selection_hands_back_decryptions_too(tiny: Target) -> None:
    """Role B: an entry that was encrypted and now lies in the rest is one."""
    config = EncryptedTerm(steps=4, threshold=0.3)
    keys = SeededKeys(LEAN, derive(derive(1, "client"), "keys", 0))
    _, transcript = execute(config, tiny, PROMPT, 1)
    steps = [decode_arrays(m.payload) for m in transcript if m.kind == "update"]
    shared = 0
    for asked, told, then in zip(steps[::2], steps[1::2], steps[2::2], strict=False):
        values = keys.decrypt([told["cipher_0"].tobytes()], len(asked["indices"]))
        after = then["rest"].ravel()[asked["indices"]]
        shared += int((after == values).sum())
        assert ((after == values) | (after == 0)).all()
    assert shared > 0


# Keys.


def reachable(start: object) -> Iterator[object]:
    """Everything that references lead to, but for modules, classes and functions' globals."""
    seen, stack = set(), [start]
    closed = (types.ModuleType, type, types.BuiltinFunctionType)
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, closed):
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, types.FunctionType):
            stack += [thing.__closure__, thing.__defaults__, thing.__kwdefaults__]
        else:
            stack += gc.get_referents(thing)


def holds_secret_key(content: bytes, secrets: list[bytes]) -> bool:
    """Whether TenSEAL finds a secret key in `content`, or one of `secrets` lies in it."""
    if any(secret in content for secret in secrets):
        return True
    try:
        return bool(ts.context_from(content, n_threads=1).has_secret_key())
    except (ValueError, RuntimeError):
        return False


def secret_keys_found(config: HeDiffusion, tiny: Target) -> list[str]:
    """Where the server half of one execution could find a secret key."""
    servers: list[Any] = []
    recording = _Recording(config, servers)
    _, transcript = execute(recording, tiny, PROMPT, 1)
    seeds = [derive(derive(1, "client"), "keys", step) for step in range(config.steps)]
    secrets = [_secret_key(SeededKeys(config.ckks, seed)) for seed in seeds]
    found = []
    for thing in reachable(servers[0]):
        if isinstance(thing, ts.Context) and thing.has_secret_key():
            found.append("context")
        if isinstance(thing, bytes | bytearray) and holds_secret_key(bytes(thing), secrets):
            found.append("bytes")
        if isinstance(thing, Tensor) and thing.dtype == torch.uint8:
            found += ["tensor"] * holds_secret_key(thing.numpy().tobytes(), secrets)
    for message in transcript:
        for name, block in decode(message.payload).items():
            found += [name] * holds_secret_key(block.contiguous().numpy().tobytes(), secrets)
    return found


@dataclass(frozen=True)
class _Recording:
    """A defence that keeps hold of the server half that it makes."""

    inner: HeDiffusion
    made: list[Any]

    @property
    def servers(self) -> Any:
        return self.inner.servers

    @property
    def claims(self) -> Any:
        return self.inner.claims

    def client(self, *arguments: Any) -> Any:
        return self.inner.client(*arguments)

    def server(self, *arguments: Any) -> Any:
        self.made.append(self.inner.server(*arguments))
        return self.made[-1]


def _secret_key(keys: SeededKeys) -> bytes:
    """SEAL's bytes of the secret key: what a private context has and a public one lacks."""
    own = keys.context.serialize(
        save_secret_key=True, save_galois_keys=False, save_relin_keys=False
    )
    return bytes(own[len(public_context(keys.context)) + 8 :])


def private_context(context: Any) -> bytes:
    """The mistake: everything."""
    return bytes(
        context.serialize(save_secret_key=True, save_galois_keys=False, save_relin_keys=False)
    )


@pytest.mark.parametrize("kind", VARIANTS, ids=NAMES)
def test_no_server_half_reaches_a_secret_key(tiny: Target, kind: type[HeDiffusion]) -> None:
    assert secret_keys_found(kind(steps=2, parameters="small"), tiny) == []


def test_the_search_finds_a_key_that_was_sent(tiny: Target) -> None:
    config = AsReleased(steps=2, parameters="small", procedure=Procedure(export=private_context))
    assert {"context"} <= set(secret_keys_found(config, tiny))


def test_fresh_keys_are_fresh(tiny: Target) -> None:
    config = AsReleased(steps=3, parameters="small", fresh_keys=True)
    _, transcript = execute(config, tiny, PROMPT, 1)
    contexts = [m.payload for m in transcript if m.kind == "context" and m.sender != SERVER]
    assert len(set(contexts)) == 3


# Procedures, seeds, flooding.


def test_one_seed_gives_one_view(tiny: Target) -> None:
    def digest(seed: int, **changes: Any) -> str:
        config = FullyHardened(steps=2, parameters="small", **changes)
        transcript = execute(config, tiny, PROMPT, seed)[1]
        return transcript.view({SERVER}).digest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)
    assert digest(1, seeded=False) != digest(1, seeded=False)


def test_the_operating_system_gives_the_same_images(tiny: Target) -> None:
    config = FullEncryption(steps=3)
    seeded = execute(config, tiny, PROMPT, 1)[0].latents
    random = execute(replace(config, seeded=False), tiny, PROMPT, 1)[0].latents
    torch.testing.assert_close(seeded, random, atol=1e-5, rtol=0)


def test_flooding_hides_all_but_the_last_decryption(tiny: Target) -> None:
    config = AsReleased(steps=3, parameters="lean", flooding_bits=20, method="ddim")
    keys = SeededKeys(LEAN, derive(derive(1, "client"), "keys", 0))
    grid = Grid.of(sampling.open_denoiser(tiny).scheduler, 3)
    output, transcript = execute(config, tiny, PROMPT, 1)
    steps = [decode_arrays(m.payload) for m in transcript if m.kind == "denoise"]
    ratio = flooding_ratio(shared=2, statistical_bits=20)
    for step in range(2):
        asked, told, then = steps[2 * step : 2 * step + 3]
        exact = keys.decrypt([told["cipher_0"].tobytes()], len(asked["indices"]))
        noise = then["latent"].ravel()[asked["indices"]] - exact
        sigma = ratio * update_noise(LEAN, factor=grid.factor(step), encrypted_term=False)
        assert 0.5 < noise.std() / sigma < 1.7  # about 60 Gaussian numbers
    asked, told = steps[4:]
    last = keys.decrypt([told["cipher_0"].tobytes()], len(asked["indices"]))
    assert (output.latents.numpy().ravel()[asked["indices"]] == last.astype(np.float32)).all()


def test_each_step_of_the_procedure_is_used(tiny: Target) -> None:
    calls: list[str] = []

    def select(latent: Latent, threshold: float) -> Mask:
        calls.append("select")
        return min_distortion(latent, threshold)

    def cover(latent: Latent, fraction: float, rng: np.random.Generator) -> Mask:
        calls.append("cover")
        return np.ones(latent.shape, dtype=np.bool_)

    def flood(values: Any, sigma: float, rng: np.random.Generator) -> Any:
        calls.append("flood")
        return values

    def export(context: Any) -> bytes:
        calls.append("export")
        return public_context(context)

    procedure = Procedure(export=export, select=select, cover=cover, flood=flood)
    config = AsReleased(steps=2, parameters="small", flooding_bits=1, procedure=procedure)
    execute(config, tiny, PROMPT, 1)
    assert calls == ["export", "select", "flood", "select"]
    calls.clear()
    execute(replace(config, encrypt_fraction=0.5, fresh_keys=True), tiny, PROMPT, 1)
    assert calls == ["export", "cover", "flood", "export", "cover"]


@pytest.mark.parametrize("fraction", [None, 0.5, 1.0])
def test_the_first_layer_at_the_server(tiny: Target, fraction: float | None) -> None:
    config = EncryptedTerm(steps=3, offload_conv_in=True, encrypt_fraction=fraction)
    output, transcript = execute(config, tiny, PROMPT, 1)
    assert abs(output.latents.numpy() - plain_latents(config, tiny, 1)).max() < 1e-3
    asked = [decode(m.payload) for m in transcript if m.kind == "conv-in" and m.sender != SERVER]
    assert len(asked) == 4  # PLMS asks the U-Net twice at its first step
    if fraction == 1.0:
        assert all((content["rest"] == 0).all() for content in asked)


# Nonsense.


def replayed(config: HeDiffusion, tiny: Target) -> tuple[Any, dict[str, Mapping[str, Tensor]]]:
    """A fresh server half, and the first message of every kind of an execution."""
    _, transcript = execute(config, tiny, PROMPT, 1)
    first: dict[str, Mapping[str, Tensor]] = {}
    for message in transcript:
        if message.sender != SERVER:
            first.setdefault(message.kind, decode(message.payload))
    return config.server(SERVER, tiny, 0), first


@pytest.mark.parametrize(
    "config",
    [
        AsReleased(steps=2, parameters="small"),
        EncryptedTerm(steps=2, parameters="small", offload_conv_in=True),
    ],
    ids=lambda c: c.unet,
)
def test_malformed_messages_are_refused(tiny: Target, config: HeDiffusion) -> None:
    server, first = replayed(config, tiny)
    for kind in first:
        if kind not in ("context", "condition"):
            with pytest.raises(ProtocolError, match="must come"):
                server.handle(kind, first[kind])
    for kind, good in first.items():
        for bad in damaged(good):
            with pytest.raises(ProtocolError):
                server.handle(kind, bad)
        server.handle(kind, good)  # and what was refused did no harm
    for kind in ("denoise", "update"):
        if kind in first:
            with pytest.raises(ProtocolError, match="step=0 must be 1"):
                server.handle(kind, first[kind])


def damaged(good: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    yield {}
    yield {**good, "more": torch.zeros(1)}
    for name, tensor in good.items():
        without = {k: v for k, v in good.items() if k != name}
        yield without
        yield {**without, name: torch.zeros(3, 3, 3)}
        yield {**without, name: torch.empty(0, dtype=tensor.dtype)}
        if tensor.dtype == torch.uint8:
            yield {**without, name: tensor[:-1]}
            yield {**without, name: torch.zeros_like(tensor)}
            yield {**without, name: tensor.flip(0)}
        elif tensor.is_floating_point():
            yield {**without, name: torch.full_like(tensor, torch.nan)}
            yield {**without, name: tensor[..., :-1]}
        else:
            yield {**without, name: tensor - 100}
            yield {**without, name: tensor + 10**6}


def test_a_context_of_other_parameters_is_refused(tiny: Target) -> None:
    _, first = replayed(ClientUnet(steps=2, parameters="small"), tiny)
    server = ClientUnet(steps=2, parameters="lean").server(SERVER, tiny, 0)
    with pytest.raises(ProtocolError, match="must start with the parameters 'lean'"):
        server.handle("context", first["context"])


def test_ciphertexts_of_another_key_are_only_noise(tiny: Target) -> None:
    """They open, since nothing in a ciphertext names its key, and decrypt to nonsense."""
    server, first = replayed(FullEncryption(steps=2, parameters="small"), tiny)
    server.handle("context", first["context"])
    other = SeededKeys(server._config.ckks, 99)
    message = other.encrypt(np.ones(64))[0]
    cipher = torch.frombuffer(bytearray(message), dtype=torch.uint8)
    answer = server.handle("update", {**first["update"], "cipher_0": cipher})
    own = SeededKeys(server._config.ckks, derive(derive(1, "client"), "keys", 0))
    values = own.decrypt([answer["cipher_0"].numpy().tobytes()], 64)
    assert abs(values).max() > 10


@pytest.mark.parametrize("answer", [{}, {"rest": torch.zeros(1)}, {"cipher_0": torch.zeros(1)}])
def test_a_client_refuses_odd_answers(tiny: Target, answer: dict[str, Tensor]) -> None:
    config = ClientUnet(steps=2, parameters="small")
    wire = types.SimpleNamespace(call=lambda server, kind, tensors: answer)
    with pytest.raises(ProtocolError):
        config.client(tiny, PROMPT, wire, 1)


# Configuration.


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"steps": 0}, "steps=0 must be >= 1"),
        ({"samples": 0}, "samples=0 must be >= 1"),
        ({"method": "euler"}, "method='euler' must be one of plms, ddim"),
        ({"unet": "cloud"}, "unet='cloud' must be one of server, client"),
        ({"precision": "float16"}, "precision='float16' must be one of float64, float32"),
        ({"parameters": "huge"}, "parameters='huge' must be one of"),
        ({"threshold": 1.0}, "threshold=1 must be >= 0 and < 1"),
        ({"encrypt_fraction": 0.0}, "encrypt_fraction=0 must be > 0 and <= 1"),
        ({"flooding_bits": -1.0}, "flooding_bits=-1 must be >= 0"),
        ({"encrypt_update_term": True}, "need unet='client'"),
        ({"offload_conv_in": True}, "need unet='client'"),
        ({"unet": "client", "flooding_bits": 3.0}, "flooding_bits needs unet='server'"),
    ],
)
def test_impossible_configurations_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        HeDiffusion(**fields)


@pytest.mark.parametrize("kind", VARIANTS, ids=NAMES)
def test_each_variant_keeps_the_rules_for_defences(kind: type[HeDiffusion]) -> None:
    assert conformance.check("defense", f"{kind.__module__}:{kind.__name__}") == []


@pytest.mark.parametrize("kind", VARIANTS, ids=NAMES)
def test_each_variant_makes_the_claims_of_the_paper(kind: type[HeDiffusion]) -> None:
    claims = kind().claims
    assert [c.what for c in claims if isinstance(c, Hidden)] == ["image", "prompt"]
    assert sum(isinstance(c, Indistinguishability) for c in claims) == 1
    levels = [c for c in claims if isinstance(c, SecurityLevel)]
    assert [c.bits for c in levels] == [128, 128]
    assert Spec.of(kind()).build() == kind()


def test_contexts_cross_without_what_no_one_uses(tiny: Target) -> None:
    transcript: Transcript = execute(ClientUnet(steps=1), tiny, PROMPT, 1)[1]
    content = next(decode_arrays(m.payload) for m in transcript if m.kind == "context")
    context = read_context(content["context"].tobytes())
    assert context.secret_key is None
    assert context.public_key is not None
    assert len(content["context"]) < 400_000
