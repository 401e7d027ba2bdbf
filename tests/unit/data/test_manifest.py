"""The schema of data_manifests/*.yaml, and what a bad manifest or index gets."""

from __future__ import annotations

import ast
import csv
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reproducible.data.manifest import Manifest, load_manifest, manifest_names, read_classes, read_index, safe
from reproducible.resources import UserError, asset


def test_shipped_manifest_agrees_with_its_files() -> None:
    manifest = load_manifest("groceries")
    rows = read_index(manifest)  # checks the digest and the counts
    classes = read_classes(manifest)
    assert len(rows) == 5502
    assert len(classes) == 81
    assert len(manifest.coarse) == 43
    assert manifest.path(manifest.archive).stat().st_size == manifest.archive.bytes
    assert manifest.path(manifest.index).stat().st_size == manifest.index.bytes
    assert "MIT License" in manifest.path(manifest.licence).read_text()
    assert "groceries" in manifest_names() and "claims" not in manifest_names()


def test_coarse_names_fit_the_classes() -> None:
    """A class that is alone in its coarse class, and many that are not, carry its name."""
    manifest = load_manifest("groceries")
    classes = read_classes(manifest)
    named = [c for c in classes if manifest.coarse[c.coarse_id] in c.name]
    assert len(named) > 60
    assert {manifest.coarse[c.coarse_id] for c in classes if c not in named} == {"Apple", "Melon", "Pear", "Juice"}


def test_kinds() -> None:
    manifest = load_manifest("groceries")
    kinds = [c.kind for c in read_classes(manifest)]
    assert [kinds.count(kind) for kind in ("fruit", "carton", "vegetable")] == [28, 31, 22]
    with pytest.raises(UserError, match="no kind covers class id 81"):
        manifest.kind_of(81)


def test_imagenet_labels_exist() -> None:
    """Each label of the manifest is one of the 1,000 that torchvision lists, each class name one of the set's."""
    (package,) = importlib.util.find_spec("torchvision").submodule_search_locations
    source = (Path(package) / "models" / "_meta.py").read_text()  # importing it would load all of torchvision
    labels = ast.literal_eval(source[source.index("[") : source.index("]") + 1])
    assert len(labels) == 1000
    manifest = load_manifest("groceries")
    assert set(manifest.imagenet_overlap) | set(manifest.imagenet_related) <= set(labels)
    assert not set(manifest.imagenet_overlap) & set(manifest.imagenet_related)
    names = {c.name for c in read_classes(manifest)}
    assert {name for group in manifest.imagenet_overlap.values() for name in group} <= names


def test_shipped_assets_have_digests_and_licences() -> None:
    import hashlib

    folder = asset("SHA256SUMS").parent
    listed = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    present = {p.name for p in folder.iterdir() if p.is_file()} - {"README.md", "SHA256SUMS", "__init__.py"}
    assert set(listed) == present
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    for name in present:
        assert (folder / f"{name.split('.')[0]}.LICENSE").is_file(), f"{name} has no licence beside it"


def test_needs_no_torch() -> None:
    """Manifests and splits can be read where importing torch would be too slow."""
    code = "import sys, reproducible.data.splits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_unknown_data_set() -> None:
    with pytest.raises(UserError, match=r"no data set 'grocery'\. Did you mean 'groceries'"):
        load_manifest("grocery")


@pytest.mark.parametrize(
    ("path", "key", "message"),
    [
        ((), "licence_", r"fake\.yaml: unknown key 'licence_'\. Did you mean 'licence'\?"),
        (("archive",), "sha265", r"fake\.yaml: archive: unknown key 'sha265'\. Did you mean 'sha256'\?"),
        ((), "root", r"fake\.yaml: unknown key 'root'"),
    ],
)
def test_unknown_key(fake, path: tuple[str, ...], key: str, message: str) -> None:
    made = fake()
    made.write()
    target = made.manifest
    for step in path:
        target = target[step]
    target[key] = "x"
    with pytest.raises(UserError, match=message):
        load_manifest(made.save_manifest())


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("side", "160", "side: must be int, found '160'"),
        ("side", True, "side: must be int, found True"),
        ("archive", "fake.tar", "archive: must be a mapping"),
        ("kinds", {"a": [0, 1, 2]}, r"kinds: a: must be tuple\[int, int\], found \[0, 1, 2\]"),
        ("kinds", {"a": [0, "1"]}, r"kinds: a\[1\]: must be int, found '1'"),
        ("coarse", "Apple", "coarse: must be tuple"),
        ("near_duplicate_cosine", "high", "near_duplicate_cosine: must be float"),
    ],
)
def test_wrong_type(fake, key: str, value: object, message: str) -> None:
    made = fake()
    made.write()
    made.manifest[key] = value
    with pytest.raises(UserError, match=message):
        load_manifest(made.save_manifest())


def test_missing_field_and_unreadable_file(fake, tmp_path: Path) -> None:
    made = fake()
    made.write()
    del made.manifest["side"]
    with pytest.raises(UserError, match=r"fake\.yaml: the key 'side' is missing"):
        load_manifest(made.save_manifest())
    with pytest.raises(UserError, match=r"absent\.yaml: there is no such file"):
        load_manifest(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("name: [")
    with pytest.raises(UserError, match=r"bad\.yaml, line 2: cannot be read as YAML"):
        load_manifest(tmp_path / "bad.yaml")


def test_whole_number_is_a_float(fake) -> None:
    made = fake()
    made.write()
    made.manifest["near_duplicate_cosine"] = 1
    assert load_manifest(made.save_manifest()).near_duplicate_cosine == 1.0


def test_wrong_checksum_of_index(fake) -> None:
    made = fake()
    manifest = load_manifest(made.write())
    expected = manifest.index.sha256
    with (made.folder / "fake.csv").open("a") as stream:
        stream.write("\n")
    with pytest.raises(UserError, match=rf"fake\.csv: wrong checksum\. SHA-256 expected {expected}, found [0-9a-f]+"):
        read_index(manifest)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("class_id", "two", r"fake\.csv, line 3: cannot be read"),
        ("split", "training", r"fake\.csv, line 3: part 'training'"),
        ("path", "../x.webp", r"fake\.csv, line 3: .*'\.\./x\.webp' is not allowed"),
    ],
)
def test_bad_line_of_index(fake, field: str, value: str, message: str) -> None:
    made = fake()
    made.rows[1][field] = value
    with pytest.raises(UserError, match=message):
        read_index(load_manifest(made.write()))


def test_counts_and_ids_are_checked(fake) -> None:
    made = fake()
    made.write()
    made.manifest["counts"]["train"] += 1
    with pytest.raises(UserError, match=re.escape("images by part")):
        read_index(load_manifest(made.save_manifest()))
    made.rows[0]["class"] = "another"
    with pytest.raises(UserError, match="gaps or two meanings"):
        read_classes(load_manifest(made.write()))
    made.rows[0]["class"] = made.rows[1]["class"]
    made.manifest["coarse"].append("surplus")
    with pytest.raises(UserError, match="one for each name in the manifest's field 'coarse'"):
        read_classes(load_manifest(made.write()))


def test_missing_file_says_where_it_comes_from(fake) -> None:
    made = fake()
    manifest = load_manifest(made.write())
    (made.folder / "fake.csv").unlink()
    with pytest.raises(UserError, match=r"fake\.csv: missing; data set 'fake' needs it\. Origin: made on the spot"):
        read_index(manifest)


def test_rows_are_the_lines_of_the_file() -> None:
    manifest = load_manifest("groceries")
    with asset("grocery81.index.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    rows = read_index(manifest)
    assert [row.path for row in rows] == [line["path"] for line in lines]
    assert [str(row.class_id) for row in rows] == [line["class_id"] for line in lines]
    assert isinstance(manifest, Manifest) and load_manifest(manifest) is manifest


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../../x", "a\\..\\x", "a\0b"])
def test_unsafe_paths(name: str) -> None:
    assert not safe(name)
    assert safe("00.Golden-Delicious/test..1.webp")
