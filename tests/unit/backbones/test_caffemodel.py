"""Caffe's own files of weights, written here field by field, in the old form and the new."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from reproducible.backbones.bvlc import BVLCGoogLeNet
from reproducible.backbones.caffemodel import read_caffemodel
from reproducible.resources import UserError, asset


def varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value % 128 + 128])
        value //= 128
    return out + bytes([value])


def number(field: int, value: int) -> bytes:
    return varint(field * 8) + varint(value)


def text(field: int, content: bytes) -> bytes:
    return varint(field * 8 + 2) + varint(len(content)) + content


def new_blob(array: np.ndarray) -> bytes:
    shape = text(7, text(1, b"".join(varint(size) for size in array.shape)))
    return shape + text(5, array.astype("<f4").tobytes())


def old_blob(array: np.ndarray) -> bytes:
    """Four sizes, vectors as 1 x 1 x 1 x C."""
    sizes = (1,) * (4 - array.ndim) + array.shape
    head = b"".join(number(field, size) for field, size in zip((1, 2, 3, 4), sizes, strict=True))
    return head + text(5, array.astype("<f4").tobytes())


def loose_blob(array: np.ndarray) -> bytes:
    """Values and sizes one by one instead of packed, the values first."""
    values = b"".join(varint(5 * 8 + 5) + struct.pack("<f", value) for value in array.ravel())
    return values + text(7, b"".join(number(1, size) for size in array.shape))


def layer(name: str, blobs: Iterable[bytes], old: bool) -> bytes:
    fields = (4, 6) if old else (1, 7)
    kind = number(5, 4) if old else text(2, b"Convolution")
    bottom = text(2 if old else 3, b"data")
    rest = varint(99 * 8 + 1) + struct.pack("<d", 0.5)  # a field nobody asked for
    content = text(fields[0], name.encode()) + kind + bottom + rest + b"".join(text(fields[1], b) for b in blobs)
    return text(2 if old else 100, content)


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("blob", "old"), [(new_blob, False), (old_blob, True), (old_blob, False), (loose_blob, False)])
def test_reads_every_form(tmp_path: Path, blob: object, old: bool) -> None:
    kernel, bias = draw(6, 3, 5, 5), draw(6)
    path = tmp_path / "net.caffemodel"
    relu = layer("relu1", [], old)
    path.write_bytes(text(1, b"a net") + relu + layer("inception_3a/5x5", [blob(kernel), blob(bias)], old))
    found = read_caffemodel(path)
    assert list(found) == ["inception_3a_5x5_w", "inception_3a_5x5_b"]
    np.testing.assert_array_equal(found["inception_3a_5x5_w"].numpy(), kernel)
    np.testing.assert_array_equal(found["inception_3a_5x5_b"].numpy(), bias)


def caffes_layer(name: str) -> str:
    """``inception_3a_3x3_reduce_w`` to ``inception_3a/3x3_reduce``."""
    stem = name[: -len("_w")]
    first, rest = (stem.split("_", 1)) if not stem.startswith("inception") else (stem[:12], stem[13:])
    return f"{first}/{rest}"


def test_the_whole_network_from_caffes_file(tmp_path: Path) -> None:
    shipped = load_file(asset("bvlc_googlenet.safetensors"))
    path = tmp_path / "bvlc_googlenet.caffemodel"
    layers = []
    for name in sorted(name for name in shipped if name.endswith("_w")):
        blobs = [old_blob(shipped[name[:-1] + suffix].float().numpy()) for suffix in "wb"]
        layers.append(layer(caffes_layer(name), blobs, old=True))
    path.write_bytes(text(1, b"GoogleNet") + b"".join(layers))
    assert all(f"{part}/".encode() in path.read_bytes() for part in ("conv1", "conv2", "inception_5b"))
    network, expected = BVLCGoogLeNet(weights=str(path)), BVLCGoogLeNet()
    for ours, theirs in zip(network.parameters(), expected.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    whole = layer("conv1/7x7_s2", [new_blob(draw(4, 3, 2, 2))], old=False)
    for content, reason in [
        (whole[:-7], "truncated"),
        (whole[:1], ""),
        (b"\x0b" + whole, "wire type 3"),
        (layer("conv1", [text(7, text(1, b"\x05"))], old=False), "reshape"),
        (b"", "no layer with weights"),
        (text(1, b"only a name"), "no layer with weights"),
    ]:
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf"net.caffemodel: cannot be read as a Caffe model .*{reason}"):
            read_caffemodel(path)
