"""``reproducible record``: what finished runs left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Records of finished runs: list, verify by rescoring.")


@app.command("list")
def record_list() -> None:
    """The committed record files and how many runs each holds."""
    from reproducible import records

    for name in records.committed():
        size = records.file_of(name).stat().st_size / 1e6
        typer.echo(f"{name:24} {len(records.load(name)):4} records  {size:.2f} MB")


@app.command("add")
def record_add(
    files: Annotated[list[Path], typer.Argument(help="Record files, as `study run` writes them on another machine.")],
) -> None:
    """Take records from elsewhere into the book: each is checked and rescored first. Next: build the book."""
    from reproducible import records
    from reproducible.resources import manifests
    from reproducible.studies import STUDIES

    for path in files:
        added, total = records.add(path, STUDIES)
        typer.echo(f"{path.name}: {added} records added or replaced, now {total}, in {manifests() / 'records'}")


@app.command("verify")
def record_verify(name: Annotated[str, typer.Argument(help="A study; empty: all.")] = "") -> None:
    """Compute the metrics again from the stored neighbours and compare. Exit status 1 if any differs."""
    from reproducible import records

    wrong = checked = 0
    for stem in [name] if name else records.committed():
        for record in records.load(stem):
            checked += records.rescorable(record)
            for metric, (stated, found) in records.verify(record).items():
                wrong += 1
                typer.echo(
                    f"{stem} {record['arm']} {record['digest']}: {metric} is stated as {stated}, rescored {found}"
                )
    typer.echo(f"{checked} records rescored, {wrong} metrics differ.")
    if wrong:
        raise typer.Exit(1)
