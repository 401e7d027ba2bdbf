"""``reproducible record``: what finished runs left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Records of finished runs: list, verify by rescoring.")


@app.command("list")
def record_list() -> None:
    """The committed records: of each study, and of the trials of its tuning, how many arms and runs."""
    from reproducible import records

    for name in records.committed():
        files = list(records.folder_of(name).glob(f"*{records.SUFFIX}"))
        size = sum(path.stat().st_size for path in files) / 1e6
        typer.echo(f"{name:24} {len(files):4} arms {len(records.load(name)):5} records  {size:.2f} MB")


@app.command("add")
def record_add(
    files: Annotated[list[Path], typer.Argument(help="Files of records, or folders of them, from another machine.")],
) -> None:
    """Take records from elsewhere into the book: each is checked and rescored first. Next: build the book.

    A file may hold one arm, as `study run` writes them, or a whole study.
    """
    from reproducible.resources import manifests
    from reproducible.studies.recorded import add
    from reproducible.verdicts.criteria import standing

    for name, changed in add(files, standing).items():
        typer.echo(f"{name}: {changed} records added or replaced, in {manifests() / 'records' / name}")


@app.command("verify")
def record_verify(name: Annotated[str, typer.Argument(help="A study; empty: all.")] = "") -> None:
    """Compute the metrics again from what is kept and compare. Exit status 1 if any differs.

    Names what nothing is kept for: of arms that no criterion reads, what asks for more than the first match; measures
    of embeddings and gates. Looks at validation and seen classes keep nothing, and of the curves, only Recall@1 is
    computed again. Names the records that are out of date, which `study run` runs again.
    """
    from reproducible import records
    from reproducible.studies.recorded import examine

    reports = {one: examine(one) for one in ([name] if name else records.committed())}
    for one, report in reports.items():
        typer.echo(f"{one}: {report.records} records, {report.compared} metrics computed again")
        if report.records > report.kept:
            typer.echo(f"  {report.records - report.kept} keep nothing to compute from: they look at no test class")
        if report.unsupported:
            said = ", ".join(f"{metric} ({count})" for metric, count in sorted(report.unsupported.items()))
            typer.echo(f"  stated, and nothing is kept for it (records): {said}")
        for line in report.wrong:
            typer.echo(f"  {line}")
        for line in report.outdated:
            typer.echo(f"  out of date: {line}")
    wrong = sum(len(report.wrong) for report in reports.values())
    total = sum(report.compared for report in reports.values())
    typer.echo(f"{sum(report.kept for report in reports.values())} records, {total} metrics: {wrong} differ.")
    if wrong:
        raise typer.Exit(1)
