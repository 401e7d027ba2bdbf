"""Small data sets made on the spot: the same files and the same code path as the one that ships."""

from __future__ import annotations

import csv
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from miniatures import OFFICIAL, Miniature, picture
from PIL import Image

from reproducible.data.store import Store, open_store

SIDE = 16


@dataclass
class FakeSet:
    """A data set of noise images whose parts can be spoilt before it is written.

    Attributes:
        files: path -> content of the archive.
        rows: lines of the index.
        manifest: content of the YAML file; digests and counts are filled in by ``write``.
        extra: further tar members (links, paths that leave the folder).
    """

    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    extra: list[tuple[tarfile.TarInfo, bytes]] = field(default_factory=list)

    def write(self) -> Path:
        """Writes archive, index and manifest; returns the manifest's path."""
        with tarfile.open(self.folder / "fake.tar", "w") as tar:
            for path, content in self.files.items():
                member = tarfile.TarInfo(f"fake/{path}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            for member, content in self.extra:
                tar.addfile(member, io.BytesIO(content))
        with (self.folder / "fake.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        parts = [row["split"] for row in self.rows]
        self.manifest["counts"] = {part: parts.count(part) for part in ("train", "val", "test", "iconic")}
        for key, name in (("archive", "fake.tar"), ("index", "fake.csv")):
            content = (self.folder / name).read_bytes()
            self.manifest[key] |= {"asset": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        return self.save_manifest()

    def save_manifest(self) -> Path:
        """Writes the YAML file alone."""
        path = self.folder / "fake.yaml"
        path.write_text(yaml.safe_dump(self.manifest))
        return path


def webp(width: int, height: int, seed: int) -> bytes:
    """A noise photograph."""
    stream = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(noise).save(stream, "webp", quality=62)
    return stream.getvalue()


def make_set(folder: Path, coarse_of_class: Iterable[int] = (0, 0, 1, 2), photographs: int = 2) -> FakeSet:
    """Classes 0, 1, ... of the given coarse classes, each with photographs in three parts and one iconic image.

    The first half of the classes are of kind a, the others of kind b; odd photographs are wider than high.
    """
    made = FakeSet(folder)
    coarse = list(coarse_of_class)
    for c, coarse_id in enumerate(coarse):
        for part, count in (("iconic", 1), ("test", photographs), ("train", photographs), ("val", 1)):
            for i in range(count):
                path = f"{c:02d}.class/{part}_{i}.webp"
                width = SIDE if i % 2 == 0 else SIDE + 5
                made.files[path] = webp(width, SIDE, len(made.files))
                made.rows.append(
                    {"path": path, "class_id": c, "class": f"class-{c}", "coarse_id": coarse_id, "split": part}
                    | {"w": width, "h": SIDE}
                )
    half = len(coarse) // 2
    made.manifest = {
        "name": "fake",
        "title": "Noise",
        "licence": {"name": "none", "asset": "none"},
        "attribution": "nobody",
        "origin": "made on the spot",
        "archive": {"folder": "fake"},
        "index": {},
        "side": SIDE,
        "fingerprint": "unknown",
        "coarse": [f"coarse-{i}" for i in sorted(set(coarse))],
        "kinds": {"a": [0, half - 1], "b": [half, len(coarse) - 1]},
        "validation": {"ids": [0, half - 1], "classes": 2, "seed": 0},
        "protocols": {
            "test_to_trainval": [["test"], ["train", "val"]],
            "photo_to_photo": [["train", "val", "test"], ["train", "val", "test"]],
            "photo_to_iconic": [["train", "val", "test"], ["iconic"]],
        },
        "near_duplicate_cosine": 0.9,
        "imagenet_overlap": {"label": ["class-0"]},
        "imagenet_related": {},
    }
    return made


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeSet]:
    """``fake(...)`` makes a small data set; the cache is a folder of this test."""
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")

    def make(**arguments: Any) -> FakeSet:
        folder = tmp_path / "set"
        folder.mkdir()
        return make_set(folder, **arguments)

    return make


@pytest.fixture(scope="session")
def groceries() -> Store:
    """The shipped photographs, prepared in the user's cache if they are not yet."""
    return open_store("groceries")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Miniature]:
    """``made(name)``: the miniature of an official set; the cache is a folder of this test."""
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")
    monkeypatch.delenv("REPRODUCIBLE_DATA", raising=False)
    (tmp_path / "set").mkdir()
    return lambda name: OFFICIAL[name](tmp_path / "set")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache is a folder of this test."""
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")
    monkeypatch.delenv("REPRODUCIBLE_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def photographs(cache: Path, tmp_path: Path) -> Callable[..., Path]:
    """``photographs(n)``: a folder of n classes, a to ..., three photographs each, some deeper, with litter."""

    def make(classes: int = 8) -> Path:
        folder = tmp_path / "My Photographs"
        for c in range(classes):
            inner = folder / chr(ord("a") + c) / ("deep" if c == 1 else "")
            inner.mkdir(parents=True)
            for i in range(3):
                (inner / f"{i}.jpg").write_bytes(picture(10 * c + i))
        (folder / "a" / "._0.jpg").write_bytes(b"Mac OS X")
        (folder / "notes.txt").write_text("mine")
        (folder / "loose.jpg").write_bytes(picture(999))
        return folder

    return make
