"""Damaged sources, interruptions and processes, on the papers' data sets in miniature."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from miniatures import left_behind, picture, squashed

from reproducible.data.manifest import load_manifest
from reproducible.data.photographs import decode
from reproducible.data.store import cache_dir, prepare, state, verify
from reproducible.resources import UserError


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_an_archive(made, kind: bytes) -> None:
    mini = made("cars196")
    path = mini.write()
    with tarfile.open(mini.folder / mini.archive, "w:gz") as archive:
        member = tarfile.TarInfo("car_ims/000001.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(UserError, match=r"member 'car_ims/000001\.jpg' is a link"):
        prepare(path)


@pytest.mark.parametrize("name", ["cub200", "sop"])
def test_paths_that_leave_the_archive(made, name: str) -> None:
    mini = made(name)
    mini.files["../../evil.jpg"] = picture(1)
    report = verify(mini.write())
    assert "member '../../evil.jpg' is a link, no plain file or leaves its folder" in report.problems[0]


@pytest.mark.parametrize("name", ["cub200", "sop"])
def test_truncated_archive(made, name: str) -> None:
    mini = made(name)
    path = mini.write()
    archive = mini.folder / mini.archive
    archive.write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(UserError, match=rf"{mini.archive}: cannot be read to its end"):
        prepare(path)


def test_damaged_member_of_a_zip_is_named(made) -> None:
    mini = made("sop")
    path = mini.write()
    archive = mini.folder / mini.archive
    with zipfile.ZipFile(archive) as opened:
        start = opened.getinfo(mini.images[3]).header_offset + 200
    content = bytearray(archive.read_bytes())
    content[start] ^= 255
    archive.write_bytes(content)
    with pytest.raises(UserError, match=rf"{mini.archive}: {mini.images[3]}: cannot be read"):
        prepare(path)


def test_not_a_number_in_a_list(made) -> None:
    mini = made("cub200")
    mini.files["CUB_200_2011/bounding_boxes.txt"] = b"1 a b c d\n"
    assert "its annotations are not in layout 'cub'" in verify(mini.write()).problems[0]
    del mini.files["CUB_200_2011/bounding_boxes.txt"]
    assert "there is no CUB_200_2011/bounding_boxes.txt" in verify(mini.write()).problems[0]
    del mini.files["CUB_200_2011/images.txt"]
    assert "there is no images.txt. Is this the whole data set" in verify(mini.write()).problems[0]


def test_what_is_not_here_says_what_to_put_where(made, tmp_path: Path) -> None:
    mini = made("inshop")
    path = mini.write()
    (mini.folder / mini.archive).unlink()
    with pytest.raises(UserError) as caught:
        prepare(path)
    said = str(caught.value)
    for words in ("img.zip", "Eval/list_eval_partition.txt", "In-shop Clothes", str(mini.folder), "agreement"):
        assert words in said
    assert state(load_manifest(path)) == "not here" and not verify(path).ok


def test_interrupted_and_resumed(made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decoded before Ctrl-C is not decoded again, and the store is the one of an undisturbed call."""
    mini = made("cub200")
    path = mini.write()
    examine, seen = decode.examine, []

    def stop_at_six(content, job, *rest):
        if len(seen) == 6:
            raise KeyboardInterrupt
        seen.append(job.place)
        return examine(content, job, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(decode, "examine", stop_at_six)
        with pytest.raises(KeyboardInterrupt):
            prepare(path)
    (partial,) = (p for p in left_behind() if p.endswith(".partial"))
    assert len((cache_dir() / "stores" / partial / "found.jsonl").read_text().splitlines()) == 6
    again = []

    def note(content, job, *rest):
        again.append(job.place)
        return examine(content, job, *rest)

    monkeypatch.setattr(decode, "examine", note)
    store = prepare(path)
    assert sorted(seen + again) == list(range(16)) and not set(seen) & set(again)
    assert not [p for p in left_behind() if p.endswith(".partial")]
    for image, name in zip(store.images, mini.images, strict=True):
        np.testing.assert_array_equal(image, squashed(mini.files[name]))
    assert "1 grey photographs" in "\n".join(store.source["remarks"])


def test_changed_source_is_not_resumed(made, monkeypatch: pytest.MonkeyPatch) -> None:
    mini = made("cub200")
    path = mini.write()
    with monkeypatch.context() as patch:
        patch.setattr(decode, "examine", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare(path)
    (partial,) = (cache_dir() / "stores" / p for p in left_behind())
    (partial / "found.jsonl").write_text(json.dumps({"place": 0, "width": 24, "height": 18, "mode": "RGB"}) + "\n")
    mini.files[mini.images[0]] = picture(99)
    store = prepare(mini.write())
    np.testing.assert_array_equal(store.images[0], squashed(picture(99)))


def test_processes_give_the_same_store(made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mini = made("cub200")
    path = mini.write()
    expected = prepare(path)
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(decode, "_FEW", 0)
    found = prepare(path, workers=2)
    assert found.fingerprint == expected.fingerprint and found.source == expected.source
    mini.files[mini.images[5]] = b"no image"
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "third"))
    with pytest.raises(UserError, match=rf"{mini.images[5]}: corrupt or truncated image"):
        prepare(mini.write(), workers=1)
