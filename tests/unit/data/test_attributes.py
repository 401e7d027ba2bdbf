"""Attributes of the images of a data set, whatever it is made of."""

from __future__ import annotations

import csv
import unicodedata
from dataclasses import replace
from pathlib import Path

import few_glyphs
import numpy as np
import pytest
from tiny_runs import make_store

from reproducible.data.attributes import attributes_of
from reproducible.data.manifest import load_manifest
from reproducible.data.photographs.source import survey
from reproducible.data.store import Store, prepare
from reproducible.resources import UserError, external_data


@pytest.fixture(scope="module")
def glyphs(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All classes of the benchmark, two images of each."""
    folder = tmp_path_factory.mktemp("glyphs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRODUCIBLE_CACHE", str(folder / "cache"))
        return prepare(few_glyphs.write_variants(folder, few=few_glyphs.MINI), progress=False)


def test_attributes_of_glyphs_are_names_and_bits(glyphs: Store) -> None:
    found = attributes_of(glyphs)
    assert found.present.shape == (800, len(found.names)) and found.present.dtype == bool
    assert found.names[-5:] == ("bold", "slanted", "serif", "mono", "occluded")
    np.testing.assert_array_equal(found.present[:, -5:], glyphs.attributes)
    column = {name: found.present[:, k] for k, name in enumerate(found.names)}
    marks = {f"above {a}" for _, a, _ in glyphs.class_parts if a} | {f"below {b}" for *_, b in glyphs.class_parts if b}
    assert {name for name in column if name.startswith(("above", "below"))} == marks and len(marks) == 3
    for number in range(0, 800, 7):
        base, above, below = glyphs.class_parts[glyphs.labels[number]]
        name = unicodedata.name(base)
        assert column["case small"][number] == ("SMALL" in name)
        assert column["case capital"][number] == ("CAPITAL" in name)
        script = "digit" if base.isdigit() else name.split()[0].lower()
        assert [s for s in ("latin", "greek", "cyrillic", "digit") if column[f"script {s}"][number]] == [script]
        carried = {f"above {above}", f"below {below}"} & marks
        assert {mark for mark in marks if column[mark][number]} == carried


def test_no_attribute_names_a_letter(glyphs: Store) -> None:
    """Every set of attributes that a class has is that of many letters; images of a class differ in bits alone."""
    found = attributes_of(glyphs)
    letters: dict[tuple[bool, ...], set[str]] = {}
    for label, row in zip(glyphs.labels, found.present[:, :-5], strict=True):
        letters.setdefault(tuple(row), set()).add(glyphs.class_parts[label][0])
    assert min(len(shared) for shared in letters.values()) >= 4  # the four Greek capitals
    same = found.present[0::2] == found.present[1::2]  # the two images of each class
    assert same[:, :-5].all() and not same[:, -5:].all(axis=0).any()


def test_shares_of_classes_count_from_the_threshold_on() -> None:
    store = make_store()
    shares = np.random.default_rng(0).choice([0.0, 30.0, 49.9, 50.0, 80.0, 100.0], (len(store.class_names), 4))
    store = replace(store, class_attributes=shares.astype(np.float32))
    for threshold, least in ((0.5, 50), (0.3, 30), (1.0, 100)):
        found = attributes_of(store, threshold)
        np.testing.assert_array_equal(found.present, shares[store.labels] >= least)
    assert found.names == ("attribute 1", "attribute 2", "attribute 3", "attribute 4")


def test_what_is_known_of_images_comes_before_what_is_known_of_classes() -> None:
    store = make_store()
    known = np.random.default_rng(0).random((len(store.labels), 2)).astype(np.float32)
    of_classes = np.zeros((len(store.class_names), 3), np.float32)
    store = replace(store, attributes=known, attribute_names=("red", "round"), class_attributes=of_classes)
    found = attributes_of(store, 0.7)
    assert found.names == ("red", "round")
    np.testing.assert_array_equal(found.present, known >= 0.7)


def test_a_data_set_without_attributes_has_none() -> None:
    assert attributes_of(make_store()) is None


def test_birds(data_folder: Path) -> None:
    """The official shares of 312 attributes, in the order of the classes."""
    try:
        found = survey(load_manifest("cub100_cropped"), fetch=False).index
    except UserError as error:
        pytest.skip(str(error))
    with (external_data() / "cub100_cropped.class_attributes.csv").open() as stream:
        shares = {name: [float(value) for value in values] for name, *values in csv.reader(stream)}
    names = sorted({(entry.number, entry.name) for entry in found.entries})
    expected = np.array([shares[name] for _, name in names], np.float32)
    assert expected.shape == (100, 312)
    np.testing.assert_array_equal(found.class_attributes, expected)
    store = replace(make_store(), labels=np.arange(100), class_attributes=found.class_attributes)
    present = attributes_of(store).present
    assert present.mean() == pytest.approx(0.0754, abs=1e-4) and present.any(axis=0).sum() == 184
    assert present.any(axis=1).all()
