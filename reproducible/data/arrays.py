"""Arrays on the disk whose space is reserved before they are filled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np


def reserve(path: Path, shape: tuple[int, ...], kind: Any) -> None:
    """Makes an ``.npy`` file of zeros, so that a disk that is too full is noticed at once.

    Raises:
        OSError: the disk is full.
    """
    described = {"descr": np.lib.format.dtype_to_descr(np.dtype(kind)), "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, described)
        if size := int(np.prod(shape)) * np.dtype(kind).itemsize:
            os.posix_fallocate(stream.fileno(), stream.tell(), size)
