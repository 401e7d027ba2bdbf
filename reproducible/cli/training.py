"""``reproducible run`` and ``reproducible pretrain``: one training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from reproducible.cli.options import Device
from reproducible.resources import UserError, cache_dir, writable


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
    device: Device = "auto",
) -> None:
    """Train one arm once and print what came out. A finished run is not repeated, an interrupted one goes on."""
    from reproducible import records
    from reproducible.config import from_stage, override
    from reproducible.models import elsewhere
    from reproducible.studies import study
    from reproducible.studies.running import in_precision
    from reproducible.training.runner import execute
    from reproducible.verdicts.criteria import standing

    name, _, label = arm.partition("/")
    profile = profile or study(name).profile
    config = in_precision(study(name).config(label, draw, None if seed < 0 else seed, profile), profile, device)
    config = elsewhere(config, data, profile == "smoke") if data else config
    config = from_stage(config, stage) if stage else config
    for text in change or []:
        path, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set takes FIELD=VALUE, as in optimiser.lr=3e-5; got {text!r}.")
        config = override(config, path, _literal(value))
    record = execute(config, profile=profile, criteria=standing(name).criteria, device=device)
    for key in ("untouched", "selected", "last"):
        point = record[key].get("test", {})
        recall, precision = (point.get(metric, float("nan")) for metric in ("recall_at_1", "map_at_r"))
        step = f" step {record[key]['step']}" if "step" in record[key] else ""
        typer.echo(f"{key:10} R@1 {recall:6.2f}  MAP@R {precision:6.2f}{step}")
    typer.echo(f"Record: {records.run_folder(record['digest']) / 'record.json'}")


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
