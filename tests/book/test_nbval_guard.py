"""The regression check on notebooks guards something: one changed digit in one stored output makes it fail."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from reproducible.report.build import ROOT


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a notebook as `make test` does."""
    options = [
        "--nbval-lax",
        "--nbval-current-env",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(path.parent),
        "-c",
        "/dev/null",
    ]
    command = [sys.executable, "-m", "pytest", *options, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)


def one_third(printed: str, path: Path) -> Path:
    """A notebook of one checked cell, which prints 0.333, stored with another output."""
    cell = nbformat.v4.new_code_cell(
        "print(f'{1 / 3:.3f}')", execution_count=1, metadata={"tags": ["nbval-check-output"]}
    )
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_each_notebook_has_a_checked_number(path: Path) -> None:
    checked = [
        cell.outputs[0].text
        for cell in nbformat.read(path, as_version=4).cells
        if "nbval-check-output" in cell.metadata.get("tags", [])
    ]
    assert any(re.search(r"\d", text) for text in checked)


def test_an_unchanged_output_passes(tmp_path: Path) -> None:
    result = check(one_third("0.333\n", tmp_path / "same.ipynb"))
    assert result.returncode == 0, result.stdout


def test_a_changed_digit_is_found(tmp_path: Path) -> None:
    result = check(one_third("0.334\n", tmp_path / "changed.ipynb"))
    assert result.returncode == 1, result.stdout
    assert "1 failed" in result.stdout.splitlines()[-1]
