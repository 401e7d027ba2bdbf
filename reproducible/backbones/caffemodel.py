"""Tensors out of a ``.caffemodel`` without Caffe: the few fields of its protocol buffers that hold weights.

A file is one ``NetParameter`` of caffe.proto: layers in field 100, or, in files of 2014 and before, in field 2. A layer
has its name in field 1 (old: 4) and its blobs in field 7 (old: 6). A blob has its values in field 5, packed or one by
one, and its shape in field 7, or in the four fields 1 to 4 of old files. All else is stepped over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reproducible.resources import UserError

_LAYERS = {100: (1, 7), 2: (4, 6)}  # field of the layers: fields of name and blobs in a layer
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5  # wire types


def read_caffemodel(path: Path) -> dict[str, Tensor]:
    """Weights and biases of every layer: ``inception_3a/3x3_reduce`` gives ``inception_3a_3x3_reduce_w`` and ``_b``.

    Returns:
        fp32 tensors: kernels OIHW as in Caffe, biases :math:`(C,)`.

    Raises:
        UserError: if the file is truncated or no Caffe model.
    """
    content = memoryview(path.read_bytes())
    found = {}
    try:
        for field, layer in _fields(content):
            if field not in _LAYERS:
                continue
            name_field, blob_field = _LAYERS[field]
            parts = list(_fields(layer))
            names = [bytes(value).decode() for number, value in parts if number == name_field]
            blobs = [_blob(value) for number, value in parts if number == blob_field]
            for suffix, blob in zip("wb", blobs, strict=False):
                tensor = blob.reshape(-1) if suffix == "b" else blob
                found[f"{names[0].replace('/', '_')}_{suffix}"] = torch.from_numpy(tensor)
    except (ValueError, IndexError, TypeError, struct.error) as error:
        raise UserError(f"{path}: cannot be read as a Caffe model ({error}).") from error
    if not found:
        raise UserError(f"{path}: cannot be read as a Caffe model (no layer with weights in it).")
    return found


def _blob(message: memoryview) -> np.ndarray:
    """The array of a BlobProto."""
    values, old_shape, shape = [], {}, None
    for field, value in _fields(message):
        if field == 5:
            values.append(value)  # all values packed, or one value's four bytes
        elif field == 7:
            shape = [size for number, sizes in _fields(value) if number == 1 for size in _varints(sizes)]
        elif field <= 4:
            old_shape[field] = value
    if shape is None:
        shape = [old_shape.get(field, 1) for field in (1, 2, 3, 4)]
    return np.frombuffer(b"".join(values), "<f4").reshape(shape).copy()


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field of a message: an integer, or the bytes of anything else."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        wire = key & 7
        if wire == _VARINT:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if wire == _BYTES:
            size, place = _varint(message, place)
        elif wire in (_EIGHT, _FOUR):
            size = 8 if wire == _EIGHT else 4
        else:
            raise ValueError(f"wire type {wire} at byte {place}")
        if place + size > len(message):
            raise ValueError(f"truncated: {size} bytes wanted at byte {place} of {len(message)}")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    """The integer at ``place`` and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7


def _varints(packed: int | memoryview) -> Iterator[int]:
    """The integers of a repeated field: one of them, or all packed."""
    if isinstance(packed, int):
        yield packed
        return
    place = 0
    while place < len(packed):
        value, place = _varint(packed, place)
        yield value
