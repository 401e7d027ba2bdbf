"""One image: what it depends on, and that masks, boxes and bits describe it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from reproducible.data.glyphs.alphabet import ABOVE, BELOW, Glyph
from reproducible.data.glyphs.render import ATTRIBUTES, Difficulty, boxes_of, render
from reproducible.data.store import Store
from reproducible.resources import UserError

GLYPH = Glyph("Ж", "acute", "dot below")


def test_shapes_and_types() -> None:
    made = render(GLYPH, 0, side=48)
    assert (made.image.shape, made.image.dtype) == ((48, 48, 3), np.uint8)
    assert (made.mask.shape, made.mask.dtype) == ((48, 48), np.uint8)
    assert (made.boxes.shape, made.boxes.dtype) == ((4, 4), np.float32)
    assert (made.attributes.shape, made.attributes.dtype) == ((len(ATTRIBUTES),), np.uint8)


def test_same_arguments_give_the_same_bits_in_another_process() -> None:
    code = (
        "import hashlib; from reproducible.data.glyphs.render import render; "
        "from reproducible.data.glyphs.alphabet import Glyph; "
        "print(*(hashlib.sha256(b''.join(a.tobytes() for a in render(Glyph('Ж', 'acute', 'dot below'), i, 5)))"
        ".hexdigest() for i in (3, 1)))"
    )
    import hashlib

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    render(Glyph("a"), 0)  # what was drawn before does not matter
    ours = [hashlib.sha256(b"".join(a.tobytes() for a in render(GLYPH, i, 5))).hexdigest() for i in (3, 1)]
    assert printed == ours
    assert ours[0] != ours[1]


@pytest.mark.parametrize(
    ("glyph", "index", "seed"),
    [(Glyph("Ж", "grave", "dot below"), 0, 0), (Glyph("Ж", "acute"), 0, 0), (GLYPH, 1, 0), (GLYPH, 0, 1)],
)
def test_each_argument_counts(glyph: Glyph, index: int, seed: int) -> None:
    assert (render(glyph, index, seed).image != render(GLYPH, 0).image).mean() > 0.5


def test_levels_of_clutter_differ_in_clutter_alone() -> None:
    """The same glyph at the same place; the ground of a lower level is kept, and more is drawn on it."""
    for index in range(5):
        none, some, more = (render(GLYPH, index, difficulty=Difficulty(clutter=c, occlusion=0)) for c in (0, 1, 4))
        for other in (some, more):
            np.testing.assert_array_equal(none.mask, other.mask)
            np.testing.assert_array_equal(none.attributes, other.attributes)
        changed = [(none.image != other.image).any(2) & (none.mask == 0) for other in (some, more)]
        assert 0 < changed[0].sum() < changed[1].sum()


def test_parts_are_where_they_belong() -> None:
    """In the frame of the glyph, which is turned by at most 14 degrees: above, base, below."""
    for index in range(20):
        mask = render(GLYPH, index).mask
        rows = [np.argwhere(mask & bit)[:, 0].mean() for bit in (2, 1, 4)]
        assert rows[0] < rows[1] < rows[2]


@pytest.mark.parametrize("name", [*ABOVE, *BELOW])
def test_every_mark_is_seen_in_every_font(name: str) -> None:
    glyph = Glyph("n", name) if name in ABOVE else Glyph("n", "", name)
    bit = 2 if name in ABOVE else 4
    seen = [int((render(glyph, index).mask & bit > 0).sum()) for index in range(40)]
    assert min(seen) >= 4


def test_masks_boxes_and_bits_of_a_store(mini: Store) -> None:
    names = ("above", "below")
    for i in range(len(mini.labels)):
        mask, boxes = mini.masks[i], mini.boxes[i]
        np.testing.assert_array_equal(boxes, boxes_of(mask))
        for row, bits in enumerate((7, 1, 2, 4)):
            inside = np.argwhere(mask & bits)
            if len(inside):
                (y0, x0), (y1, x1) = inside.min(0), inside.max(0) + 1
                assert boxes[row].tolist() == [x0, y0, x1, y1]
            else:
                assert np.isnan(boxes[row]).all()
        label = mini.class_names[mini.labels[i]].split(" + ")
        declared = [any(m in known for m in label[1:]) for known in (ABOVE, BELOW)]
        for name, bit, there in zip(names, (2, 4), declared, strict=True):
            assert ((mask & bit) > 0).any() == there, (i, name)
        assert (mask & 1).any() and mask.max() <= 7


def test_object_is_brighter_than_the_ground(mini: Store) -> None:
    """Where nothing covers it; so an image is readable whatever its colours."""
    grey = mini.images[:400].astype(float) @ (0.3, 0.59, 0.11)
    masks = mini.masks[:400] > 0
    inside = np.array([g[m].mean() for g, m in zip(grey, masks, strict=True)])
    outside = np.array([np.median(g[~m]) for g, m in zip(grey, masks, strict=True)])
    assert np.quantile(inside - outside, 0.02) > 30


def test_occlusion_is_declared_and_leaves_every_part_readable() -> None:
    hidden = 0
    for index in range(40):
        free = render(GLYPH, index, difficulty=Difficulty(occlusion=0))
        covered = render(GLYPH, index, difficulty=Difficulty(occlusion=1))
        assert not free.attributes[ATTRIBUTES.index("occluded")]
        lost = (free.mask > 0) & (covered.mask == 0)
        assert bool(covered.attributes[ATTRIBUTES.index("occluded")]) == bool(lost.any())
        assert ((covered.mask == 0) | (covered.mask == free.mask)).all()
        for bit in (1, 2, 4):
            before, after = ((m & bit > 0).sum() for m in (free.mask, covered.mask))
            assert after * 2 >= before
        assert lost.sum() * 20 >= (free.mask > 0).sum() or not lost.any()
        hidden += lost.any()
    assert hidden >= 38


def test_attributes_do_not_tell_the_class(mini: Store) -> None:
    """No bit is the same in all images of every class and differs between classes: each varies within classes."""
    for column, name in enumerate(mini.attribute_names):
        values = mini.attributes[:, column].reshape(-1, 2)
        assert 0.1 < values.mean() < 0.9, name
        assert (values[:, 0] != values[:, 1]).mean() > 0.2, name
    within = [mini.attributes[mini.labels == c] for c in range(400)]
    assert np.mean([(a[0] == a[1]).all() for a in within]) < 0.4


def test_size_does_not_tell_whether_there_is_a_mark() -> None:
    """Scaled by the em: the base is as large with marks as without."""
    bare, marked = (
        np.mean([np.ptp(np.argwhere(render(g, i).mask & 1)[:, 0]) for i in range(150)])
        for g in (Glyph("H"), Glyph("H", "acute", "dot below"))
    )
    assert abs(bare - marked) < 0.1 * bare


def test_bad_arguments() -> None:
    with pytest.raises(UserError, match=r"no mark 'cedila' in this place\. Did you mean 'cedilla'"):
        render(Glyph("a", "", "cedila"), 0)
    with pytest.raises(UserError, match="None of the 21 fonts has the character"):
        render(Glyph("\U0010fffd"), 0)
