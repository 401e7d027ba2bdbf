"""The papers' data sets, in miniature, through the same prepare and verify as the real ones."""

from __future__ import annotations

import io
from pathlib import Path

import miniatures
import numpy as np
import pytest
from miniatures import EXTRACTED, OFFICIAL, annotations, changed, left_behind, picture, squashed
from PIL import Image

from reproducible.data.manifest import load_manifest
from reproducible.data.splits import protocol, split
from reproducible.data.store import prepare, state, verify
from reproducible.resources import UserError


@pytest.mark.parametrize("name", OFFICIAL)
def test_prepare(made, name: str) -> None:
    """Pixels and parts are the source's; grey files, duplicates and files of another system are named."""
    mini = made(name)
    path = mini.write()
    store = prepare(path)
    manifest = load_manifest(path)
    assert {part: int((store.parts == part).sum()) for part in manifest.counts} == manifest.counts
    for image, content in zip(store.images, (mini.files[p] for p in mini.images), strict=True):
        np.testing.assert_array_equal(image, squashed(content))
    remarks = "\n".join(store.source["remarks"])
    assert "1 grey photographs, used as RGB: " in remarks
    assert "1 photographs that are there more than once, all used: " in remarks and " = " in remarks
    assert "files or folders that an operating system or a tool left behind, not used: " in remarks and "._" in remarks
    assert state(manifest) == "prepared" and [p.rpartition("-")[0] for p in left_behind()] == [name]
    report = verify(path)
    assert report.ok and report.images == len(mini.images)
    assert set(report.remarks) == set(store.source["remarks"])


@pytest.mark.parametrize("name", OFFICIAL)
def test_extracted_folder_gives_the_same_store(made, name: str, tmp_path: Path, monkeypatch) -> None:
    mini = made(name)
    first = prepare(mini.write()).fingerprint
    (mini.folder / mini.archive).unlink()
    for path in mini.beside:
        (mini.folder / path).unlink()
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "another"))
    second = prepare(mini.write(extracted=EXTRACTED[name]))
    assert second.fingerprint == first and second.source["source"] == "extracted folder"


@pytest.mark.parametrize("name", OFFICIAL)
def test_missing_and_truncated_files_are_named(made, name: str) -> None:
    mini = made(name)
    del mini.files[mini.images[2]]
    path = mini.write()
    with pytest.raises(UserError, match=rf"{mini.images[2]}: missing, the index lists it"):
        prepare(path)
    mini.files[mini.images[1]] = mini.files[mini.images[1]][:-300]
    report = verify(mini.write())
    assert [problem.split(": ", 1)[1].split(" (")[0] for problem in report.problems] == [
        f"{mini.images[2]}: missing, the index lists it.",
        f"{mini.images[1]}: corrupt or truncated image",
    ]
    assert report.images == len(mini.images) - 1 and left_behind() == []


@pytest.mark.parametrize("name", OFFICIAL)
def test_wrong_counts(made, name: str) -> None:
    mini = made(name)
    mini.changes = {"counts": {**mini.changes["counts"], "train": 10}, "classes": {"train": 5}}
    report = verify(mini.write())
    assert "wrong counts: images by part" in report.problems[0] and "'train': 10" in report.problems[0]
    assert "wrong counts: classes by part" in report.problems[1]


@pytest.mark.parametrize("name", OFFICIAL)
def test_re_encoded_mirror_is_accepted_and_recorded(made, name: str) -> None:
    """PNG for JPEG, without loss: the same pixels, and the store says that it was made from something else."""
    mini = made(name)
    first = prepare(mini.write())
    for path in mini.images:
        stream = io.BytesIO()
        Image.open(io.BytesIO(mini.files.pop(path))).save(stream, "PNG")
        mini.files[path.rpartition(".")[0] + ".png"] = stream.getvalue()
    mini.changes["side"] = 15  # a store of its own
    store = prepare(mini.write())
    assert len(store.images) == len(first.images)
    remarks = "\n".join(store.source["remarks"])
    assert f"{len(store.images)} images have another file format than in the official set: a mirror." in remarks
    if name != "inshop":  # whose digests nobody published
        assert "another file than the official one (md5 expected" in remarks
    (described, *_) = store.source["files"]
    assert described["file"] == mini.archive and len(described["sha256"]) == 64


def test_cub_knows_boxes_parts_and_attributes(made) -> None:
    mini = made("cub200")
    store = prepare(mini.write())
    scale = np.array([16 / miniatures.WIDTH, 16 / miniatures.HEIGHT])
    np.testing.assert_allclose(store.boxes[0, 0].reshape(2, 2), np.array([[6, 3], [18, 12]]) * scale, rtol=1e-6)
    np.testing.assert_allclose(store.points[5, 0], [12, 9] * scale, rtol=1e-6)
    assert np.isnan(store.points[5, 1]).all() and store.point_names == ("back", "left eye")
    assert store.attribute_names[0] == "has_bill_shape::dagger"
    expected = [[int(a == image % 3 + 1) for a in (1, 2, 3)] for image in range(1, 17)]
    np.testing.assert_array_equal(store.attributes, expected)
    assert store.class_names[0] == "097.Bird_97" and store.labels.tolist() == [i // 2 for i in range(16)]
    np.testing.assert_array_equal(store.coarse, store.labels)


def test_cub_without_the_names_of_attributes(made) -> None:
    """As in an extracted folder that was taken without what lies beside it."""
    mini = made("cub200")
    del mini.files["attributes.txt"]
    store = prepare(mini.write(extracted="CUB_200_2011"))
    assert store.attributes is None and store.points is not None
    assert any("attributes.txt with their names are not here: left out" in line for line in store.source["remarks"])


def test_cars_boxes_count_pixels_from_one(made) -> None:
    store = prepare(made("cars196").write())
    scale = np.array([16 / miniatures.WIDTH, 16 / miniatures.HEIGHT])
    np.testing.assert_allclose(store.boxes[0, 0].reshape(2, 2), np.array([[6, 3], [18, 12]]) * scale, rtol=1e-6)
    assert store.class_names[2] == "Maker Model 98" and store.labels[:7].tolist() == [0, 1, 2, 3, 4, 5, 0]


def test_cars_from_the_lists_of_the_devkit(made) -> None:
    """What most mirrors have."""
    mini = made("cars196")
    contents = [mini.files[path] for path in mini.images]
    mini.files, mini.beside = {}, {}
    for folder, there, first in (("cars_train", contents[:8], 0), ("cars_test", contents[8:], 8)):
        names = [f"{i + 1:05d}.jpg" for i in range(len(there))]
        mini.files |= {f"{folder}/{name}": content for name, content in zip(names, there, strict=True)}
        suffix = "_withlabels" if folder == "cars_test" else ""
        mini.files[f"devkit/{folder}_annos{suffix}.mat"] = annotations(names, "fname", first)
    mini.files["devkit/cars_meta.mat"] = mini.files["devkit/cars_train_annos.mat"]
    store = prepare(mini.write(extracted="cars196"))
    assert store.paths[8] == "cars_test/00001.jpg" and store.labels[8] == 2
    assert any("lists of the devkit instead of cars_annos.mat" in remark for remark in store.source["remarks"])


def test_products_and_their_kinds(made) -> None:
    store = prepare(made("sop").write())
    assert store.coarse_names == ("bicycle", "sofa") and store.class_names[4] == "11319"
    assert [store.coarse_names[c] for c in store.coarse[:4]] == ["bicycle", "bicycle", "sofa", "sofa"]


def test_inshop_protocol(made) -> None:
    """Queries among the gallery for test items, everything among all others for training items."""
    path = made("inshop").write()
    store = prepare(path)
    drawn = split(load_manifest(path), "canonical")
    assert len(drawn.train) == len(drawn.validation) == 2 and drawn.test == (4, 5, 6)
    queries, gallery = protocol(store, drawn.test)
    assert set(store.parts[queries]) == {"query"} and set(store.parts[gallery]) == {"gallery"}
    queries, gallery = protocol(store, drawn.validation)
    np.testing.assert_array_equal(queries, gallery)
    assert set(store.labels[queries]) == set(drawn.validation)
    assert store.attribute_names == ("a-line", "knit fabric", "print")
    assert store.attributes[:, 0].tolist() == [1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]
    assert any(remark == "1 items have no attributes: id_00000006" for remark in store.source["remarks"])
    assert store.coarse_names == ("MEN/Denim", "WOMEN/Dresses")


def test_splits(made) -> None:
    path = made("cub200").write()
    manifest = load_manifest(path)
    drawn = split(manifest, "canonical")
    assert drawn.test == (4, 5, 6, 7) and sorted(drawn.train + drawn.validation) == [0, 1, 2, 3]
    assert split(manifest, "validation").test == drawn.validation
    half = split(manifest, "half", 3)
    assert half.validation == drawn.validation and len(half.train) == len(half.test) == 3
    assert half != split(manifest, "half", 4)
    with pytest.raises(UserError, match="classes must be 2 to 2 of the 4 classes that are trained on, found 3"):
        prepare(path)
        split(load_manifest(changed(path, "validation", {"classes": 3, "seed": 0})), "canonical")


@pytest.mark.parametrize(("crop", "fit"), [("box", "squash"), ("none", "centre"), ("box", "centre")])
def test_crop_and_fit(made, crop: str, fit: str) -> None:
    """Against Pillow's crop and resize; the box itself then fills the image."""
    mini = made("cub200")
    store = prepare(changed(changed(mini.write(), "crop", crop), "fit", fit))
    regions = {("box", "squash"): (6, 3, 18, 12), ("none", "centre"): (3, 0, 21, 18), ("box", "centre"): (7, 3, 16, 12)}
    x0, _, x1, _ = region = regions[crop, fit]
    np.testing.assert_array_equal(store.images[1], squashed(mini.files[mini.images[1]], box=region))
    if crop == "box":
        x = (np.array([6, 18]) - x0) * 16 / (x1 - x0)
        np.testing.assert_allclose(store.boxes[1, 0, [0, 2]], x.clip(0, 16), rtol=1e-6)
        np.testing.assert_allclose(store.boxes[1, 0, [1, 3]], [0, 16], atol=1e-5)


def test_cmyk_is_named_and_used(made) -> None:
    mini = made("cars196")
    mini.files[mini.images[6]] = picture(6, "CMYK")
    store = prepare(mini.write())
    assert any(remark == f"1 CMYK photographs, used as RGB: {mini.images[6]}" for remark in store.source["remarks"])
    np.testing.assert_array_equal(store.images[6], squashed(mini.files[mini.images[6]]))


def test_surplus_images_are_named_and_not_used(made) -> None:
    mini = made("sop")
    mini.files["Stanford_Online_Products/sofa_final/new.JPG"] = picture(1)
    store = prepare(mini.write())
    assert (
        "1 images that no list names, not used: Stanford_Online_Products/sofa_final/new.JPG" in store.source["remarks"]
    )
    assert len(store.images) == 14
