"""Payload bytes: safetensors without metadata, in one canonical form.

Only numeric tensors cross between parties. `decode` accepts a byte string if and only if it is
what `encode` would have produced, so a payload has no spare room for a hidden message and
`encode(decode(payload)) == payload` always. Text travels as UTF-8 bytes in a tensor.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import safetensors

if TYPE_CHECKING:
    from torch import Tensor

Array = npt.NDArray[Any]

MAX_NAME = 64
"""Longest tensor name [characters]."""

MAX_RANK = 16
"""Most dimensions of a tensor."""

MAX_EXTENT = 1 << 40
"""Largest product of a tensor's dimensions, those of size 0 left out."""

# safetensors name -> (torch name, NumPy name of the stored bits), in the order of the format.
_DTYPES = {
    "I64": ("int64", "int64"),
    "F64": ("float64", "float64"),
    "F32": ("float32", "float32"),
    "I32": ("int32", "int32"),
    "BF16": ("bfloat16", "uint16"),
    "F16": ("float16", "float16"),
    "I16": ("int16", "int16"),
    "I8": ("int8", "int8"),
    "U8": ("uint8", "uint8"),
    "BOOL": ("bool", "bool"),
}
_BY_NAME = {name: code for code, (name, _) in _DTYPES.items()}
_PARSE: Callable[[bytes], Iterable[tuple[str, Mapping[str, Any]]]] = safetensors.deserialize
_RANK = {code: rank for rank, code in enumerate(_DTYPES)}


class ProtocolError(Exception):
    """A party sent something that the protocol does not allow."""


def encode(tensors: Mapping[str, Tensor]) -> bytes:
    """Serialise named numeric tensors; equal contents give equal bytes.

    Args:
        tensors: Name to tensor, any shape, on any device; views are made contiguous.

    Raises:
        ProtocolError: If a name, a type or a shape is not allowed on the wire.
    """
    import torch

    blocks: dict[str, tuple[str, Sequence[int], bytes]] = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor):
            raise ProtocolError(
                f"{name!r} is a {type(tensor).__name__}; only tensors cross the wire: encode text "
                "with encode_texts and numbers with torch.tensor"
            )
        code = str(tensor.dtype).removeprefix("torch.")
        if code not in _BY_NAME or tensor.layout != torch.strided or tensor.is_meta:
            raise ProtocolError(
                f"tensor {name!r} is {code}, {tensor.layout}, on {tensor.device}; it must hold "
                f"dense numbers of one of the types {', '.join(_BY_NAME)}"
            )
        flat = tensor.detach().resolve_neg().to("cpu").contiguous().reshape(-1)
        flat = flat.as_strided(flat.shape, (1,))  # a single element may have any stride
        raw = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
        blocks[name] = (code, tensor.shape, raw)
    return _serialize(blocks)


def decode(payload: bytes) -> dict[str, Tensor]:
    """Return the tensors of a payload, in memory shared with nobody.

    Raises:
        ProtocolError: If `payload` is not the canonical encoding of any tensors.
    """
    import torch

    tensors = {}
    for name, code, shape, raw in _blocks(payload):
        kind = getattr(torch, _DTYPES[code][0])
        flat = torch.frombuffer(bytearray(raw), dtype=kind) if raw else torch.empty(0, dtype=kind)
        tensors[name] = flat.reshape(shape)
    return tensors


def decode_arrays(payload: bytes) -> dict[str, Array]:
    """Like `decode`, as NumPy arrays and without torch; bfloat16 is widened to float32."""
    arrays: dict[str, Array] = {}
    for name, code, shape, raw in _blocks(payload):
        bits = np.frombuffer(bytearray(raw), dtype=_DTYPES[code][1]).reshape(shape)
        arrays[name] = _widen(bits) if code == "BF16" else bits
    return arrays


def encode_texts(texts: Sequence[str]) -> Tensor:
    """Pack texts into one uint8 tensor: UTF-8, each text followed by one zero byte.

    Raises:
        ProtocolError: If a text holds a zero byte or an unpaired surrogate.
    """
    import torch

    try:
        parts = [text.encode("utf-8") for text in texts]
    except UnicodeEncodeError as error:
        raise ProtocolError(f"a text is not valid Unicode: {error}") from error
    if any(0 in part for part in parts):
        raise ProtocolError("a text must not hold the character U+0000")
    packed = b"".join(part + b"\0" for part in parts)
    if not packed:
        return torch.empty(0, dtype=torch.uint8)
    return torch.frombuffer(bytearray(packed), dtype=torch.uint8)


def decode_texts(packed: Tensor | Array) -> list[str]:
    """Unpack what `encode_texts` packed.

    Raises:
        ProtocolError: If the tensor is not one packed list of UTF-8 texts.
    """
    if str(packed.dtype).removeprefix("torch.") != "uint8" or packed.ndim != 1:
        raise ProtocolError(
            f"texts must be a 1-D uint8 tensor, not {packed.dtype} of shape {tuple(packed.shape)}"
        )
    bits = packed if isinstance(packed, np.ndarray) else packed.detach().cpu().numpy()
    raw = bits.tobytes()
    if raw and not raw.endswith(b"\0"):
        raise ProtocolError("packed texts must end with a zero byte")
    try:
        return [part.decode("utf-8") for part in raw.split(b"\0")[:-1]]
    except UnicodeDecodeError as error:
        raise ProtocolError(f"a text is not valid UTF-8: {error}") from error


def _serialize(blocks: Mapping[str, tuple[str, Sequence[int], bytes]]) -> bytes:
    """The bytes that `safetensors.torch.save` writes: widest types first, then by name.

    Written out here because an adversary decodes without torch, and because the library's
    low-level serializer differs between its versions.
    """
    for name, (kind, shape, raw) in blocks.items():
        _check_block(name, kind, shape, raw)
    order = sorted(blocks, key=lambda name: (_RANK[_BY_NAME[blocks[name][0]]], name))
    header, start = {}, 0
    for name in order:
        kind, shape, raw = blocks[name]
        offsets = [start, start := start + len(raw)]
        header[name] = {"dtype": _BY_NAME[kind], "shape": list(shape), "data_offsets": offsets}
    head = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + b"".join(blocks[name][2] for name in order)


def _check_block(name: str, kind: str, shape: Sequence[int], raw: bytes) -> None:
    if not isinstance(name, str) or not name.isidentifier() or len(name) > MAX_NAME:
        raise ProtocolError(
            f"tensor name {name!r} must be an identifier of at most {MAX_NAME} letters"
        )
    if kind not in _BY_NAME:
        raise ProtocolError(
            f"tensor {name!r} has type {kind}, which must be one of {', '.join(_BY_NAME)}"
        )
    if len(shape) > MAX_RANK or math.prod(max(size, 1) for size in shape) > MAX_EXTENT:
        raise ProtocolError(
            f"tensor {name!r} of {len(shape)} dimensions must have at most {MAX_RANK}, whose "
            f"non-zero sizes multiply to at most {MAX_EXTENT}"
        )
    if kind == "bool" and raw.translate(None, b"\0\1"):
        raise ProtocolError(f"tensor {name!r} is boolean; its bytes must be 0 or 1")


def _blocks(payload: bytes) -> Iterable[tuple[str, str, list[int], bytes]]:
    try:
        parsed = _PARSE(payload)
        blocks = [(n, e["dtype"], list(e["shape"]), bytes(e["data"])) for n, e in parsed]
    except Exception as error:  # the parser raises its own type, which has no public name
        raise ProtocolError(
            f"payload of {len(payload)} bytes is not safetensors: {error}"
        ) from None
    unknown = {code for _, code, _, _ in blocks} - _DTYPES.keys()
    if unknown:
        raise ProtocolError(f"payload holds types {sorted(unknown)}, which the wire does not carry")
    canonical = _serialize({n: (_DTYPES[code][0], shape, raw) for n, code, shape, raw in blocks})
    if canonical != payload:
        raise ProtocolError(
            "payload is not in canonical form: no metadata, no padding, names sorted as encode does"
        )
    return blocks


def _widen(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32)
