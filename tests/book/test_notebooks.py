"""The committed notebooks: executed top to bottom at profile smoke, clean, and with outputs that can be checked."""

from __future__ import annotations

import ast
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from reproducible.report.build import ROOT, clean_notebook, execute, failures, pages
from reproducible.resources import UserError

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETERS = {"profile", "device", "data_folder"}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(path: Path) -> list[nbformat.NotebookNode]:
    """The code cells that hold code."""
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code" and c.source.strip()]


def tagged(path: Path, tag: str) -> list[nbformat.NotebookNode]:
    """The cells with a tag."""
    return [c for c in nbformat.read(path, as_version=4).cells if tag in c.metadata.get("tags", [])]


def test_every_notebook_is_a_page_of_the_book() -> None:
    assert {f"notebooks/{path.stem}" for path in NOTEBOOKS} == {p for p in pages() if p.startswith("notebooks/")}


@each_notebook
def test_every_cell_was_executed_in_order_and_none_failed(path: Path) -> None:
    assert failures(path) == []
    assert [cell.execution_count for cell in code(path)] == list(range(1, len(code(path)) + 1))


@each_notebook
def test_there_is_one_parameters_cell_and_its_profile_is_smoke(path: Path) -> None:
    (cell,) = tagged(path, "parameters")
    values = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body}
    assert set(values) - {"seed", "seeds"} == PARAMETERS
    assert (values["profile"], values["device"], values["data_folder"]) == ("smoke", "auto", "")
    assert not tagged(path, "injected-parameters")


@each_notebook
def test_what_was_asked_stands_once_on_a_page_with_its_verdicts(path: Path) -> None:
    """Criteria of every level that has verdicts there, what they replaced and what is noted, folded together."""
    shown = "\n".join(cell.source for cell in code(path))
    answered = set(re.findall(r'answers\.answers\("([\w-]+)", "(real|controlled)"', shown))
    asked = re.findall(r'answers\.asked\("([\w-]+)", (.+)\)', shown)
    assert sorted((page, level) for page, levels in asked for level in re.findall(r"\w+", levels)) == sorted(answered)


@each_notebook
def test_cleaning_again_changes_nothing(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    shutil.copyfile(path, copy)
    clean_notebook(copy)
    assert copy.read_bytes() == path.read_bytes(), "run `make notebooks`"


@each_notebook
def test_outputs_hold_no_warning_and_no_path_of_a_machine(path: Path) -> None:
    for cell in code(path):
        for output in cell.outputs:
            assert output.get("name") != "stderr", cell.id
            assert not re.search(r"/(home|root|Users|tmp)/", str(output)), cell.id


@each_notebook
def test_checked_cells_print_plain_rounded_text(path: Path) -> None:
    """nbval passes a cell without stored output, and compares digit by digit."""
    checked = tagged(path, "nbval-check-output")
    assert checked
    for cell in checked:
        text = "".join(output.get("text", "") for output in cell.outputs)
        assert text.strip(), cell.id
        assert {output.output_type for output in cell.outputs} == {"stream"}, cell.id
        assert text.isascii(), cell.id
        assert not re.search(r"\d\.\d{7}", text), f"{cell.id} prints more digits than machines agree on"


def run_of(tmp_path: Path, name: str, started: str, pieces: list[str]) -> Path:
    """A notebook as Papermill leaves it behind, with what differs between two runs."""
    cell = nbformat.v4.new_code_cell("print(1)\nprint(2)", execution_count=1)
    cell.metadata = {"papermill": {"start_time": started, "duration": 1.5}, "execution": {"iopub": started}, "tags": []}
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in pieces]
    injected = nbformat.v4.new_code_cell(
        "profile = 'quick'", metadata={"tags": ["injected-parameters"]}, execution_count=2
    )
    notebook = nbformat.v4.new_notebook(cells=[cell, injected])
    notebook.metadata = {"papermill": {"output_path": str(tmp_path)}, "language_info": {"version": started}}
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(notebook, path)
    return path


def test_two_runs_are_the_same_bytes_after_cleaning(tmp_path: Path) -> None:
    one = run_of(tmp_path, "one", "2024-01-01", ["1\n", "2\n"])
    two = run_of(tmp_path, "two", "2025-02-02", ["1\n2\n"])
    assert one.read_bytes() != two.read_bytes()
    clean_notebook(one)
    clean_notebook(two)
    assert one.read_bytes() == two.read_bytes()
    first, second = nbformat.read(one, as_version=4).cells
    assert (first.source, first.outputs[0].text, first.execution_count) == ("print(1)\nprint(2)", "1\n2\n", 1)
    assert second.metadata.tags == ["injected-parameters", "hide-input"]


def test_execution_is_complete_or_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "study.ipynb"
    parameters = nbformat.v4.new_code_cell("divisor = 2", metadata={"tags": ["parameters"]})
    notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell("print(6 / int(divisor))")])
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(notebook, source)
    before, out = source.read_bytes(), tmp_path / "out" / "study.ipynb"
    execute(source, out, {"divisor": "3"})
    assert nbformat.read(out, as_version=4).cells[-1].outputs[0].text == "2.0\n"
    out.unlink()
    assert not list(out.parent.rglob("*.ipynb"))
    with pytest.raises(
        UserError, match=r"(?s)study\.ipynb: cell \[3\] failed with ZeroDivisionError: .*\.failed/study\.ipynb"
    ):
        execute(source, out, {"divisor": "0"})
    assert not out.exists()
    assert failures(out.parent / ".failed" / out.name)
    assert source.read_bytes() == before
