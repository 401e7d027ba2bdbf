"""The real sets, where REPRODUCIBLE_DATA holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reproducible.data.manifest import load_manifest
from reproducible.data.photographs.source import survey
from reproducible.data.store import prepare, state
from reproducible.resources import UserError

NAMES = ("cars196_cropped", "cub100_cropped", "caltech101_boxes24")


def test_lists_agree_with_the_manifest(data_folder: Path) -> None:
    """Files, counts of images and of classes, boxes and outlines, before any image is decoded."""
    try:
        found = survey(load_manifest("caltech101_boxes24"), fetch=False)
    except UserError as error:
        pytest.skip(str(error))
    assert not found.problems and not found.remarks
    assert len(found.index.outlines) == len(found.index.entries) == 1501
    assert not np.isnan([entry.box for entry in found.index.entries]).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_prepare(data_folder: Path, name: str) -> None:
    """The pixels are those of the machine on which the manifest's fingerprint was computed."""
    manifest = load_manifest(name)
    if state(manifest) == "not here":
        pytest.skip(f"{name} is not here")
    assert prepare(name).fingerprint == manifest.fingerprint


@pytest.mark.slow
def test_outlines_fill_their_boxes(data_folder: Path) -> None:
    """Boxes and outlines come from two arrays of the annotations; in the store they still agree."""
    if state(load_manifest("caltech101_boxes24")) == "not here":
        pytest.skip("caltech101_boxes24 is not here")
    store = prepare("caltech101_boxes24")
    agreement = []
    for mask, (x0, y0, x1, y1) in zip(store.masks, store.boxes[:, 0], strict=True):
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        u0, v0, u1, v1 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        shared = max(0, min(x1, u1) - max(x0, u0)) * max(0, min(y1, v1) - max(y0, v0))
        agreement.append(shared / ((x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - shared))
    assert np.mean(agreement) > 0.9
