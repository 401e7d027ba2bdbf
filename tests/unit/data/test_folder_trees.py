"""What lies in a folder of one's own: litter, links, formats that are not read, names, numbers of classes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from doors import few_and_many
from hypothesis import given
from hypothesis import strategies as st
from miniatures import picture

from reproducible.data.manifest import load_manifest
from reproducible.data.photographs.folder import describe, names_in
from reproducible.data.photographs.plan import Halves
from reproducible.data.photographs.tree import is_litter, walk
from reproducible.data.store import prepare, verify
from reproducible.resources import UserError

FIRST = Halves("first_half")


def made_of(folder: Path, *classes: str, each: int = 2) -> Path:
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            (folder / name / f"{i}.jpg").write_bytes(picture(10 * number + i))
    return folder


def test_litter_is_no_class_and_no_photograph(photographs) -> None:
    folder = photographs()
    for hidden in (".ipynb_checkpoints", "@eaDir", "lost+found", "$RECYCLE.BIN", "c/.ipynb_checkpoints", "d/@eaDir"):
        (folder / hidden).mkdir()
        (folder / hidden / "0.jpg").write_bytes(picture(0))
    (folder / "c/.hidden.jpg").write_bytes(picture(1))
    made = describe(folder, FIRST, "mine", side=8)
    assert made.train + made.test == tuple("abcdefgh")
    store = prepare("mine")
    assert len(store.images) == 24 and verify("mine").ok
    (said,) = (r for r in store.source["remarks"] if "left behind, not used" in r)
    assert said.startswith("8 files or folders") and "c/.hidden.jpg" in said and "d/@eaDir" in said
    assert said in made.remarks


def test_a_real_folder_is_entered_once(photographs, tmp_path: Path) -> None:
    folder = photographs()
    (folder / "a/loop").symlink_to("..")
    (folder / "b/up").symlink_to("../..")
    (folder / "aa").symlink_to("h")  # sorted before it, and yet the real folder is the class
    made_of(tmp_path / "outside", "i")
    (folder / "i").symlink_to(tmp_path / "outside/i")
    (folder / "j").symlink_to(tmp_path / "outside/i")
    (folder / "c/nowhere.jpg").symlink_to("gone.jpg")
    describe(folder, FIRST, "mine", side=8)
    store = prepare("mine")
    assert store.class_names == tuple("abcdefghi") and len(store.images) == 26
    remarks = store.source["remarks"]
    assert "4 links to folders that are entered another way already, not followed: a/loop, aa, b/up, j" in remarks
    assert "1 links that lead nowhere and other things that are no files, not used: c/nowhere.jpg" in remarks


def test_what_is_not_read_is_counted_and_named(photographs) -> None:
    folder = photographs()
    (folder / "phone").mkdir()
    for name in ("phone/0.heic", "phone/1.HEIC", "a/3.jp2", "b/4.ppm"):
        (folder / name).write_bytes(b"something")
    (folder / "empty").mkdir()
    describe(folder, FIRST, "mine", side=8)
    unread = (
        "4 files in formats that are not read (.heic, .jp2, .ppm), not used; save them as JPEG or PNG: "
        "a/3.jp2, b/4.ppm, phone/0.heic, phone/1.HEIC"
    )
    for remarks in (load_manifest("mine").defects, prepare("mine").source["remarks"], verify("mine").remarks):
        assert unread in remarks
        assert "2 folders without a photograph that is read, no classes: empty, phone" in remarks


def test_a_name_that_is_not_utf_8_is_one_line(cache: Path, tmp_path: Path) -> None:
    folder = made_of(tmp_path / "mine", *"abcdef")
    os.mkdir(os.fsencode(folder) + b"/gr\xfcn")
    (Path(os.fsdecode(os.fsencode(folder) + b"/a/\xfc.jpg"))).write_bytes(picture(1))
    with pytest.raises(UserError) as caught:
        describe(folder, FIRST, side=8)
    assert str(caught.value) == rf"{folder}: 2 names that are not UTF-8, to be renamed: a/\xfc.jpg, gr\xfcn"
    with pytest.raises(UserError, match=r"mine/gr\\xfcn: its path is not UTF-8; rename the folder"):
        describe(Path(os.fsdecode(os.fsencode(folder) + b"/gr\xfcn")), FIRST)


def test_proper_names_in_a_locale_that_knows_ascii_alone(cache: Path, tmp_path: Path) -> None:
    folder = made_of(tmp_path / unicodedata.normalize("NFD", "Früchte"), "Äpfel", "梨", *"cdefgh")
    command = [sys.executable, "-c", "from reproducible.cli import main; main()", "data"]
    ascii_only = {**os.environ, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for words in (["folder", str(folder), "--side", "8"], ["prepare", "früchte"]):
        done = subprocess.run([*command, *words], env=ascii_only, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    assert set(prepare("früchte").class_names) == {"Äpfel", "梨", *"cdefgh"}


def test_names_are_compared_in_nfc_and_kept_in_their_script(cache: Path, tmp_path: Path) -> None:
    folder = made_of(tmp_path / "東京", unicodedata.normalize("NFD", "Äpfel"), *"bcdefg")
    apples = unicodedata.normalize("NFC", "Äpfel")
    made = describe(folder, Halves("list", classes=(apples, "b", "c", "d")), exclude=["g"], side=8)
    assert made.manifest.stem == "東京" and made.train[-1] == apples
    assert apples in prepare("東京").class_names and len(prepare("東京").images) == 12
    with pytest.raises(UserError, match="exclude: nothing has a path like 'Birnen'"):
        describe(folder, FIRST, exclude=["Birnen"])


def test_classes_stand_in_natural_order(cache: Path, tmp_path: Path) -> None:
    made = describe(made_of(tmp_path / "mine", *map(str, range(1, 13))), FIRST, side=8)
    assert made.train == ("1", "2", "3", "4", "5", "6") and made.test == ("7", "8", "9", "10", "11", "12")


def test_class_names_with_commas_and_brackets(cache: Path, tmp_path: Path) -> None:
    folder = made_of(tmp_path / "mine", "kiwi, green", "tomato [ripe]", "tomato r", *"abcdef")
    assert names_in('"kiwi, green",a, b') == ("kiwi, green", "a", "b") and names_in("") == ()
    (tmp_path / "names.txt").write_text("kiwi, green\na\n\nb\nc\n", encoding="utf-8-sig")
    listed = names_in(f"@{tmp_path / 'names.txt'}")
    made = describe(folder, Halves("list", classes=listed), exclude=["tomato [ripe]"], side=8)
    assert set(made.train) == {"kiwi, green", *"abc"}
    assert set(made.test) == {"d", "e", "f", "tomato r"}  # the pattern would have fitted this one alone
    for text in ("@nothing.txt", '"kiwi, green'):
        with pytest.raises(UserError, match=r"--classes: .* cannot be read as names"):
            names_in(text)


@pytest.mark.parametrize(
    ("classes", "change", "said"),
    [
        (5, {}, r"2 to test on: 6 classes in all; this folder has 5"),
        (6, {}, r"the rule 'first_half' gives other numbers.* fits: --rule list --classes 'a,b,c,d'"),
        (8, {"validation": 1}, r"4 classes to train on, of which 1 are held .*--validation can be 2 to 2 here"),
        (10, {"validation": 4}, r"--validation can be 2 to 3 here"),
    ],
)
def test_how_many_classes_are_needed(photographs, classes: int, change: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        describe(photographs(classes), FIRST, "mine", **change)


def test_the_rule_that_is_offered_fits(photographs) -> None:
    describe(photographs(6), Halves("list", classes=names_in("a,b,c,d")), "mine", side=8)
    assert prepare("mine").class_names == tuple("abcdef")


@pytest.mark.parametrize(
    "classes",
    [
        ("train/a", "train/b", "val/a", "val/b"),
        ("train/a", "train/b", "test/c", "test/d"),
        ("images/a", "images/b"),
        ("x/a", "y/a", "z/a"),
    ],
)
def test_folders_of_folders_of_images(cache: Path, tmp_path: Path, classes: tuple[str, ...]) -> None:
    folder = made_of(tmp_path / "mine", *classes)
    first = classes[0].split("/")[0]
    with pytest.raises(UserError, match=f"its folders hold folders of images .* the classes, as {folder / first};"):
        describe(folder, FIRST)


NAMES = st.sampled_from(["a", "b", "c.jpg", "ä", "10", "2", ".hidden", "@eaDir", "Thumbs.db", "x[1]", "k, l"])
STEPS = st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3), st.sampled_from("fldl"), NAMES), max_size=14)


@few_and_many(20)
@given(steps=STEPS)
def test_any_tree(steps: list[tuple[list[str], str, str]]) -> None:
    """Every real file that is no litter is listed once, by its own path; nothing is listed twice but through links to
    files; every folder's files are those of the folder itself."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "root")
        root.mkdir()
        for parts, kind, target in steps:
            path = root.joinpath(*parts)
            if path.exists() or path.is_symlink() or any(p.is_file() or p.is_symlink() for p in path.parents):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if kind == "f":
                path.write_bytes(b"x")
            elif kind == "d":
                path.mkdir()
            else:
                path.symlink_to(root / target if len(parts) > 1 else "..")
        tree = walk(root)
        real = {
            Path(folder, name).relative_to(root).as_posix()
            for folder, _, names in os.walk(root)
            for name in names
            if not Path(folder, name).is_symlink()
        }
        assert {path for path in real if not is_litter(path)} <= set(tree.files)
        for path, (on_disk, size) in tree.files.items():
            assert not is_litter(path) and Path(on_disk).read_bytes() == b"x" * size
        through = [Path(on_disk).parent.resolve() / Path(on_disk).name for on_disk, _ in tree.files.values()]
        assert len(through) == len(set(through))
