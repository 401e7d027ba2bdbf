"""From notebooks to the built book: execute, clean, assemble, build. Imports no torch.

The book is built from a folder that :func:`assemble` puts together, never in the checkout: the prose of ``book/``, the
configuration and the table of contents, and notebooks that were executed elsewhere, under their own names. The same
commands serve the default book (notebooks executed by Papermill) and the tests (the committed notebooks)::

    reproducible book execute notebooks/unified_baseline.ipynb out.ipynb --set profile=quick
    reproducible book build _build/notebooks/quick _build/src/quick _build/book/quick

Explained on page: reproduce.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from reproducible.reading import read_yaml
from reproducible.resources import UserError, writable

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ("_config.yml", "_toc.yml")
ERROR_TAGS = {"papermill-error-cell-tag", "papermill-error-cell"}
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def execute(source: Path, out: Path, parameters: Mapping[str, Any]) -> None:
    """Execute a notebook with Papermill, in its own folder, and write it cleaned.

    Args:
        source: the notebook; it has one cell tagged ``parameters``. It is not changed.
        out: where the executed notebook goes, complete or not at all.
        parameters: values that replace those of the tagged cell; may be empty.

    Raises:
        UserError: if a cell fails; the notebook as far as it came is then in the folder ``.failed`` beside ``out``.
    """
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from papermill.exceptions import PapermillExecutionError

    partial = writable(out.parent / ".failed") / out.name
    os.environ.setdefault("REPRODUCIBLE_PROGRESS", "0")
    try:
        papermill.execute_notebook(
            source,
            partial,
            parameters=dict(parameters),
            kernel_name=KERNEL["name"],
            language=KERNEL["language"],
            cwd=source.parent,
            progress_bar=sys.stderr.isatty(),
            start_timeout=300,
            extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # its start and stop are no news
        )
    except PapermillExecutionError as error:
        raise UserError(
            f"{source}: cell [{error.exec_count}] failed with {error.ename}: {error.evalue}\n"
            f"The notebook as far as it came: {partial}"
        ) from error
    except NoSuchKernel as error:
        raise UserError(f"{source}: there is no kernel {KERNEL['name']!r} here: pip install ipykernel.") from error
    clean_notebook(partial)
    partial.replace(out)


def clean_notebook(path: Path) -> None:
    """Take out of an executed notebook what differs between two runs of the same code.

    Times, paths and versions leave the metadata, cells are numbered instead of having random ids, and pieces of one
    output stream are joined. Code, outputs, tags and execution counts stay.

    Args:
        path: the notebook, rewritten in place.
    """
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:03d}"
        for key in ("papermill", "execution", "ExecuteTime", "collapsed", "scrolled"):
            cell.metadata.pop(key, None)
        tags = cell.metadata.get("tags", [])
        if "injected-parameters" in tags and "hide-input" not in tags:
            cell.metadata.tags = [*tags, "hide-input"]
        if not cell.metadata.get("tags", True):
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            cell.outputs = _joined_streams(cell.outputs)
    nbformat.write(notebook, path)


def _joined_streams(outputs: list[Any]) -> list[Any]:
    joined: list[Any] = []
    for output in outputs:
        before = joined[-1] if joined else None
        if before and output.output_type == "stream" == before.output_type and output.name == before.name:
            before.text += output.text
        else:
            joined.append(output)
    return joined


def failures(path: Path) -> list[str]:
    """What a reader must not find in a finished notebook: failed cells, and code cells that were never executed."""
    found = []
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells, start=1):
        if ERROR_TAGS & set(cell.metadata.get("tags", [])):
            found.append(f"cell {number} is an error mark of Papermill")
        if cell.cell_type == "code":
            if cell.source.strip() and cell.execution_count is None:
                found.append(f"cell {number} was not executed")
            found += [f"cell {number} failed with {o.ename}" for o in cell.outputs if o.output_type == "error"]
    return found


def pages(root: Path = ROOT) -> list[str]:
    """The book's pages in reading order, as ``_toc.yml`` names them (``book/index``, ``notebooks/...``)."""

    def files(node: Any) -> Iterator[str]:
        if isinstance(node, Mapping):
            yield from (node[key] for key in ("root", "file") if key in node)
            for value in node.values():
                yield from files(value)
        elif isinstance(node, list):
            for value in node:
                yield from files(value)

    return list(files(read_yaml(root / "_toc.yml")))


def assemble(notebooks: Path, out: Path, root: Path = ROOT) -> list[str]:
    """Put the source of the book together in ``out``, which afterwards holds nothing else.

    Args:
        notebooks: folder of executed notebooks.
        out: the folder to fill, new or filled before; files that are already right keep their modification time.
        root: the checkout.

    Returns:
        The pages, as in :func:`pages`.

    Raises:
        UserError: if a page of ``_toc.yml`` has no source, or a notebook was not executed or failed; if ``out`` holds
            something else than an earlier book, which would be lost.
    """
    held = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if held and (not held <= {Path(name).parts[0] for name in (*CONFIGURATION, *pages(root))}):
        raise UserError(f"{out} holds more than the source of a book, which would be lost; name another folder.")
    wanted = {Path(name): root / name for name in CONFIGURATION}
    prose = [path for path in (root / "book").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted |= {path.relative_to(root): path for path in prose}
    found = pages(root)
    for page in found:
        if page.startswith("notebooks/"):
            path = Path(page).with_suffix(".ipynb")
            wanted[path] = notebooks / path.name
        elif Path(page).with_suffix(".md") not in wanted:
            raise UserError(f"{root / '_toc.yml'} names the page {page!r}, but there is no {root / page}.md.")
    for source in wanted.values():
        if source.suffix == ".ipynb":
            _check(source)
    for path in sorted(out.rglob("*"), reverse=True) if out.is_dir() else []:
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(out) not in wanted:
            path.unlink()
    for relative, source in wanted.items():
        target = out / relative
        if not target.is_file() or not filecmp.cmp(source, target, shallow=False):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return found


def _check(notebook: Path) -> None:
    if not notebook.is_file():
        raise UserError(f"The book needs the executed notebook {notebook}, which is not there.")
    wrong = failures(notebook)
    if wrong:
        raise UserError(f"{notebook} cannot be a page of the book: {'; '.join(wrong)}.")


def build(source: Path, out: Path) -> Path:
    """Build the assembled book; every warning and every dead reference is an error.

    All pages are read again each time: Sphinx repeats no warning for a page that it does not read, so a second try
    would pass where the first one failed.

    Args:
        source: a folder made by :func:`assemble`.
        out: where Jupyter Book writes.

    Returns:
        The first page.

    Raises:
        UserError: if Jupyter Book found anything wrong; it has printed what.
    """
    options = ["--all", "-n", "-W", "--keep-going", "--quiet", "--path-output", str(out)]
    program = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", program, "build", str(source), *options]
    result = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if result.returncode:
        raise UserError(f"The book in {source} was not built: see the warnings above.")
    return out / "_build" / "html" / "index.html"
