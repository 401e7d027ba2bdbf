"""``reproducible book``: from notebooks to the built book."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The book: execute a notebook, build the pages. `make book` does both.")


@app.command("execute")
def book_execute(
    source: Annotated[Path, typer.Argument(help="A notebook; it is not changed.")],
    out: Annotated[Path, typer.Argument(help="Where the executed notebook goes, complete or not at all.")],
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A parameter of the notebook, as profile=quick; repeatable."),
    ] = None,
) -> None:
    """Execute a notebook with Papermill and clean it. Its cell tagged `parameters` says what --set can change.

    A notebook that fails is left beside OUT, in the folder .failed, as far as it came. Next: `book build`.
    """
    from reproducible.report.build import execute
    from reproducible.report.parameters import parsed

    source = source.resolve()
    execute(source, out.resolve(), parsed(source, values or ()))


@app.command("build")
def book_build(
    notebooks: Annotated[Path, typer.Argument(help="Folder of executed notebooks; notebooks/ holds the committed.")],
    source: Annotated[Path, typer.Argument(help="Where the book is put together; the folder is overwritten.")],
    out: Annotated[Path, typer.Argument(help="Where the pages go.")],
) -> None:
    """Put the book together from prose and executed notebooks, and build it; every warning is an error.

    `make book` executes the notebooks first and keeps pages in _build/book/PROFILE.
    """
    from reproducible.report.build import assemble, build

    assemble(notebooks, source)
    typer.echo(f"First page: {build(source, out)}")
