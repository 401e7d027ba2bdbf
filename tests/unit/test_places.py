"""Folders that are not there or cannot be written, full disks, memory, devices and logs: one sentence each, and reading
makes nothing."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reproducible import cli, records, resources
from reproducible.backbones.weights import Source
from reproducible.config import Component, DataConfig, RunConfig, Term, from_dict
from reproducible.data import maps, store
from reproducible.models import build_model
from reproducible.resources import (
    UserError,
    cache_dir,
    check_device,
    disk_error,
    folder_for,
    nearest_name,
    shipped,
    writable,
)
from reproducible.training import checkpoint
from reproducible.training.devices import choose_device, memory_for


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and message of a command."""
    code = cli.guarded(lambda: cli.app(list(arguments), standalone_mode=False))
    shown = capsys.readouterr()
    return code, shown.out, shown.err


@pytest.mark.parametrize("arguments", [("data", "list"), ("data", "card", "groceries")], ids=" ".join)
def test_reading_makes_no_folder(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "none" / "cache"))
    code, shown, wrong = said(capsys, *arguments)
    assert (code, wrong) == (0, "") and shown
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [("data", "list"), ("data", "prepare", "groceries"), ("data", "card", "glyphs")])
def test_cache_that_is_a_file_is_one_sentence(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").touch()
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    code, _, wrong = said(capsys, *arguments)
    expected = f"reproducible: {tmp_path / 'cache'}: is not a folder, .* Let REPRODUCIBLE_CACHE name a folder .*\n"
    assert code == 2 and re.fullmatch(expected, wrong)


@pytest.mark.parametrize(
    "arguments", [("data", "prepare", "groceries"), ("pretrain",), ("run", "baseline/u512", "--profile", "smoke")]
)
def test_cache_that_cannot_be_written_is_one_sentence(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is computed; a file in the way refuses everybody, the administrator as well."""
    (tmp_path / "disk").touch()
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "disk" / "cache"))
    code, _, wrong = said(capsys, *arguments)
    assert code == 2 and wrong.count("\n") == 1
    assert re.match(rf"reproducible: {tmp_path}/disk/cache/.*: cannot be written \(Not a directory\)", wrong)
    assert "Let REPRODUCIBLE_CACHE name a folder that can be written." in wrong


WRITERS: dict[str, Callable[[Path], Any]] = {
    "file": lambda folder: records.write_text(folder / "a" / "b.json", "{}"),
    "lock": lambda folder: records.held(folder / "a" / "lock").__enter__(),
    "run": lambda folder: checkpoint.lock(folder / "a").__enter__(),
    "store": lambda folder: store._alone(folder / "a" / "b").__enter__(),
    "weights": lambda folder: Source("net.pth", "https://nowhere.invalid/net.pth").path(),
    "maps": lambda folder: maps.MapFile("m", {}, (1, 1, 1), 1, lambda rows: rows).fill(np.array([0])),
    "probe": lambda folder: writable(folder / "a"),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EACCES, "cannot be written (Permission denied)"), (errno.EROFS, "cannot be written (Read-only file")],
)
def test_everything_that_writes_says_where_and_what_to_do(
    write: Callable[[Path], Any], number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path))
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError) as caught:
        write(tmp_path)
    assert str(tmp_path) in str(caught.value) and words in str(caught.value)
    assert str(caught.value).endswith("Let REPRODUCIBLE_CACHE name a folder that can be written.")


def test_full_disk_says_how_much_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    full = OSError(errno.ENOSPC, "No space left on device")
    assert str(disk_error(tmp_path / "cache" / "x", full, 12e6, "nothing was changed")) == (
        f"{tmp_path}/cache/x: disk full, 12 MB are needed; nothing was changed. Free space. "
        "Let REPRODUCIBLE_CACHE name a folder that can be written."
    )
    assert str(disk_error(tmp_path / "x", full)) == f"{tmp_path}/x: disk full. Free space."


class _Full:
    """A disk that takes so many bytes."""

    def __init__(self, file: Any, left: int) -> None:
        self.file, self.left = file, left

    def write(self, content: Any) -> int:
        self.left -= len(content)
        if self.left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def __enter__(self) -> _Full:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


@pytest.mark.parametrize("left", [0, 1000, 300_000])
def test_disk_that_is_full_at_a_checkpoint(left: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch itself says only that a write failed, somewhere in its own code."""
    path, real = tmp_path / "checkpoint.pt", Path.open
    checkpoint.save({"step": 1}, path)
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, "open", lambda *given: _Full(real(*given), left) if "partial" in given[0].name else real(*given)
        )
        with pytest.raises(UserError, match=r"checkpoint\.pt: disk full, 4 MB are needed; the one before it is kept\."):
            checkpoint.save({"model": {"a": torch.zeros(1_000_000)}, "curve": [1.0]}, path)
    assert checkpoint.load(path, torch.device("cpu"))["step"] == 1 and list(tmp_path.iterdir()) == [path]


def test_pretraining_looks_at_its_folder_first(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    code, _, wrong = said(capsys, "pretrain", "--folder", str(tmp_path / "file"))
    assert code == 2 and wrong == f"reproducible: {tmp_path}/file: cannot be written (File exists).\n"


def test_folders_are_made_and_probed(tmp_path: Path) -> None:
    assert folder_for(tmp_path / "a" / "b").is_dir()
    assert not list(writable(tmp_path / "c").iterdir())


@pytest.mark.parametrize("name", ["meta", "mps", "", "cpu:1", "cuda:", "cuda:x", "CPU", "cpu; touch x", None, 3])
def test_devices_are_cpu_and_cuda_alone(name: Any) -> None:
    with pytest.raises(UserError, match=r"There is no device .*Known: auto, cpu, cuda\.") as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)
    for known in ("auto", "cpu", "cuda", "cuda:3"):
        check_device(known)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_device_that_is_not_here_is_one_line() -> None:
    with pytest.raises(UserError, match=r"device 'cuda:1' cannot be used here \([^\n]+\)\.$"):
        choose_device("cuda:1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("study", "run", "baseline", "--workers", "-3"), "'--workers'"),
        (("study", "tune", "baseline", "--workers", "-1"), "'--workers'"),
        (("run", "baseline/u512", "--profile", "smoke", "--device", "meta"), "There is no device 'meta'"),
        (("run", "baseline/u512", "--seed", "9" * 30), "RunConfig.seed must be 1000000000 at most"),
        (("run", "baseline/u512", "--draw", "9" * 30), "DataConfig.draw must be 1000000000 at most"),
        (("run", "baseline/u512", "--set", "study=../x"), "RunConfig.study must be a name of small letters"),
    ],
)
def test_numbers_and_names_that_cannot_be(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path))
    code, _, wrong = said(capsys, *arguments)
    assert code == 2 and words in wrong and "Traceback" not in wrong
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("level", "code"), [("loud", 2), ("debug", 0)])
def test_level_of_the_log(level: str, code: int) -> None:
    program = "import sys; from reproducible.cli import main; sys.argv = ['reproducible', '--help']; main()"
    environment = {**os.environ, "REPRODUCIBLE_LOG": level}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code and "Traceback" not in done.stderr
    assert ("REPRODUCIBLE_LOG is 'loud'. Known: DEBUG" in done.stderr) == bool(code)


def test_what_the_system_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def refused() -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/somewhere/file")

    assert cli.guarded(refused) == 2
    assert capsys.readouterr().err == "reproducible: /somewhere/file: Permission denied.\n"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 12000000000 bytes."
        ),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 11.2 GiB. GPU 0 has"),
        MemoryError("Unable to allocate 11.2 GiB for an array"),
        MemoryError(),
    ],
)
def test_memory_that_is_not_there(error: Exception) -> None:
    words = r"study/arm: not enough memory(, 11\.2 GiB were asked for at once)?; smaller"
    with pytest.raises(UserError, match=words), memory_for("study/arm"):
        raise error
    with pytest.raises(RuntimeError, match="of another kind"), memory_for("study/arm"):
        raise RuntimeError("of another kind")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": DataConfig(boxes=True)}, r"Model 'unified' takes no boxes; set data\.boxes to false"),
        ({"data": DataConfig(view_size=64)}, r"Model 'unified' takes no view; set data\.view_size to 0"),
        ({"model": Component("unified", {"dim": 0})}, "at least 1 dimension, got 0"),
        ({"model": Component("vem", {"dim": -2})}, "at least 1 dimension, got -2"),
    ],
)
def test_models_that_cannot_be(change: dict[str, Any], words: str) -> None:
    config = replace(RunConfig(backbone=Component("compact_googlenet")), **change)
    with pytest.raises(UserError, match=words):
        build_model(config)


def test_list_of_what_ships_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "SHA256SUMS").write_text("abc\n")
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path)
    with pytest.raises(UserError, match="SHA256SUMS: cannot be read as a list of digests"):
        shipped()


def test_at_most_ten_names_with_a_count() -> None:
    names = [f"name-{number}" for number in range(30)]
    assert nearest_name("name-17", names).startswith(" Did you mean 'name-17'? Known: ")
    shown = nearest_name("nome-7", names)
    assert len(re.findall(r"name-\d+", shown.partition("Known")[2])) == 10 and shown.endswith(" and 20 more.")
    assert nearest_name("x", []) == " There is none."
    assert nearest_name("x", ["b", "a", "a"]) == " Known: a, b."


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(["groceries", "half"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "x", "options"]), inner, max_size=2)
    ),
    max_leaves=3,
)
FIELDS = sorted(RunConfig.__dataclass_fields__)
INNER = sorted({*DataConfig.__dataclass_fields__, *RunConfig().optimiser.__dataclass_fields__, "name", "options"})


def configure(values: dict[str, Any]) -> None:
    """Any values are a configuration or an error that names a field."""
    try:
        config = from_dict(RunConfig, values)
    except UserError as error:
        assert str(error)
    else:
        assert isinstance(config.objective[0], Term) and config.steps % config.evaluation.every == 0


CONFIGURATIONS = st.dictionaries(
    st.sampled_from(FIELDS), VALUES | st.dictionaries(st.sampled_from(INNER), VALUES, max_size=3), max_size=4
)


@settings(max_examples=15, deadline=None)
@given(CONFIGURATIONS)
def test_any_values_are_a_configuration_or_named(values: dict[str, Any]) -> None:
    configure(values)


@pytest.mark.slow
@settings(max_examples=4000, deadline=None)
@given(CONFIGURATIONS)
def test_any_values_are_a_configuration_or_named_many(values: dict[str, Any]) -> None:
    configure(values)


def test_cache_is_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "with a space"))
    assert cache_dir() == tmp_path / "with a space" and not cache_dir().exists()
