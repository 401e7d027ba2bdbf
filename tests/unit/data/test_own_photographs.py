"""A folder of class folders as a data set, names that say how to store, and fetching what can be fetched."""

from __future__ import annotations

import errno
import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from miniatures import cars, picture
from PIL import Image

from reproducible.data.manifest import PhotoManifest, load_manifest, manifest_names, own_manifests
from reproducible.data.photographs import locate
from reproducible.data.photographs.decode import Fitting
from reproducible.data.photographs.folder import describe
from reproducible.data.photographs.plan import Download, Halves
from reproducible.data.splits import split
from reproducible.data.store import prepare, store_folder, verify
from reproducible.resources import UserError

FIRST = Halves("first_half")
OFFICIAL = ("cars196", "cars196_cropped", "caltech101_boxes24", "cub100_cropped", "cub200", "inshop", "sop")


def test_a_folder_becomes_a_data_set(photographs) -> None:
    folder = photographs()
    made = describe(folder, FIRST, side=12)
    assert (made.train, made.test) == (tuple("abcd"), tuple("efgh"))
    assert made.manifest == own_manifests() / "my_photographs.yaml" and "my_photographs" in manifest_names()
    store = prepare("my_photographs")
    assert store.class_names == tuple("abcdefgh") and len(store.images) == 24
    assert set(store.class_names[c] for c in store.labels[store.parts == "train"]) == set("abcd")
    expected = Image.open(folder / "b/deep/2.jpg").crop((3, 0, 21, 18)).resize((12, 12), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(store.images[store.paths.index("b/deep/2.jpg")], np.asarray(expected))
    drawn = split(store, "canonical")
    assert len(drawn.train) == len(drawn.validation) == 2 and drawn.test == (4, 5, 6, 7)
    report = verify("my_photographs")
    assert report.ok and any("a/._0.jpg" in remark for remark in report.remarks)


def test_rules_exclusions_and_an_upright_photograph(photographs) -> None:
    folder = photographs(10)
    turned = Image.open(folder / "c/0.jpg")
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was held a quarter turn to the left
    turned.save(folder / "c/0.jpg", exif=exif, quality=95)
    describe(folder, Halves("list", classes=("j", "c", "d", "e")), "mine", ["a", "b/deep/0.*"], 18, "centre", 2)
    store = prepare("mine")
    assert "a" not in store.class_names and "b/deep/0.jpg" not in store.paths and len(store.images) == 26
    assert set(store.class_names[c] for c in store.labels[store.parts == "train"]) == set("cdej")
    upright = np.asarray(Image.open(folder / "c/0.jpg").transpose(Image.Transpose.ROTATE_270).crop((0, 3, 18, 21)))
    np.testing.assert_array_equal(store.images[store.paths.index("c/0.jpg")], upright)
    describe(folder, Halves("random", seed=3), "drawn", side=8)
    assert load_manifest("drawn").train == Halves("random", seed=3)
    assert sum(load_manifest("drawn").classes.values()) == 10


def test_a_changed_folder_is_noticed_and_described_again(photographs) -> None:
    folder = photographs()
    describe(folder, FIRST, "mine", side=8)
    before = store_folder(load_manifest("mine"))
    (folder / "a/0.jpg").write_bytes(picture(77, size=(40, 40)))
    assert "the folder has changed since its manifest was written" in verify("mine").problems[0]
    (folder / "a/3.jpg").write_bytes(picture(78))
    assert "wrong counts: images by part" in verify("mine").problems[0]
    describe(folder, FIRST, "mine", side=8)
    assert verify("mine").ok and store_folder(load_manifest("mine")) != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": Halves("list", classes=("z",))}, "there is no class 'z'"),
        ({"exclude": ["*.png"]}, r"exclude: nothing has a path like '\*\.png'"),
        ({"name": "groceries"}, "the name must be new"),
        ({"name": "My set"}, "the name must be new and of small letters"),
        ({"fit": "letterbox"}, "fit: must be one of them, found 'letterbox'"),
        ({"side": 0}, "side: must be a number of pixels, found 0"),
        ({"validation": 3}, "4 classes to train on, of which 3 are held out"),
        ({"train": Halves("list", classes=tuple("abcdefg"))}, "and 1 to test on: too few"),
    ],
)
def test_a_folder_that_cannot_be_a_data_set(photographs, change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        describe(photographs(), **{"train": FIRST, "name": "mine"} | change)
    assert not list(own_manifests().glob("*.yaml"))


def test_no_folder_and_no_classes(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no folder"):
        describe(tmp_path / "absent", FIRST)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat/0.jpg").write_bytes(picture(0))
    with pytest.raises(UserError, match="each class needs a folder of its own"):
        describe(tmp_path / "flat", FIRST)


@pytest.mark.parametrize("name", OFFICIAL)
def test_manifests_of_the_project(cache: Path, name: str) -> None:
    manifest = load_manifest(name)
    assert isinstance(manifest, PhotoManifest) and manifest.name == name
    assert set(manifest.counts) == set(manifest.classes)
    assert {part for side in manifest.protocols.values() for parts in side for part in parts} == set(manifest.counts)
    assert manifest.validation.classes < manifest.classes["train"] / 2
    assert all(source.files or source.folder for source in manifest.sources)


def test_a_name_says_how_to_store(cache: Path) -> None:
    plain, cropped = load_manifest("cub200"), load_manifest("cub200@side=64,fit=centre,crop=box")
    assert (cropped.side, cropped.fit, cropped.crop) == (64, "centre", "box")
    assert replace(cropped, name=plain.name, side=plain.side, fit=plain.fit, crop=plain.crop) == plain
    folders = {
        store_folder(load_manifest(n)) for n in ("cub200", "cub200@side=64", "cub200@crop=box", "cub200@fit=centre")
    }
    assert len(folders) == 4
    for name, message in (
        ("cub200@sides=3", r"unknown key 'sides'\. Did you mean 'side'"),
        ("cub200@fit=center", r"fit: must be one of them, found 'center'\. Did you mean 'centre'"),
        ("cub200@side=big", "side: must be a number of pixels, found 'big'"),
        ("groceries@side=64", "only photographs that a reader brings"),
        ("cub20@side=64", r"no data set 'cub20'\. Did you mean 'cub200'"),
    ):
        with pytest.raises(UserError, match=message):
            load_manifest(name)


def test_bad_manifest(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    path = cars(tmp_path / "set").write()
    content = yaml.safe_load(path.read_text())
    for change, message in (
        ({"layuot": "cars"}, r"unknown key 'layuot'\. Did you mean 'layout'"),
        ({"layout": "car"}, r"layout: must be one of them, found 'car'\. Did you mean 'cars'"),
        ({"train": {"rule": "up_to", "up_to": "98"}}, "train: up_to: must be int, found '98'"),
        ({"train": {"rule": "half"}}, "there is no rule 'half'"),
        ({"sources": [{"name": "official", "file": []}]}, r"sources\[0\]: unknown key 'file'\. Did you mean 'files'"),
    ):
        path.write_text(yaml.safe_dump(content | change))
        with pytest.raises(UserError, match=message):
            load_manifest(path)


def test_rules() -> None:
    classes = {3: "c", 5: "e", 8: "h", 9: "i", 12: "l"}
    assert Halves("first_half").trained(classes) == {3, 5}
    assert Halves("up_to", up_to=8).trained(classes) == {3, 5, 8}
    assert Halves("list", classes=("l", "c")).trained(classes) == {3, 12}
    drawn = [Halves("random", seed=seed).trained(classes) for seed in range(20)]
    assert all(len(d) == 2 and d <= set(classes) for d in drawn) and len({frozenset(d) for d in drawn}) > 3
    assert drawn[0] == Halves("random").trained(classes)
    with pytest.raises(UserError, match=r"no class 'cc'\. Did you mean 'c'"):
        Halves("list", classes=("cc",)).trained(classes)
    with pytest.raises(UserError, match=r"no rule 'first half'\. Did you mean 'first_half'"):
        Halves("first half")


sides = st.integers(1, 500)


@given(width=sides, height=sides, corners=st.lists(st.floats(-50, 550), min_size=4, max_size=4), crop=st.booleans())
def test_regions(width: int, height: int, corners: list[float], crop: bool) -> None:
    """Inside the photograph; the whole of it, or the largest square in its middle; a box is never left."""
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    box, crop_name = (x0, y0, x1, y1), "box" if crop else "none"
    try:
        whole = Fitting(8, "squash", crop_name).region(width, height, box)
        square = Fitting(8, "centre", crop_name).region(width, height, box)
    except ValueError:
        assert crop and (min(x1, width) <= max(x0, 0) or min(y1, height) <= max(y0, 0))
        return
    assert 0 <= whole[0] < whole[2] <= width and 0 <= whole[1] < whole[3] <= height
    if not crop:
        assert whole == (0, 0, width, height)
    else:
        assert whole[0] <= max(x0, 0) < whole[0] + 1 and whole[3] - 1 < min(y1, height) <= whole[3]
    assert square[2] - square[0] == square[3] - square[1] == min(whole[2] - whole[0], whole[3] - whole[1])
    assert all(abs(square[i] + square[i + 2] - whole[i] - whole[i + 2]) <= 1 for i in (0, 1))


CONTENT = np.random.default_rng(0).bytes(3_000_000)


@pytest.fixture
def server(cache: Path) -> Iterator[tuple[str, list]]:
    """A server of a file and a page that understands ranges, and what was asked of it."""
    asked: list[str | None] = []
    pages = {"/set.bin": CONTENT, "/page.html": b"\n<!DOCTYPE html><html>Please sign in</html>"}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Range"))
            start = int(asked[-1].removeprefix("bytes=").rstrip("-")) if asked[-1] else 0
            if self.path not in pages:
                return self.send_error(404)
            content = pages[self.path]
            self.send_response(206 if asked[-1] else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:])

        def log_message(self, *_: object) -> None:
            pass

    here = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=here.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{here.server_port}", asked
    here.shutdown()
    here.server_close()


def test_download(server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the right digest; from where an interrupted one ended; a wrong digest leaves nothing."""
    url, asked = server
    monkeypatch.setattr(locate, "_RETRIES", 0)
    right = hashlib.md5(CONTENT).hexdigest()
    file = Download("set.bin", url=f"{url}/set.bin", md5=right)
    locate.downloads().mkdir(parents=True)
    (locate.downloads() / "set.bin.part").write_bytes(CONTENT[:1_000_000])
    assert locate.download(file).read_bytes() == CONTENT and asked == ["bytes=1000000-"]
    assert locate.download(file).is_file() and len(asked) == 1  # it is there
    (locate.downloads() / "set.bin").unlink()
    wanted = (
        rf"set\.bin: another file than expected \(expected {'0' * 32}, found {right}\)\. Fetch it by other means .*"
    )
    with pytest.raises(UserError, match=wanted + "taken as a mirror if its structure and counts agree"):
        locate.download(replace(file, md5="0" * 32))
    assert not list(locate.downloads().glob("set*"))
    with pytest.raises(UserError, match=r"cannot be downloaded \(404.*put it into .*downloads as set\.bin"):
        locate.download(replace(file, url=f"{url}/other"))
    with pytest.raises(UserError, match="cannot be downloaded"):
        locate.download(replace(file, url="http://127.0.0.1:9/set.bin"))


@pytest.mark.parametrize("name", ["set.zip", "set.tar.gz", "list.txt"])
def test_a_page_instead_of_a_file_is_not_kept(server, name: str) -> None:
    """Where no digest is known, so that the next call fetches it again."""
    url, asked = server
    page = Download(name, url=f"{url}/page.html")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"page\.html: what came is no \.\w+ file, a page .* Fetch it by other means"
        ):
            locate.download(page)
        assert not list(locate.downloads().glob("*"))
    assert len(asked) == 2


def test_prepare_downloads_what_can_be(server) -> None:
    """Into the cache, from where a second call takes it."""
    manifest = replace(
        load_manifest("cub200"), sources=(replace(load_manifest("cub200").sources[0], files=_files(server[0])),)
    )
    with pytest.raises(UserError, match=r"there is no images\.txt"):
        prepare(manifest)
    with pytest.raises(UserError, match=r"there is no images\.txt"):
        prepare(manifest)
    assert len(server[1]) == 1


def _files(url: str) -> tuple[Download, ...]:
    return (Download("set.bin", url=f"{url}/set.bin", sha256=hashlib.sha256(CONTENT).hexdigest()),)


def test_command_line(photographs) -> None:
    """One command makes the data set, and says which is next; the card shows what it is."""
    from typer.testing import CliRunner

    from reproducible.cli import app

    def call(*words: str) -> str:
        done = CliRunner().invoke(app, ["data", *words])
        assert done.exit_code == 0, done.output
        return done.output

    said = call("folder", str(photographs()), "--name", "mine", "--rule", "random", "--seed", "1", "--side", "8")
    assert "reproducible data prepare mine" in said
    assert re.search(r"mine +not prepared +Photographs of My Photographs, 8 classes", call("list"))
    assert "mine: 24 images ready" in call("prepare", "mine")
    assert "mine: 24 images checked, 0 problems" in call("verify", "mine")
    shown = call("card", "mine")
    protocol = "Protocol all_to_all: train, test among train, test"
    for words in (protocol, "Prepared at 8 x 8", "the manifest states none", "Made from: folder"):
        assert words in shown
    shown = call("card", "sop")
    for words in ("Known: some photographs are grey", "'sop' is not here", "Stanford_Online_Products.zip"):
        assert words in shown


def test_full_disk_leaves_no_empty_manifest(photographs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which would be in the way of every list of data sets."""
    folder, written = photographs(), Path.write_text

    def full(path: Path, text: str, **options: str) -> int:
        written(path, text[:10], **options)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(UserError, match=r"my_photographs\.yaml: disk full; nothing was changed\. Free space\."):
            describe(folder, FIRST, side=12)
    assert not list(own_manifests().iterdir()) and "my_photographs" not in manifest_names()
