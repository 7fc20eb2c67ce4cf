"""Payload bytes: one canonical form, numbers only, and nothing else decodes."""

import json
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentleak.defenses.codec import (
    MAX_NAME,
    MAX_RANK,
    ProtocolError,
    decode,
    decode_arrays,
    decode_texts,
    encode,
    encode_texts,
)

BOUNDED = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
)


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    numel = int(np.prod(shape, dtype=np.int64))
    if dtype is torch.bool:
        bits = draw(st.lists(st.booleans(), min_size=numel, max_size=numel))
        return torch.tensor(bits, dtype=dtype).reshape(shape)
    size = numel * torch.empty(0, dtype=dtype).element_size()
    raw = draw(st.binary(min_size=size, max_size=size))  # every bit pattern, NaNs included
    if not raw:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(bytearray(raw), dtype=dtype).reshape(shape)


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,7}", fullmatch=True)
BLOCKS = st.dictionaries(NAMES, tensors(), max_size=3)


def bits(tensor: torch.Tensor) -> bytes:
    flat = tensor.contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def framed(header: Any, data: bytes = b"") -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A payload with a few bits flipped, bytes cut out or put in, or its header rewritten."""
    payload = bytearray(encode(draw(BLOCKS)))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(payload) - 1)))
        match draw(st.sampled_from(["flip", "cut", "insert", "length", "tail"])):
            case "flip" if payload:
                payload[place] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del payload[place : place + draw(st.integers(1, 16))]
            case "insert":
                payload[place:place] = draw(st.binary(min_size=1, max_size=9))
            case "length":
                payload[:8] = draw(st.integers(0, 2**64 - 1)).to_bytes(8, "little")
            case "tail":
                del payload[place:]
    return bytes(payload)


@BOUNDED
@given(BLOCKS)
def test_what_is_encoded_comes_back_bit_for_bit(blocks: dict[str, torch.Tensor]) -> None:
    payload = encode(blocks)
    back = decode(payload)
    assert back.keys() == blocks.keys()
    for name, tensor in blocks.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert bits(back[name]) == bits(tensor)
    assert encode(back) == payload
    assert encode(dict(reversed(blocks.items()))) == payload
    assert safetensors.torch.save(blocks) == payload


@BOUNDED
@given(BLOCKS)
def test_arrays_agree_with_tensors(blocks: dict[str, torch.Tensor]) -> None:
    payload = encode(blocks)
    arrays = decode_arrays(payload)
    for name, tensor in decode(payload).items():
        wide = tensor.float() if tensor.dtype is torch.bfloat16 else tensor
        assert arrays[name].shape == tuple(wide.shape)
        assert arrays[name].dtype == wide.numpy().dtype
        assert arrays[name].tobytes() == bits(wide)


@BOUNDED
@given(mutated())
def test_mutated_bytes_are_refused_or_canonical(payload: bytes) -> None:
    for read in (decode, decode_arrays):
        try:
            back = read(payload)
        except ProtocolError:
            continue
        if read is decode:
            assert encode(back) == payload


@BOUNDED
@given(st.binary(max_size=64))
def test_random_bytes_are_refused_or_canonical(payload: bytes) -> None:
    try:
        back = decode(payload)
    except ProtocolError:
        return
    assert encode(back) == payload


F32 = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\0" * 8,
        b"\xff" * 8,
        (2**63).to_bytes(8, "little") + b"{}",
        framed([]),
        framed({"a": 1}),
        framed({"a": F32}, b"\0" * 4) + b"\0",
        framed({"a": F32}, b"\0" * 3),
        framed({"a": F32, "__metadata__": {"k": "v"}}, b"\0" * 4),
        framed({"a": F32, "b": F32}, b"\0" * 4),
        framed({"a": F32 | {"data_offsets": [4, 8]}}, b"\0" * 8),
        framed({"a": F32 | {"shape": [2**63]}}, b"\0" * 4),
        framed({"a": F32 | {"shape": [-1]}}, b"\0" * 4),
        framed({"a": F32 | {"shape": [0, 2**62, 4], "data_offsets": [0, 0]}}),
        framed({"a": F32 | {"shape": [0] + [1] * 99, "data_offsets": [0, 0]}}),
        framed({"a": F32 | {"dtype": "F8_E4M3", "shape": [4]}}, b"\0" * 4),
        framed({"a": F32 | {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8),
        framed({"a": F32 | {"dtype": "BOOL", "shape": [4]}}, b"\0\1\2\0"),
        framed({"a b": F32}, b"\0" * 4),
        framed({"": F32}, b"\0" * 4),
        framed({"a" * (MAX_NAME + 1): F32}, b"\0" * 4),
        (5000 * 5).to_bytes(8, "little") + b'{"a":' * 5000,
    ],
)
def test_what_is_not_canonical_is_refused(payload: bytes) -> None:
    for read in (decode, decode_arrays):
        with pytest.raises(ProtocolError):
            read(payload)


def test_metadata_and_another_order_are_refused() -> None:
    with pytest.raises(ProtocolError, match="canonical"):
        decode(safetensors.torch.save({"a": torch.zeros(1)}, {"note": "hidden"}))
    swapped = framed({"b": F32, "a": F32 | {"data_offsets": [4, 8]}}, b"\0" * 8)
    with pytest.raises(ProtocolError, match="canonical"):
        decode(swapped)
    assert sorted(decode(framed({"a": F32, "b": F32 | {"data_offsets": [4, 8]}}, b"\0" * 8))) == [
        "a",
        "b",
    ]


def test_decoded_tensors_share_no_memory() -> None:
    sender = torch.arange(4.0)
    payload = encode({"x": sender})
    before = bytes(payload)
    first, second = decode(payload)["x"], decode(payload)["x"]
    first.add_(1)
    assert payload == before
    assert torch.equal(second, sender)
    assert torch.equal(sender, torch.arange(4.0))
    assert first.data_ptr() != second.data_ptr() != sender.data_ptr()
    array = decode_arrays(payload)["x"]
    array += 1
    assert payload == before


@pytest.mark.parametrize(
    "value",
    [
        "text",
        3,
        None,
        object(),
        [1.0],
        np.zeros(3),
        torch.zeros(2, dtype=torch.complex64),
        torch.zeros(2, device="meta"),
        torch.eye(2).to_sparse(),
        torch.zeros(2, dtype=torch.float8_e4m3fn),
        torch.tensor([2], dtype=torch.uint8).view(torch.bool),
        torch.zeros([1] * (MAX_RANK + 1)),
    ],
    ids=lambda v: type(v).__name__,
)
def test_only_dense_numbers_are_encoded(value: Any) -> None:
    with pytest.raises(ProtocolError):
        encode({"x": value})


@pytest.mark.parametrize("name", ["", "a b", "__metadata__ ", "1", "a.b", "x" * (MAX_NAME + 1)])
def test_names_are_identifiers(name: str) -> None:
    with pytest.raises(ProtocolError, match="identifier"):
        encode({name: torch.zeros(1)})


def test_views_and_negated_tensors_are_encoded_by_value() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    for tensor in (base.T, base[:, ::2], base[1:], base.expand(2, 3, 4)):
        assert encode({"x": tensor}) == encode({"x": tensor.clone().contiguous()})
    negated = torch.tensor([1 + 2j]).conj().imag
    assert torch.equal(decode(encode({"x": negated}))["x"], torch.tensor([-2.0]))
    needs_gradient = torch.ones(2, requires_grad=True)
    assert not decode(encode({"x": needs_gradient}))["x"].requires_grad


UNICODE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@BOUNDED
@given(st.lists(UNICODE, max_size=5))
def test_texts_come_back(texts: list[str]) -> None:
    packed = encode_texts(texts)
    assert decode_texts(packed) == texts
    assert decode_texts(packed.numpy()) == texts
    assert decode_texts(decode(encode({"t": packed}))["t"]) == texts


@BOUNDED
@given(st.binary(max_size=24))
def test_packed_texts_have_one_form(raw: bytes) -> None:
    packed = torch.tensor(list(raw), dtype=torch.uint8)
    try:
        texts = decode_texts(packed)
    except ProtocolError:
        return
    assert torch.equal(encode_texts(texts), packed)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_texts_without_a_form_are_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        encode_texts([text])


@pytest.mark.parametrize(
    "packed",
    [
        torch.zeros(2, dtype=torch.int8),
        torch.zeros((1, 1), dtype=torch.uint8),
        torch.zeros(1, dtype=torch.bfloat16),
        torch.tensor([97], dtype=torch.uint8),
        torch.tensor([255, 0], dtype=torch.uint8),
        np.zeros(1),
    ],
)
def test_what_is_no_packed_text_is_refused(packed: Any) -> None:
    with pytest.raises(ProtocolError):
        decode_texts(packed)
