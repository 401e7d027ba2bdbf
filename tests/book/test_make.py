"""Make and Snakemake in a folder whose name has a space, with a home that cannot be written, and with odd values."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reproducible.report.build import ROOT
from reproducible.studies import STUDIES

LINKED = ("reproducible", "data_manifests", "notebooks", "book", "_toc.yml", "_config.yml", "requirements-torch.txt")
COPIED = ("Makefile", "Snakefile", "requirements.lock", "pyproject.toml", ".ci")
FAKE = '#!/bin/sh\necho "$0 $*" >> "$LOG"\n'


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("REPRODUCIBLE_CACHE", "MAKEFLAGS")}
    known = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "LOG": str(folder / "log")}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**inherited, **known, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in a folder with a space and an umlaut, whose command only writes down what it is asked."""
    folder = tmp_path / "my books, für später"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in LINKED:
        (folder / name).symlink_to(ROOT / name)
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, folder / name)
    (programs / "python").symlink_to(sys.executable)
    (programs / "snakemake").write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m snakemake "$@"\n')
    (programs / "reproducible").write_text(FAKE)
    for path in programs.iterdir():
        path.chmod(0o755)
    (folder / ".venv" / ".installed").touch()
    return folder


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("PROFILE=Quick", "PROFILE cannot be 'Quick'. Known: smoke quick standard large"),
        ("PROFILE=", "PROFILE cannot be ''"),
        ("DEVICE=mps", "DEVICE cannot be 'mps'. Known: auto cpu cuda cuda:1"),
        ("DEVICE=cpu; touch spoilt", "DEVICE cannot be"),
        ("TIERS=a", "TIERS cannot be 'a'. Known: A B AB"),
        ("TIERS=A'; touch spoilt'", "TIERS cannot be"),
    ],
)
@pytest.mark.parametrize("verb", ["book", "records", "serve"])
def test_values_that_cannot_be_run_nothing(verb: str, value: str, words: str, checkout: Path) -> None:
    done = make(checkout, verb, value)
    assert done.returncode == 2 and words in done.stderr
    assert not (checkout / "spoilt").exists() and not (checkout / "log").exists()


def test_values_reach_no_shell_as_commands(checkout: Path) -> None:
    """One that passes for a device by its beginning is a variable all the same, and the graph refuses it."""
    shown = make(checkout, "-n", "book", "DEVICE=cuda:$(touch${IFS}spoilt)").stdout
    assert 'device="$DEVICE"' in shown and "touch" not in shown
    assert not (checkout / "spoilt").exists()


def test_every_verb_is_planned_in_a_folder_with_a_space(checkout: Path) -> None:
    for verb in ("help", "env", "book", "test", "notebooks", "records", "serve", "bench", "clean"):
        done = make(checkout, "-n", verb)
        assert done.returncode == 0, done.stderr
        if verb in ("book", "records"):
            assert f'XDG_CACHE_HOME="{checkout}/_build/tools/cache"' in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("home", ["", "/dev/null"])
def test_records_and_book_in_such_a_folder(home: str, checkout: Path) -> None:
    """With a home that is no folder, too: whatever is cached lies under _build."""
    environment = {"HOME": home} if home else {}
    done = make(checkout, "records", "DEVICE=cpu", **environment)
    assert done.returncode == 0, done.stderr
    program = checkout / ".venv" / "bin" / "reproducible"
    wanted = [
        f"{program} study {line} --device cpu"
        for name, one in STUDIES.items()
        if one.profile == "standard"
        for line in (f"tune {name}", f"run {name} --tiers A")
    ]
    assert (checkout / "log").read_text().splitlines() == wanted
    (checkout / "log").unlink()
    done = make(checkout, "book", "PROFILE=smoke", **environment)  # the command makes nothing, which Snakemake minds
    assert done.returncode == 2
    said = (checkout / "log").read_text()
    assert f"{program} data prepare groceries" in said and f"{program} book execute {checkout}/notebooks/" in said
    assert "--set profile=smoke --set device=auto" in said


@pytest.mark.slow
def test_failure_of_snakemake_itself_is_shown(checkout: Path) -> None:
    """Before any job, --quiet would hide it."""
    snakefile = (checkout / "Snakefile").read_text()
    (checkout / "Snakefile").write_text(snakefile + "\nrule book:\n    output: 'x'\n")
    done = make(checkout, "book")
    assert done.returncode == 2 and "book" in done.stderr and len(done.stderr.splitlines()) < 12
    (checkout / "Snakefile").write_text(snakefile)
    shutil.rmtree(checkout / "_build" / ".snakemake", ignore_errors=True)
    (checkout / "_build" / ".snakemake").touch()
    done = make(checkout, "records")
    assert done.returncode == 2 and ".snakemake" in done.stderr
