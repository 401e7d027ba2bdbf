"""The regression check on notebooks guards something: one changed digit in one stored output makes it fail."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from reproducible.report.build import ROOT


def up_to_first_checked_number(path: Path) -> nbformat.NotebookNode | None:
    """The notebook, cut off after its first checked cell that prints a number; None if it has none."""
    notebook = nbformat.read(path, as_version=4)
    for position, cell in enumerate(notebook.cells):
        if "nbval-check-output" in cell.metadata.get("tags", []) and re.search(r"\d", cell.outputs[0].text):
            notebook.cells = notebook.cells[: position + 1]
            return notebook
    return None


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


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_changed_digit_is_found(path: Path, tmp_path: Path) -> None:
    notebook = up_to_first_checked_number(path)
    assert notebook is not None
    output = notebook.cells[-1].outputs[0]
    output.text = re.sub(r"\d", lambda digit: str((int(digit.group()) + 1) % 10), output.text, count=1)
    nbformat.write(notebook, tmp_path / path.name)
    result = check(tmp_path / path.name)
    assert result.returncode == 1, result.stdout
    assert "1 failed" in result.stdout.splitlines()[-1]


def test_an_unchanged_output_passes(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell(
        "print(f'{1 / 3:.3f}')", execution_count=1, metadata={"tags": ["nbval-check-output"]}
    )
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text="0.333\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "same.ipynb")
    result = check(tmp_path / "same.ipynb")
    assert result.returncode == 0, result.stdout
