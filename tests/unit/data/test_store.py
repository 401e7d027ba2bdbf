"""The packed store: what is in it, what bad input gets, and what a killed or a second process leaves."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reproducible.data import store as room
from reproducible.data.archive import read_image, read_images
from reproducible.data.manifest import load_manifest
from reproducible.data.store import Store, open_store, prepare, store_folder, verify
from reproducible.resources import UserError, asset


def left_behind() -> list[str]:
    """Names in the cache's folder of stores, without lock files."""
    return sorted(p.name for p in room.cache_dir().glob("stores/*") if p.suffix != ".lock")


def test_groceries(groceries: Store) -> None:
    manifest = load_manifest("groceries")
    assert groceries.images.shape == (5502, 160, 160, 3) and groceries.images.dtype == np.uint8
    assert {part: int((groceries.parts == part).sum()) for part in manifest.counts} == manifest.counts
    assert groceries.fingerprint == manifest.fingerprint
    assert groceries.class_names[1] == "Granny-Smith" and groceries.kinds[80] == "vegetable"
    assert groceries.coarse_names[groceries.coarse[-1]] == "Zucchini"
    assert groceries.labels.dtype == groceries.coarse.dtype == np.int64


def test_stored_pixels_are_the_decoded_images(groceries: Store) -> None:
    """Against Pillow on the bytes that tarfile itself extracts, for square and for oblong photographs."""
    rng = np.random.default_rng(0)
    with tarfile.open(asset("grocery81.tar")) as tar:
        sizes = set()
        for index in rng.choice(len(groceries.paths), 40, replace=False):
            image = Image.open(tar.extractfile(f"grocery81/{groceries.paths[index]}")).convert("RGB")
            sizes.add(image.size)
            expected = np.asarray(image.resize((160, 160), Image.Resampling.BICUBIC))
            np.testing.assert_array_equal(groceries.images[index], expected)
    assert len(sizes) > 1


def test_second_call_opens_the_same_store(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fake()
    first = prepare(made.write())
    assert len(left_behind()) == 1
    monkeypatch.setattr(room, "_make", lambda *_: pytest.fail("prepared twice"))
    second = open_store(made.folder / "fake.yaml")
    assert first.fingerprint == second.fingerprint
    np.testing.assert_array_equal(first.images, second.images)


def test_fingerprint_depends_on_pixels_labels_and_parts_only(fake, monkeypatch, tmp_path: Path) -> None:
    made = fake()
    first = prepare(made.write()).fingerprint
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "another"))
    assert prepare(made.write()).fingerprint == first
    seen = {first}
    made.rows[1]["split"] = "train"
    seen.add(prepare(made.write()).fingerprint)
    made.files[made.rows[0]["path"]] = made.files[made.rows[3]["path"]]
    seen.add(prepare(made.write()).fingerprint)
    for row in made.rows:
        row["coarse_id"] = {0: 1, 1: 0}.get(row["coarse_id"], row["coarse_id"])
    seen.add(prepare(made.write()).fingerprint)
    assert len(seen) == 4
    assert len(left_behind()) == 4  # a changed archive or index never opens an older store


def test_images_cannot_be_changed_on_disk(fake) -> None:
    made = fake()
    first = prepare(made.write())
    before = first.images.copy()
    first.images[0] = 0
    np.testing.assert_array_equal(open_store(made.folder / "fake.yaml").images, before)


def spoil_truncate(made) -> str:
    path = made.rows[2]["path"]
    made.files[path] = made.files[path][: len(made.files[path]) // 2]
    return rf"fake\.tar: {path}: corrupt or truncated image"


def spoil_corrupt(made) -> str:
    made.files[made.rows[2]["path"]] = b"no image at all"
    return rf"fake\.tar: {made.rows[2]['path']}: corrupt or truncated image"


def spoil_empty(made) -> str:
    made.files[made.rows[2]["path"]] = b""
    return rf"fake\.tar: {made.rows[2]['path']}: corrupt or truncated image"


def spoil_size(made) -> str:
    made.rows[2]["w"] += 1
    return rf"fake\.tar: {made.rows[2]['path']}: wrong size, \d+ x 16 expected, \d+ x 16 found"


def spoil_missing(made) -> str:
    del made.files[made.rows[2]["path"]]
    return rf"fake\.tar: {made.rows[2]['path']}: missing, the index lists it"


def spoil_surplus(made) -> str:
    made.files["00.class/new.webp"] = made.files[made.rows[0]["path"]]
    return r"fake\.tar: 00\.class/new\.webp: surplus, not in the index"


def spoil_traversal(made) -> str:
    made.extra.append((tarfile.TarInfo("fake/../../evil.webp"), b""))
    return r"fake\.tar: member 'fake/\.\./\.\./evil\.webp' is a link, no plain file or outside fake/"


def spoil_absolute(made) -> str:
    made.extra.append((tarfile.TarInfo("/etc/evil.webp"), b""))
    return r"fake\.tar: member '/etc/evil\.webp' is a link"


def spoil_outside(made) -> str:
    made.extra.append((tarfile.TarInfo("elsewhere/evil.webp"), b""))
    return r"fake\.tar: member 'elsewhere/evil\.webp' is a link"


def _link(kind: bytes) -> Callable:
    def spoil(made) -> str:
        member = tarfile.TarInfo("fake/00.class/link.webp")
        member.type, member.linkname = kind, "/etc/passwd"
        made.extra.append((member, b""))
        return r"fake\.tar: member 'fake/00\.class/link\.webp' is a link"

    return spoil


def spoil_twice(made) -> str:
    member = tarfile.TarInfo("fake/" + made.rows[0]["path"])
    made.extra.append((member, b""))
    return r"fake\.tar: member '.*' occurs twice"


SPOILS = [
    spoil_truncate, spoil_corrupt, spoil_empty, spoil_size, spoil_missing, spoil_surplus, spoil_traversal,
    spoil_absolute, spoil_outside, _link(tarfile.SYMTYPE), _link(tarfile.LNKTYPE), _link(tarfile.FIFOTYPE), spoil_twice,
]  # fmt: skip


@pytest.mark.parametrize("spoil", SPOILS)
def test_bad_archive(fake, spoil: Callable) -> None:
    """Named by verify and by prepare, which leaves nothing."""
    made = fake()
    message = spoil(made)
    path = made.write()
    report = verify(path)
    assert not report.ok and len(report.problems) == 1
    with pytest.raises(UserError, match=message):
        raise UserError(report.problems[0])
    with pytest.raises(UserError, match=message):
        prepare(path)
    assert left_behind() == []


def test_verify_names_every_problem(fake) -> None:
    made = fake()
    for spoil in (spoil_corrupt, spoil_surplus):
        spoil(made)
    del made.files[made.rows[5]["path"]]
    path = made.write()
    with (made.folder / "fake.tar").open("ab") as stream:
        stream.write(b"\0")
    report = verify(path)
    assert len(report.problems) == 4
    assert "wrong checksum" in report.problems[0]
    assert report.images == len(made.rows) - 1


def test_verify_of_a_good_set(fake) -> None:
    made = fake()
    report = verify(made.write())
    assert report.ok and report.images == len(made.rows) and report.name == "fake"


def test_wrong_checksum(fake) -> None:
    made = fake()
    manifest = load_manifest(made.write())
    content = bytearray((made.folder / "fake.tar").read_bytes())
    content[600] ^= 1
    (made.folder / "fake.tar").write_bytes(content)
    expected = manifest.archive.sha256
    message = rf"fake\.tar: wrong checksum\. SHA-256 expected {expected}, found .*Origin: made on the spot"
    with pytest.raises(UserError, match=message):
        prepare(manifest)
    assert left_behind() == []


@pytest.mark.parametrize("content", [b"", b"not a tar" * 100])
def test_no_tar_archive(fake, content: bytes) -> None:
    made = fake()
    path = made.write()
    (made.folder / "fake.tar").write_bytes(content)
    report = verify(path)
    assert not report.ok and "fake.tar" in report.problems[-1]


def test_read_image_keeps_the_aspect(fake) -> None:
    made = fake()
    path = made.write()
    oblong = next(row for row in made.rows if row["w"] != row["h"])
    assert read_image(path, oblong["path"]).size == (oblong["w"], oblong["h"])
    images = list(read_images(path, [row["path"] for row in made.rows[:3]]))
    for row, image in zip(made.rows, images, strict=False):
        expected = Image.open(io.BytesIO(made.files[row["path"]])).convert("RGB")
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    with pytest.raises(UserError, match=r"no image '00\.class/test_9\.webp'\. Did you mean '00\.class/test_\d\.webp'"):
        read_image(path, "00.class/test_9.webp")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_full(fake, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def full(_: int) -> None:
        raise OSError(number, "no space")

    made = fake()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"disk full, .* MB are needed.*Free space"):
        prepare(made.write())
    assert left_behind() == []


def test_interrupted(fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves nothing, and the next call prepares the store."""

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    made = fake()
    path = made.write()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            prepare(path)
    assert left_behind() == []
    assert len(prepare(path).paths) == len(made.rows)


PREPARE = """
import sys, time
from pathlib import Path
from reproducible.data import archive, store
{patch}
print(store.prepare(Path(sys.argv[1])).fingerprint, flush=True)
"""
STOP = {
    "while decoding": """
read = archive.read
def slow(content, where):
    if "03.class/iconic_0" in where:
        print("here", flush=True)
        time.sleep(60)
    return read(content, where)
archive.read = slow
""",
    "before the rename": """
def stop(*_):
    print("here", flush=True)
    time.sleep(60)
Path.rename = stop
""",
}

SLOW_MAKER = """
make = store._make
def slow(*arguments):
    print("made", flush=True)
    time.sleep(0.5)
    make(*arguments)
store._make = slow
"""


def start(patch: str, path: Path) -> subprocess.Popen:
    """A process that prepares the set; the environment names the test's cache."""
    command = [sys.executable, "-c", PREPARE.format(patch=patch), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("where", list(STOP))
def test_killed(fake, where: str) -> None:
    """SIGKILL leaves no store, only a part that the next call removes, and no lock that blocks it."""
    made = fake()
    path = made.write()
    process = start(STOP[where], path)
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    folder = store_folder(load_manifest(path))
    assert left_behind() == [folder.name + ".partial"]
    assert len(prepare(path).paths) == len(made.rows)
    assert left_behind() == [folder.name]


def test_two_processes(fake) -> None:
    """Both get the store, and only one of them makes it."""
    path = fake().write()
    processes = [start(SLOW_MAKER, path) for _ in range(2)]
    printed = "".join(process.communicate()[0] for process in processes).split()
    assert [process.returncode for process in processes] == [0, 0]
    assert printed.count("made") == 1
    assert len(set(printed) - {"made"}) == 1 and len(printed) == 3
    assert len(left_behind()) == 1
