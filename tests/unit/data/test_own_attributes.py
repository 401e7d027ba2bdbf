"""A table of attributes beside a reader's own photographs."""

from __future__ import annotations

import numpy as np
import pytest

from reproducible.data.cards import card
from reproducible.data.manifest import load_manifest, own_manifests
from reproducible.data.photographs.folder import describe
from reproducible.data.photographs.plan import Halves
from reproducible.data.store import prepare, store_folder, verify
from reproducible.resources import UserError

FIRST = Halves("first_half")
TABLE = "class,red,striped\na,1,0\nb,0,0.25\nc,0.5,1\nd,0,0\ne,1,1\nf,0,1\ng,0.75,0\nh,0,0\n"


def test_a_folder_brings_attributes_of_classes_or_images(photographs) -> None:
    folder = photographs()
    (folder / "attributes.csv").write_text(TABLE, encoding="utf-8-sig")
    describe(folder, FIRST, "mine", ["h/0.jpg", "h/1.jpg"], side=8)
    store = prepare("mine")
    assert store.attribute_names == ("red", "striped") and len(store.images) == 22
    values = {name: store.attributes[store.labels == i] for i, name in enumerate(store.class_names)}
    assert (values["c"] == [0.5, 1]).all() and (values["b"] == [0, 0.25]).all() and (values["g"] == [0.75, 0]).all()
    assert "Attributes: 2, the first of them red, striped" in card("mine")
    before = store_folder(load_manifest("mine")), store.fingerprint
    (folder / "attributes.csv").write_text(TABLE.replace("0.75", "0.25"))
    assert "the folder has changed since its manifest was written" in verify("mine").problems[0]
    describe(folder, FIRST, "mine", side=8)
    assert prepare("mine").fingerprint != before[1] and store_folder(load_manifest("mine")) != before[0]
    rows = [f"{path},{int(path in ('a/1.jpg', 'd/2.jpg'))}" for path in prepare("mine").paths]
    (folder / "attributes.csv").write_text("\n".join(["image,odd", *rows[::-1]]))
    describe(folder, FIRST, "mine", side=8)
    store = prepare("mine")
    assert [store.paths[i] for i in np.flatnonzero(store.attributes[:, 0])] == ["a/1.jpg", "d/2.jpg"]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("class,red", "kind,red", "line 1: must be 'class' or 'image', then names of attributes, found 'kind,red,"),
        (TABLE, "class\n", "line 1: must be 'class' or 'image', then names of attributes, found 'class'"),
        (TABLE, "", "line 1: must be 'class' or 'image', .* found ''"),
        ("red,striped", "red,red", "line 1, column 3: attribute 'red' has no name or is there twice"),
        ("red,striped", "red, ", "line 1, column 3: attribute ' ' has no name or is there twice"),
        ("c,0.5,1", "cc,0.5,1", r"line 4: there is no class 'cc'\. Did you mean 'c'"),
        ("class,red", "image,red", "line 2: there is no image 'a'"),
        ("d,0,0", "c,0,0", "line 5: class 'c' is there twice, first in line 4"),
        ("d,0,0\n", "", "1 of 8 rows are missing, the first of class 'd'"),
        ("c,0.5,1", "c,0.5,1.5", "line 4, column 'striped': must be a number from 0 to 1, found '1.5'"),
        ("c,0.5,1", "c,-0.1,1", "line 4, column 'red': must be a number from 0 to 1, found '-0.1'"),
        ("c,0.5,1", "c,nan,1", "line 4, column 'red': must be a number from 0 to 1, found 'nan'"),
        ("c,0.5,1", "c,yes,1", "line 4, column 'red': must be a number from 0 to 1, found 'yes'"),
        ("c,0.5,1", "c,0.5", "line 4: has 1 values for 2 attributes"),
        ("c,0.5,1", 'c,0.5,"1', "cannot be read as CSV in UTF-8"),
    ],
)
def test_a_table_of_attributes_that_cannot_be_one(photographs, before: str, after: str, message: str) -> None:
    folder = photographs()
    (folder / "attributes.csv").write_text(TABLE.replace(before, after))
    with pytest.raises(UserError, match=f"mine: attributes.csv.*{message}"):
        describe(folder, FIRST, "mine", side=8)
    assert not list(own_manifests().glob("*.yaml"))
