"""``reproducible verdicts``: what the records say about the claims."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import pandas as pd


def verdicts(
    claim: Annotated[list[str] | None, typer.Option(help="Only this claim, and in full; repeatable.")] = None,
    source: Annotated[str, typer.Option(help="DeML, VEM, DIABLO, SGML, Review or Cross-paper; empty: all.")] = "",
    kind: Annotated[str, typer.Option(help="author, reviewer, derived or cross; empty: all.")] = "",
    level: Annotated[str, typer.Option(help="analytic, published, controlled, real or paper; empty: all.")] = "",
    detail: Annotated[bool, typer.Option("--detail", help="A row a criterion, context included.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with all that is known.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, a column a quantity.")] = False,
    require: Annotated[
        str, typer.Option(help="Exit status 1 unless all that is shown is `decided` or `supported`.")
    ] = "",
) -> None:
    """The verdict on every claim, computed now from the committed records; nothing is cut short.

    A line says claim, level, verdict, effect in points with its t and its bootstrap interval, the published effect and
    the draws; the words of the claim follow. Exit status 0; with --require 1 where a verdict is another; 2 for a name
    that does not exist. The page *Verdicts* of the book shows the same.
    """
    from reproducible.resources import UserError, nearest_name
    from reproducible.verdicts.criteria import KINDS
    from reproducible.verdicts.schema import LEVELS
    from reproducible.verdicts.table import headline, verdict_table

    options = {"--kind": (kind, KINDS), "--level": (level, LEVELS), "--require": (require, ("decided", "supported"))}
    for name, (value, known) in options.items():
        if value and value not in known:
            raise UserError(f"{name} {value!r} is not known.{nearest_name(value, known)}")
    if as_json and as_csv:
        raise UserError("Ask for one of --json and --csv.")
    table = verdict_table(source or None, detail=detail)
    for column, value in (("kind", kind), ("level", level)):
        table = table[table[column] == value] if value else table
    if claim:
        whole = _in_full(claim)
        table = table[table["claim"].isin(claim)]
    if as_csv:
        typer.echo(table.to_csv(index=False), nl=False)
    elif as_json:
        typer.echo(json.dumps(whole if claim else _plain(table), indent=1, ensure_ascii=False))
    elif claim:
        import yaml

        typer.echo(yaml.safe_dump(whole, allow_unicode=True, sort_keys=False, width=110), nl=False)
    else:
        for _, row in table.iterrows():
            typer.echo(_line(row))
        if not detail:
            typer.echo(f"\nAuthors' claims, how many of each verdict by level:\n{headline(table).T}")
    if require and not all(_is(word, require) for word in table["verdict"]):
        raise typer.Exit(1)


def _in_full(ids: Collection[str]) -> Any:
    from reproducible.verdicts.in_full import in_full

    return json.loads(json.dumps(in_full(ids)))


def _plain(table: pd.DataFrame) -> Any:
    return json.loads(table.to_json(orient="records"))


def _line(row: pd.Series) -> str:
    import pandas as pd

    from reproducible.verdicts.words import with_length

    effect = "" if pd.isna(row["mean"]) else f"  {row['mean']:+.1f}"
    for end in ("t", "b"):
        if pd.notna(row[f"{end}_low"]):
            effect += f" [{row[f'{end}_low']:.1f}, {row[f'{end}_high']:.1f}]"
    if pd.notna(row["published_effect"]):
        effect += f"  published {row['published_effect']:+g}"
    draws = f"  {row['n']} of {row['n_wanted']} draws" if row["n_wanted"] else ""
    stale = f"  runs out of date: {row['stale']}" if row["stale"] else ""
    what = row["comparison"] if "criterion" in row else row["claim_text"]
    said = with_length(row["verdict"], row["length"])
    return f"{row['claim']}  {row['level']:10}  {said}{effect}{draws}{stale}\n     {what}"


def _is(word: str, required: str) -> bool:
    from reproducible.verdicts.words import WEAKEST_FIRST, bare

    said = bare(word)
    decided = said in WEAKEST_FIRST and said not in ("inconclusive", "too small to see here")
    return said.startswith(("supported", "proved")) if required == "supported" else decided
