"""YAML and tables: what other readers take in silence is an error with its place; whatever is spoilt ends in words."""

from __future__ import annotations

import contextlib
import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reproducible.reading import COUNTS, counted, parse_yaml, read_rows, read_yaml
from reproducible.records import measured
from reproducible.resources import UserError, manifests

FOLDER = manifests()
YAML = sorted(FOLDER.glob("*.yaml"), key=lambda path: path.stat().st_size)


@pytest.mark.parametrize("path", YAML[:-1], ids=lambda path: path.name)  # the last, the claims, takes seconds
def test_yaml_is_what_pyyaml_reads(path: Path) -> None:
    assert read_yaml(path) == yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: .*the key 'a' is there twice, first in line 1"),
        ("- x: 1\n- y:\n    k: 1\n    l: 2\n    k: 3\n", "line 5: .*the key 'k' is there twice, first in line 3"),
        ("{a: 1, a: 2}", "line 1: .*the key 'a' is there twice, first in line 1"),
        ("a: [1", "line 2: cannot be read as YAML"),
        ("a: b: c", "line 1: cannot be read as YAML"),
        ("a: !!python/object:os.system x", "line 1: cannot be read as YAML"),
        ("a: 2024-13-45", "cannot be read as YAML"),
        ("[" * 5000, "cannot be read as YAML"),
    ],
)
def test_yaml_that_is_wrong_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "set.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"set\.yaml.*{said}") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_equal_keys_of_two_mappings_and_merged_ones_are_none() -> None:
    text = "base: &b {a: 1, c: 3}\none: {<<: *b, a: 2}\ntwo: {a: 1}\n1: x\n'1': y\n"
    assert parse_yaml(text, Path("x")) == yaml.safe_load(text)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("name: Köln\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"latin\.yaml: is not UTF-8 text, at byte 7\."):
        read_yaml(tmp_path / "latin.yaml")
    with pytest.raises(UserError, match=r"none\.csv: there is no such file\."):
        read_rows(tmp_path / "none.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read_rows(tmp_path)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.csv")), ids=lambda path: path.name)
def test_tables_are_what_the_standard_library_reads(path: Path) -> None:
    with path.open(newline="", encoding="utf-8") as stream:
        assert read_rows(path) == [*csv.DictReader(stream)]


@pytest.mark.parametrize("name", ["published_results.csv", "measurements.csv"])
def test_table_that_was_cut_short_is_noticed(name: str, tmp_path: Path) -> None:
    """At the end of a line as within one."""
    (tmp_path / COUNTS).write_bytes((FOLDER / COUNTS).read_bytes())
    lines = (FOLDER / name).read_bytes().splitlines(keepends=True)
    path = tmp_path / name
    path.write_bytes(b"".join(lines))
    whole = len(read_rows(path))
    for cut in (lines[:-1], lines[:1], []):
        path.write_bytes(b"".join(cut))
        with pytest.raises(UserError, match=f"{name}: has .* rows, {whole} are expected; it was cut short"):
            read_rows(path)
    path.write_bytes(b"".join(lines)[:-1])
    with pytest.raises(UserError, match="its last line does not end"):
        read_rows(path)


def test_lines_of_another_length_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for line in ("1,2,3", "1", '"1,2'):
        path.write_text(f"a,b\n1,2\n{line}\n")
        with pytest.raises(UserError, match=r"t\.csv, line [34]: "):
            read_rows(path)


def test_counts_follow_what_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured, "manifests", lambda: tmp_path)
    (tmp_path / COUNTS).write_text(counted({"measurements.csv": 0, "other.csv": 3}))
    (tmp_path / "measurements.csv").write_text("study,quantity,value,machine\n")
    measured.save_measurements("vem", {"time": 1.5, "memory": 2}, "a machine")
    assert [row["quantity"] for row in measured.measurements()] == ["time", "memory"]
    assert (tmp_path / COUNTS).read_text() == "file,rows\nmeasurements.csv,2\nother.csv,3\n"
    (tmp_path / COUNTS).write_text("file,rows\nmeasurements.csv,many\n")
    with pytest.raises(UserError, match="must have a name and a number of rows"):
        measured.measurements()


def spoil(data: st.DataObject, folder: Path) -> None:
    """A file of ours cut short, or with other bytes somewhere, is read or refused in words."""
    source = data.draw(st.sampled_from([*YAML[:3], FOLDER / "ledger.csv", FOLDER / "measurements.csv"]))
    content = bytearray(source.read_bytes()[: data.draw(st.sampled_from([400, 10**6]))])
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + 2] = data.draw(st.binary(max_size=4))
    path = folder / f"spoilt{source.suffix}"
    path.write_bytes(bytes(content))
    with contextlib.suppress(UserError):
        found: Any = (read_yaml if source.suffix == ".yaml" else read_rows)(path)
        assert found is None or isinstance(found, (str, list, dict, int, float, bool))


fixed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(fixed, max_examples=30)
@given(data=st.data())
def test_spoilt_files_end_in_words(data: st.DataObject, tmp_path: Path) -> None:
    spoil(data, tmp_path)


@pytest.mark.slow
@settings(fixed, max_examples=2000)
@given(data=st.data())
def test_spoilt_files_end_in_words_many(data: st.DataObject, tmp_path: Path) -> None:
    spoil(data, tmp_path)
