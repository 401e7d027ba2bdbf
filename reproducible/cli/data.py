"""``reproducible data``: data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reproducible.cli.options import Name, Workers
from reproducible.resources import cache_dir, external_data

app = typer.Typer(no_args_is_help=True, help="Data sets: list, prepare, verify, describe; folders of your own.")


@app.command("list")
def data_list() -> None:
    """Data sets that have a manifest, and where prepared ones are."""
    from reproducible.data.manifest import load_manifest, manifest_names, own_manifests
    from reproducible.data.store import state

    for name in manifest_names():
        manifest = load_manifest(name)
        typer.echo(f"{name:20} {state(manifest):12} {manifest.title}")
    typer.echo(f"Prepared stores are kept in {cache_dir() / 'stores'}, manifests of your own in {own_manifests()}.")
    where = external_data() or "the folder that REPRODUCIBLE_DATA names (it names none)"
    typer.echo(f"Data sets that do not ship are looked for in {where}.")


@app.command("prepare")
def data_prepare(name: Name = "groceries", workers: Workers = 0) -> None:
    """Decode or render a data set once into a packed store; a second call only opens it.

    What can be downloaded is; otherwise the message says what to put where. Stop it as you like: it goes on where it
    was. NAME@side=256,fit=centre,crop=box stores photographs in another way, as a data set of that name.
    """
    from reproducible.data.store import prepare

    store = prepare(name, workers=workers or None)
    typer.echo(
        f"{name}: {len(store.labels)} images ready, fingerprint {store.fingerprint[:16]}, in {cache_dir() / 'stores'}"
    )
    for line in store.source.get("remarks", ()):
        typer.echo(f"  {line}")


@app.command("verify")
def data_verify(name: Name = "groceries") -> None:
    """Check every image of a data set against its manifest; names whatever is wrong. Exit status 1 if anything is.

    Glyphs are rendered again and compared with the manifest's fingerprint. A store that is prepared has to have the
    hashes of when it was made.
    """
    from reproducible.data.store import verify

    report = verify(name)
    typer.echo(f"{name}: {report.images} images checked, {len(report.problems)} problems")
    for line in (*report.problems, *report.remarks):
        typer.echo(f"  {line}")
    if report.problems:
        raise typer.Exit(1)


@app.command("card")
def data_card(name: Name = "groceries") -> None:
    """What a data set is: origin, licence, protocols, known defects and, once prepared, its images by part."""
    from reproducible.data.cards import card

    typer.echo(card(name))


@app.command("folder")
def data_folder(
    path: Annotated[Path, typer.Argument(help="A folder whose folders are the classes; nothing in it is changed.")],
    name: Annotated[str, typer.Option(help="Of the data set; empty: the folder's.")] = "",
    rule: Annotated[str, typer.Option(help="Which classes are trained on: first_half, random or list.")] = "first_half",
    classes: Annotated[
        str,
        typer.Option(
            help='For the rule list: class names, divided by commas, "in, quotes" where they have one; or @FILE.'
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="For the rule random.")] = 0,
    exclude: Annotated[list[str] | None, typer.Option(help="A class or a pattern of paths to leave out.")] = None,
    side: Annotated[int, typer.Option(help="Of the stored images, in pixels.")] = 256,
    fit: Annotated[str, typer.Option(help="centre (of the short side) or squash.")] = "centre",
    validation: Annotated[int, typer.Option(help="Training classes held out; 0: one in seven.")] = 0,
) -> None:
    """Make a data set of your own photographs: writes its manifest. Next: `data prepare NAME`."""
    from reproducible.data.manifest import load_manifest
    from reproducible.data.photographs.folder import describe, names_in
    from reproducible.data.photographs.plan import Halves, counted

    train = Halves(rule, classes=names_in(classes), seed=seed)
    made = describe(path, train, name, exclude or (), side, fit, validation)
    held_out = load_manifest(made.manifest.stem).validation.classes
    typer.echo(counted(f"classes to train on, {held_out} of them held out for validation", made.train))
    typer.echo(counted("classes to test on", made.test))
    for line in made.remarks:
        typer.echo(f"  {line}")
    typer.echo(f"Manifest: {made.manifest}\nNext: reproducible data prepare {made.manifest.stem}")
