"""Can the server's view be made up without the secret? An exact argument, not a game.

Two executions on different prompts and different coins are compared message by message, with the
contents of ciphertexts and public keys left out. If nothing else differs, everything that the
server sees apart from these follows from public parameters: a simulator writes it down. What is
left out is fresh encryption under keys whose decryptions no message carries, which ring-LWE
covers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from ..defenses.codec import Array, decode_arrays
from ..defenses.he_diffusion.seal_format import SealFormatError
from ..defenses.he_diffusion.tenseal_format import read_context
from ..defenses.protocol import execute
from ..defenses.seeds import derive
from ..defenses.transcript import View, header
from ..targets.pipeline import Target
from .contract import Setting
from .games import threads_for

PROMPTS = ("woman firefighter: dark skin tone, noto style", "man judge: light skin tone")
OPAQUE = ("cipher_", "term_cipher_", "shift_", "features_")
"""Tensors that hold ciphertexts, by the start of their names."""


def view(defense: Any, setting: Setting) -> dict[str, Any]:
    """Run two prompts, each with coins of its own, on the tiny model; compare what is left.

    Returns:
        `holds`: whether both agree and no context holds a secret key.
    """
    target = setting.target("tiny")
    seen, leaks = set(), False
    with threads_for(target):
        for number, prompt in enumerate(PROMPTS):
            own = _view(defense, target, prompt, derive(setting.seed, "simulated", number))
            rest, leaky = _rest(own)
            seen.add(rest)
            leaks |= leaky
    return {
        "name": "simulated view",
        "statement": (
            "apart from ciphertexts and public keys, the view is the same for every prompt and "
            "every picture"
        ),
        "executions": len(PROMPTS),
        "secret key in context": leaks,
        "holds": len(seen) == 1 and not leaks,
        "model": target.to_dict()["spec"],
    }


def _view(defense: Any, target: Target, prompt: str, seed: int) -> View:
    transcript = execute(defense, target, prompt, seed)[1]
    own = transcript.view(set(defense.servers))
    transcript.close()
    return own


def _rest(own: View) -> tuple[str, bool]:
    """Digest of everything but opaque tensors, and whether a context holds a secret key."""
    hasher, leaks = hashlib.sha256(), False
    for message in own.messages:
        hasher.update(json.dumps(header(replace(message, payload=b""))).encode())
        for name, tensor in sorted(decode_arrays(message.payload).items()):
            if name == "context":
                leaks |= _holds_key(tensor)
            if name == "context" or name.startswith(OPAQUE):
                hasher.update(f"{name} opaque\n".encode())
                continue
            hasher.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode() + tensor.tobytes())
    return hasher.hexdigest(), leaks


def _holds_key(context: Array) -> bool:
    try:
        return read_context(context.tobytes()).secret_key is not None
    except SealFormatError:
        return True
