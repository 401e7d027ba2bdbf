"""The ``reproducible`` command. Its help teaches: every verb says what it does, where its output goes and what comes
next."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from reproducible import records
from reproducible.resources import UserError, cache_dir, external_data, manifests
from reproducible.studies import PROFILES, STUDIES, study
from reproducible.studies.running import carry_out, default_workers, in_precision, tune, write_smoke_losses

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Attention for zero-shot image retrieval: reproduce, measure and judge. Start with `reproducible doctor`.",
)
data_app = typer.Typer(no_args_is_help=True, help="Data sets: list, prepare, verify, describe; folders of your own.")
study_app = typer.Typer(no_args_is_help=True, help="Studies: list arms and costs, tune on validation classes, run.")
record_app = typer.Typer(no_args_is_help=True, help="Records of finished runs: list, verify by rescoring.")
app.add_typer(data_app, name="data")
app.add_typer(study_app, name="study")
app.add_typer(record_app, name="record")

Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda, cuda:1, ...")]
Workers = Annotated[int, typer.Option(help="Processes, one thread each; 0: one a core.")]
Name = Annotated[str, typer.Argument(help="Which one; the list verb shows all.")]


@data_app.command("list")
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


@data_app.command("prepare")
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


@data_app.command("verify")
def data_verify(name: Name = "groceries") -> None:
    """Check every image of a data set against its manifest; names whatever is wrong. Exit status 1 if anything is.

    Glyphs are rendered again and compared with the manifest's fingerprint.
    """
    from reproducible.data.store import verify

    report = verify(name)
    typer.echo(f"{name}: {report.images} images checked, {len(report.problems)} problems")
    for line in (*report.problems, *report.remarks):
        typer.echo(f"  {line}")
    if report.problems:
        raise typer.Exit(1)


@data_app.command("card")
def data_card(name: Name = "groceries") -> None:
    """What a data set is: origin, licence, protocols, known defects and, once prepared, its images by part."""
    from reproducible.data.cards import card

    typer.echo(card(name))


@data_app.command("folder")
def data_folder(
    path: Annotated[Path, typer.Argument(help="A folder whose folders are the classes; nothing in it is changed.")],
    name: Annotated[str, typer.Option(help="Of the data set; empty: the folder's.")] = "",
    rule: Annotated[str, typer.Option(help="Which classes are trained on: first_half, random or list.")] = "first_half",
    classes: Annotated[str, typer.Option(help="For the rule list: class names, divided by commas.")] = "",
    seed: Annotated[int, typer.Option(help="For the rule random.")] = 0,
    exclude: Annotated[list[str] | None, typer.Option(help="A class or a pattern of paths to leave out.")] = None,
    side: Annotated[int, typer.Option(help="Of the stored images, in pixels.")] = 256,
    fit: Annotated[str, typer.Option(help="centre (of the short side) or squash.")] = "centre",
    validation: Annotated[int, typer.Option(help="Training classes held out; 0: one in seven.")] = 0,
) -> None:
    """Make a data set of your own photographs: writes its manifest. Next: `data prepare NAME`."""
    from reproducible.data.photographs.folder import describe
    from reproducible.data.photographs.plan import Halves

    named = tuple(filter(None, (one.strip() for one in classes.split(","))))
    train = Halves(rule, classes=named, seed=seed)
    written = describe(path, train, name, exclude or (), side, fit, validation)
    typer.echo(f"Manifest: {written}\nNext: reproducible data prepare {written.stem}")


@app.command()
def run(
    arm: Annotated[str, typer.Argument(help="study/arm, for example baseline/u512.")],
    draw: Annotated[int, typer.Option(help="Class draw.")] = 0,
    seed: Annotated[
        int, typer.Option(help="Seed of order, crops and initial values; -1: the number of the draw.")
    ] = -1,
    profile: Annotated[str, typer.Option(help="smoke (seconds); empty: the study's own.")] = "",
    change: Annotated[list[str] | None, typer.Option("--set", help="Change a field, as in optimiser.lr=3e-5.")] = None,
    device: Device = "auto",
) -> None:
    """Train one arm once and print what came out. A finished run is not repeated, an interrupted one goes on."""
    from reproducible.config import override
    from reproducible.training.runner import execute
    from reproducible.verdicts.criteria import standing

    name, _, label = arm.partition("/")
    profile = profile or study(name).profile
    config = in_precision(study(name).config(label, draw, None if seed < 0 else seed, profile), profile, device)
    for text in change or []:
        path, _, value = text.partition("=")
        config = override(config, path, _literal(value))
    record = execute(config, profile=profile, criteria=standing(name), device=device)
    for key in ("untouched", "selected", "last"):
        point = record[key].get("test", {})
        recall, precision = (point.get(metric, float("nan")) for metric in ("recall_at_1", "map_at_r"))
        step = f" step {record[key]['step']}" if "step" in record[key] else ""
        typer.echo(f"{key:10} R@1 {recall:6.2f}  MAP@R {precision:6.2f}{step}")
    typer.echo(f"Record: {records.run_folder(record['digest']) / 'record.json'}")


@app.command()
def pretrain(
    folder: Annotated[Path | None, typer.Option(help="Where the two files go; the default is in the cache.")] = None,
) -> None:
    """Make the weights of the compact backbone anew: one thread, some minutes, always from the start."""
    from reproducible.data.store import open_store
    from reproducible.training import pretraining

    folder = folder or cache_dir() / "pretraining"
    weights, facts = pretraining.pretrain(open_store(pretraining.DATA), pretraining.Recipe())
    pretraining.write(folder, weights, facts)
    for window, accuracy in facts["held_out_accuracy"].items():
        typer.echo(f"window {window:6} held-out accuracy {accuracy:6.2f}")
    typer.echo(f"Weights and facts, after {facts['seconds']} s: {folder}")


@study_app.command("list")
def study_list() -> None:
    """Studies with their arms, tiers, measured costs and how many records of each are there."""
    for one in STUDIES.values():
        found = [r["arm"] for r in records.load(one.name)]
        typer.echo(f"{one.name}: {one.title}")
        for arm in one.arms:
            done = f"{found.count(arm.name):2} of {arm.draws + arm.extra_seeds:2} records"
            typer.echo(f"  {arm.name:24} tier {arm.tier}  {done}  {arm.minutes:4.0f} min a run")


@study_app.command("tune")
def study_tune(name: Name, device: Device = "auto", workers: Workers = 0) -> None:
    """Run the trials of a study on the validation classes; its arms take the best candidate from their records."""
    from reproducible.verdicts.criteria import standing

    for record in tune(study(name), standing=standing, device=device, workers=workers or default_workers()):
        best = max(point["validation"]["map_at_r"] for point in record["curve"])
        typer.echo(f"{record['arm']:16} best validation MAP@R {best:.2f}")
    typer.echo(f"Trials: {records.file_of(study(name).tuning_records)}")


@study_app.command("run")
def study_run(
    name: Name,
    profile: Annotated[str, typer.Option(help=f"{', '.join(PROFILES)}; empty: the study's own.")] = "",
    tiers: Annotated[str, typer.Option(help="A, or AB to run what was declared as well.")] = "A",
    arm: Annotated[list[str] | None, typer.Option(help="Run this arm alone, whatever its tier; repeatable.")] = None,
    device: Device = "auto",
    workers: Workers = 0,
) -> None:
    """Run the arms of a study. What is finished is kept, so stop and start it as you like."""
    profile = profile or study(name).profile
    if profile not in PROFILES:
        raise UserError(f"There is no profile {profile!r}. Known: {', '.join(PROFILES)}.")
    chosen = {"tiers": tiers, "arms": arm or (), "device": device, "workers": workers or default_workers()}
    from reproducible.verdicts.criteria import standing

    for record in carry_out(study(name), profile, standing=standing, **chosen):
        point = record["selected"]["test"]
        typer.echo(
            f"{record['arm']:24} draw {record['draw']} seed {record['seed']}  R@1 {point['recall_at_1']:6.2f} at step "
            f"{record['selected']['step']}  ({record['environment']['seconds'] / 60:.1f} min)"
        )
    typer.echo(
        f"Records: {records.file_of(name)}" if profile == study(name).profile else f"Runs: {cache_dir() / 'runs'}"
    )


@study_app.command("reference")
def study_reference() -> None:
    """Run profile smoke of every study and write down the losses that the notebooks are held to."""
    typer.echo(f"Losses: {write_smoke_losses(STUDIES.values())}")


@record_app.command("list")
def record_list() -> None:
    """The committed record files and how many runs each holds."""
    for name in records.committed():
        size = records.file_of(name).stat().st_size / 1e6
        typer.echo(f"{name:24} {len(records.load(name)):4} records  {size:.2f} MB")


@record_app.command("add")
def record_add(
    files: Annotated[list[Path], typer.Argument(help="Record files, as `study run` writes them on another machine.")],
) -> None:
    """Take records from elsewhere into the book: each is checked and rescored first. Next: build the book."""
    for path in files:
        added, total = records.add(path, STUDIES)
        typer.echo(f"{path.name}: {added} records added or replaced, now {total}, in {manifests() / 'records'}")


@record_app.command("verify")
def record_verify(name: Annotated[str, typer.Argument(help="A study; empty: all.")] = "") -> None:
    """Compute the metrics again from the stored neighbours and compare. Exit status 1 if any differs."""
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


@app.command()
def verdicts(
    source: Annotated[str, typer.Option(help="DeML, VEM, DIABLO, SGML, Review or Cross-paper; empty: all.")] = "",
    detail: Annotated[bool, typer.Option("--detail", help="All columns: intervals, margins, p-values, ...")] = False,
) -> None:
    """The verdict on every claim, computed now from the committed records."""
    from reproducible.verdicts.table import headline, verdict_table

    table = verdict_table(source or None)
    shown = table if detail else table[["claim", "level", "verdict", "mean", "margin", "comparison"]]
    typer.echo(shown.to_string(index=False, max_colwidth=60, float_format="{:.1f}".format, na_rep=""))
    typer.echo(str(headline(table)))


@app.command()
def doctor() -> None:
    """What this machine has and what will be used: versions, devices, memory, shipped files, weights, further data.

    With a GPU, every backbone, model and loss is computed on it and on the CPU. Exit status 1 if they disagree.
    """
    from reproducible.doctor import agreements, facts

    for name, value in facts().items():
        typer.echo(f"{name:26} {value}")
    found = agreements()
    if not found:
        typer.echo(f"{'self-check':26} no GPU, so there is nothing to compare the CPU with")
    for one in found:
        numbers = f"values {one.values:.1e}, gradient {one.gradient:.1e}, tolerance {one.tolerance:.0e}"
        typer.echo(f"{one.component:26} {'agrees' if one.ok else 'DISAGREES'}: {numbers}")
    if not all(one.ok for one in found):
        raise typer.Exit(1)


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def guarded(command: Callable[[], Any]) -> int:
    """Run a command; a problem that the user can mend is one line on stderr, an interruption says how to go on."""
    try:
        return command() or 0
    except UserError as error:
        print(f"reproducible: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"\nStopped. The same command goes on where this one was; runs are in {cache_dir() / 'runs'}.",
            file=sys.stderr,
        )
        return 130
    except Exception as error:
        if not hasattr(error, "show"):  # the command line's own errors, such as an unknown option, show themselves
            raise
        error.show()
        return 2


def main() -> None:
    """Entry point of the ``reproducible`` command."""
    logging.basicConfig(level=os.environ.get("REPRODUCIBLE_LOG", "WARNING"), format="%(message)s")
    sys.exit(guarded(lambda: app(standalone_mode=False)))
