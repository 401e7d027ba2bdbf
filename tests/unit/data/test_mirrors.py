"""Official sets as people have them: other folders, other lists, other sizes, damaged files."""

from __future__ import annotations

import functools
import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from doors import few_and_many
from hypothesis import given
from hypothesis import strategies as st
from miniatures import EXTRACTED, OFFICIAL, Miniature, annotations, changed, picture, squashed
from PIL import Image

from reproducible.data.manifest import load_manifest
from reproducible.data.photographs.source import problems_of
from reproducible.data.store import prepare, verify
from reproducible.resources import UserError


def devkit(mini: Miniature, folder: str = "{0}/{0}/", annos: bool = False) -> None:
    """Cars as most mirrors have them: two folders, each in another of its own name, with the lists of the devkit."""
    contents = [mini.files[path] for path in mini.images]
    mini.files, beside = {}, mini.beside
    mini.beside = beside if annos else {}
    for name, there, first in (("cars_train", contents[:8], 0), ("cars_test", contents[8:], 8)):
        names = [f"{i + 1:05d}.jpg" for i in range(len(there))]
        mini.files |= {folder.format(name) + n: content for n, content in zip(names, there, strict=True)}
        suffix = "_withlabels" if name == "cars_test" else ""
        mini.files[f"devkit/{name}_annos{suffix}.mat"] = annotations(names, "fname", first)
    mini.files["devkit/cars_meta.mat"] = mini.files["devkit/cars_train_annos.mat"]


@pytest.mark.parametrize("folder", ["{0}/{0}/", "{0}/", "mirror/{0}/images/{0}/"])
@pytest.mark.parametrize("annos", [False, True])
def test_cars_as_mirrors_have_them(made, folder: str, annos: bool) -> None:
    """Each photograph by its own longest matching tail, by the annotation whose photographs are there."""
    mini = made("cars196")
    contents = [mini.files[path] for path in mini.images]
    devkit(mini, folder, annos)
    store = prepare(mini.write(extracted="cars196"))
    for image, content in zip(store.images, contents, strict=True):
        np.testing.assert_array_equal(image, squashed(content))
    assert store.paths[8] == "cars_test/00001.jpg" and store.labels[8] == 2


def test_lists_whose_photographs_are_nowhere_are_one_line(made) -> None:
    mini = made("cars196")
    devkit(mini, "photos_of_{0}/", annos=True)
    (said, *counts) = verify(mini.write(extracted="cars196")).problems
    assert said == (
        "cars196: none of the 18 images that cars_annos.mat or the devkit names is here: looked for car_ims/000001.jpg,"
        " there is photos_of_cars_test/00001.jpg."
    )
    assert not counts


def test_cars_without_a_whole_list(made) -> None:
    mini = made("cars196")
    devkit(mini)
    del mini.files["devkit/cars_meta.mat"]
    with pytest.raises(UserError, match=r"no cars_annos\.mat, nor cars_meta\.mat for those of the devkit"):
        prepare(mini.write(extracted="cars196"))


@pytest.mark.parametrize("name", OFFICIAL)
def test_many_missing_photographs_are_ten_lines_and_a_count(made, name: str) -> None:
    mini = made(name)
    for path in mini.images[2:]:
        del mini.files[path]
    problems = verify(mini.write()).problems
    count = len(mini.images) - 2
    assert len(problems) == min(count, 11) and all("missing, the index lists it" in line for line in problems[:10])
    assert count <= 10 or problems[10] == f"... and {count - 10} more, {count} in all."


def test_many_damaged_photographs_are_ten_lines_and_a_count(made) -> None:
    mini = made("inshop")
    for path in mini.images:
        mini.files[path] = mini.files[path][:-300]
    problems = verify(mini.write()).problems
    assert len(problems) == 11 and problems[10] == "... and 7 more, 17 in all."


@pytest.mark.parametrize("crop", ["none", "box"])
@pytest.mark.parametrize(
    ("scale", "said"),
    [
        (0.5, r"16 of 16 boxes leave their photographs, for example \(6, 3, 18, 12\) in .* of 12 x 9 pixels"),
        (0.25, r"16 of 16 boxes leave their photographs, .* of 6 x 4 pixels"),
        (2.0, r"no box of 16 reaches beyond 38 % of its photograph, .* of 48 x 36 pixels"),
    ],
)
def test_boxes_of_another_size(made, crop: str, scale: float, said: str) -> None:
    """One problem, whatever is cut out; a box is never a corrupt image."""
    mini = made("cub200")
    for i, path in enumerate(mini.images):
        mini.files[path] = picture(i, size=(int(24 * scale), int(18 * scale)))
    path = changed(mini.write(), "crop", crop)
    with pytest.raises(UserError, match=said + ": they are of another size; was this mirror resized") as caught:
        prepare(path)
    assert "\n" not in str(caught.value)


def test_a_box_beside_its_photograph_is_named(made) -> None:
    """A single one is no other size, and no corrupt image; one that reaches over the edge is cut to the photograph."""
    mini = made("cub200")
    boxes = mini.files["CUB_200_2011/bounding_boxes.txt"].decode().splitlines()
    boxes[0] = "1 6.0 3.0 30.0 30.0"
    mini.files["CUB_200_2011/bounding_boxes.txt"] = "\n".join(boxes).encode()
    store = prepare(changed(mini.write(), "crop", "box"))
    np.testing.assert_array_equal(store.images[0], squashed(mini.files[mini.images[0]], box=(6, 3, 24, 18)))
    boxes[1] = "2 30.0 3.0 5.0 5.0"
    mini.files["CUB_200_2011/bounding_boxes.txt"] = "\n".join(boxes).encode()
    (problem,) = verify(changed(mini.write(), "crop", "box")).problems
    assert "the box (30.0, 3.0, 35.0, 8.0) leaves nothing of a photograph of 24 x 18 pixels" in problem
    assert "corrupt" not in problem


def test_high_resolution_of_inshop(made) -> None:
    """The other root is taken and said; its boxes, which are of the small photographs, are not."""
    mini = made("inshop")
    mini.files = {path.replace("img/", "Img/img_highres/", 1): content for path, content in mini.files.items()}
    path = mini.write(extracted=EXTRACTED["inshop"])
    store = prepare(path)
    assert len(store.images) == 17 and store.boxes is None
    said = "images of img_highres instead of img: of another size, so boxes are left out."
    assert said in store.source["remarks"]
    (problem,) = verify(changed(path, "crop", "box")).problems
    assert "crop=box, but no box of an object is here" in problem


LISTS = {
    "cub200": ["images.txt", "image_class_labels.txt", "classes.txt", "bounding_boxes.txt"],
    "sop": ["Ebay_train.txt", "Ebay_test.txt"],
    "inshop": ["list_eval_partition.txt", "list_bbox_inshop.txt", "list_attr_cloth.txt", "list_attr_items.txt"],
}
MARK = b"\xef\xbb\xbf"


def texts(mini: Miniature) -> list[tuple[dict[str, bytes], str]]:
    there = [(kept, path) for kept in (mini.files, mini.beside) for path in kept if "._" not in path]
    return [(kept, path) for kept, path in there if path.endswith(".txt")]


@pytest.mark.parametrize("name", LISTS)
def test_a_mark_before_a_list_is_no_part_of_it(made, name: str, tmp_path: Path, monkeypatch) -> None:
    mini = made(name)
    first = prepare(mini.write())
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "another"))
    for kept, path in texts(mini):
        kept[path] = MARK + kept[path]
    second = prepare(mini.write())
    assert (second.fingerprint, second.paths) == (first.fingerprint, first.paths)
    assert second.attribute_names == first.attribute_names and second.point_names == first.point_names


def test_a_list_in_latin_1_is_named_with_line_and_byte(made) -> None:
    mini = made("cub200")
    mini.files["CUB_200_2011/classes.txt"] = "\n".join(f"{c} {c:03d}.Bird_é" for c in range(97, 105)).encode("latin-1")
    (problem,) = verify(mini.write()).problems
    assert problem == "cub200: CUB_200_2011/classes.txt, line 1, byte 13: not UTF-8 (0xe9); save the list as UTF-8."


@functools.cache
def whole(name: str) -> tuple[dict[str, bytes], str]:
    """Files of a miniature by their path, and its manifest."""
    with tempfile.TemporaryDirectory() as place:
        mini = OFFICIAL[name](Path(place))
        manifest = mini.write(extracted=EXTRACTED[name])
        root = Path(place, EXTRACTED[name])
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}, (
            manifest.read_text()
        )


@few_and_many(16)
@given(name=st.sampled_from([*OFFICIAL]), data=st.data())
def test_any_file_cut_off_or_changed(name: str, data: st.DataObject) -> None:
    """Whatever file of a set is damaged however: problems in words, or none where what was lost is not needed."""
    files, manifest = whole(name)
    path = data.draw(st.sampled_from(sorted(files)))
    content = files[path]
    place = data.draw(st.integers(0, len(content)))
    if data.draw(st.booleans()):
        damaged = content[:place]
    else:
        damaged = content[:place] + data.draw(st.binary(max_size=4)) + content[place + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, EXTRACTED[name])
        for other, kept in (files | {path: damaged}).items():
            (root / other).parent.mkdir(parents=True, exist_ok=True)
            (root / other).write_bytes(kept)
        written = Path(folder, f"{name}.yaml")
        written.write_text(manifest)
        _, problems, _ = problems_of(load_manifest(written), bar=False)
        assert all(isinstance(problem, str) and len(problem) < 4000 for problem in problems)


def test_a_png_of_the_same_name_does_not_stand_for_the_photograph(made) -> None:
    """Where both are there, the file that the list names is taken."""
    mini = made("cub200")
    for path in mini.images:
        stream = io.BytesIO()
        Image.new("RGB", (24, 18)).save(stream, "PNG")
        mini.files[path.replace(".jpg", ".png")] = stream.getvalue()
    store = prepare(mini.write())
    np.testing.assert_array_equal(store.images[3], squashed(mini.files[mini.images[3]]))
