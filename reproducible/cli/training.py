"""``reproducible run`` and ``reproducible pretrain``: one training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reproducible.cli.options import Device
from reproducible.resources import UserError, cache_dir, writable

if TYPE_CHECKING:
    from reproducible.config import RunConfig


def run(
    arm: Annotated[str, typer.Argument(help="study/arm, for example baseline/u512.")],
    draw: Annotated[int, typer.Option(help="Class draw.")] = 0,
    seed: Annotated[
        int, typer.Option(help="Seed of order, crops and initial values; -1: the number of the draw.")
    ] = -1,
    profile: Annotated[
        str, typer.Option(help="smoke (seconds), quick (arms of the live pair); empty: the study's own.")
    ] = "",
    change: Annotated[list[str] | None, typer.Option("--set", help="Change a field, as in optimiser.lr=3e-5.")] = None,
    data: Annotated[
        str,
        typer.Option(help="Another data set, as one of your own photographs, at 224 pixels; from pool3 on if it can."),
    ] = "",
    stage: Annotated[
        str,
        typer.Option(
            "--from",
            help="Train from this stage on, as pool3, on cached maps of fixed windows; images: the whole network.",
        ),
    ] = "",
    keep: Annotated[
        str,
        typer.Option(
            help="What stays beside the record: weights (safetensors), neighbours (npz), or both with a comma."
        ),
    ] = "",
    device: Device = "auto",
) -> None:
    """Train one arm once and print what came out. A finished run is not repeated, an interrupted one goes on."""
    from reproducible import records
    from reproducible.config import from_stage, override
    from reproducible.studies import study
    from reproducible.studies.running import in_precision
    from reproducible.training.elsewhere import elsewhere
    from reproducible.training.keeping import FILES, kinds_in
    from reproducible.training.runner import execute
    from reproducible.verdicts.criteria import standing

    name, _, label = arm.partition("/")
    kept, asked = kinds_in(keep), set()
    profile = profile or study(name).profile
    config = in_precision(study(name).config(label, draw, None if seed < 0 else seed, profile), profile, device)
    at_home = config.data.name
    config = elsewhere(config, data, profile == "smoke") if data else config
    config = from_stage(config, stage) if stage else config
    for text in change or []:
        path, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set takes FIELD=VALUE, as in optimiser.lr=3e-5; got {text!r}.")
        config = override(config, path, _literal(value))
        asked.add(path)
    if "data.split" in asked and "data.draw" not in asked:
        config = override(config, "data.draw", draw)
    if config.data.name != at_home:
        config = _fitted(config, asked, draw)
    record = execute(config, profile=profile, criteria=standing(name).criteria, device=device, keep=kept)
    for key in ("untouched", "selected", "last"):
        point = record[key].get("test", {})
        recall, precision = (point.get(metric, float("nan")) for metric in ("recall_at_1", "map_at_r"))
        step = f" step {record[key]['step']}" if "step" in record[key] else ""
        out = f"  queries left out, with nothing to find: {point['unanswerable']}" if "unanswerable" in point else ""
        typer.echo(f"{key:10} R@1 {recall:6.2f}  MAP@R {precision:6.2f}{step}{out}")
    for line in helped(record):
        typer.echo(line)
    folder = records.run_folder(record["digest"])
    typer.echo(f"Record: {folder / 'record.json'}")
    for kind in kept:
        typer.echo(f"Kept: {folder / FILES[kind]}")


def _fitted(config: RunConfig, asked: set[str], draw: int) -> RunConfig:
    """The configuration as another data set than the study's allows it; says what that is trained on."""
    from reproducible.data.cards import roles_said
    from reproducible.data.manifest import PhotoManifest, load_manifest
    from reproducible.data.splits import split
    from reproducible.data.store import open_store
    from reproducible.training.elsewhere import fitted

    store = open_store(config.data.name)
    config, said = fitted(config, store, asked)
    if draw and not config.data.draw:
        said.append(f"there is one division: --draw {draw} is the seed alone; data.split=half draws the classes anew")
    if isinstance(load_manifest(config.data.name), PhotoManifest):
        said += roles_said(store, split(store, config.data.split, config.data.draw))
    for line in said:
        typer.echo(f"{config.data.name}: {line}")
    return config


def helped(record: dict[str, Any]) -> list[str]:
    """Whether training helped: recall of the selected checkpoint beside that of the network before training."""
    before, after = (record[key].get("test", {}).get("recall_at_1") for key in ("untouched", "selected"))
    if before is None or after is None:
        return []
    gain = f"{after - before:+.2f} points of R@1 against the untouched network"
    chosen = " Validation chose step 0, before any training." if record["selected"]["step"] == 0 else ""
    return [f"Training {'helped' if after > before else 'did not help'}: {gain}.{chosen}"]


def pretrain(
    folder: Annotated[Path | None, typer.Option(help="Where the two files go; the default is in the cache.")] = None,
) -> None:
    """Make the weights of the compact backbone anew: one thread, some minutes, always from the start."""
    from reproducible.data.store import open_store
    from reproducible.training import pretraining

    folder = writable(folder or cache_dir() / "pretraining")
    weights, facts = pretraining.pretrain(open_store(pretraining.DATA), pretraining.Recipe())
    pretraining.write(folder, weights, facts)
    for window, accuracy in facts["held_out_accuracy"].items():
        typer.echo(f"window {window:6} held-out accuracy {accuracy:6.2f}")
    typer.echo(f"Weights and facts, after {facts['seconds']} s: {folder}")


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
