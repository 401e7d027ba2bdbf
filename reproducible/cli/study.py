"""``reproducible study``: arms, trials, runs."""

from __future__ import annotations

from typing import Annotated

import typer

from reproducible.cli.options import Device, Name, Workers
from reproducible.resources import cache_dir

app = typer.Typer(no_args_is_help=True, help="Studies: list arms and costs, tune on validation classes, run.")


@app.command("list")
def study_list() -> None:
    """Studies with their arms, tiers, measured costs and how many records of each are there."""
    from reproducible import records
    from reproducible.studies import STUDIES

    for one in STUDIES.values():
        found = [r["arm"] for r in records.load(one.name)]
        typer.echo(f"{one.name}: {one.title}")
        for arm in one.arms:
            done = f"{found.count(arm.name):2} of {arm.draws + arm.extra_seeds:2} records"
            typer.echo(f"  {arm.name:24} tier {arm.tier}  {done}  {arm.minutes:4.0f} min a run")


@app.command("tune")
def study_tune(name: Name, device: Device = "auto", workers: Workers = 0) -> None:
    """Run the trials of a study on the validation classes; its arms take the best candidate from their records."""
    from reproducible import records
    from reproducible.studies import study
    from reproducible.studies.running import default_workers, tune
    from reproducible.verdicts.criteria import standing

    for record in tune(study(name), standing=standing, device=device, workers=workers or default_workers()):
        best = max(point["validation"]["map_at_r"] for point in record["curve"])
        typer.echo(f"{record['arm']:16} best validation MAP@R {best:.2f}")
    typer.echo(f"Trials: {records.folder_of(study(name).tuning_records)}")


@app.command("run")
def study_run(
    name: Name,
    profile: Annotated[str, typer.Option(help="smoke, quick, standard or large; empty: the study's own.")] = "",
    tiers: Annotated[str, typer.Option(help="A, or AB to run what was declared as well.")] = "A",
    arm: Annotated[list[str] | None, typer.Option(help="Run this arm alone, whatever its tier; repeatable.")] = None,
    device: Device = "auto",
    workers: Workers = 0,
) -> None:
    """Run the arms of a study. What is finished is kept, so stop and start it as you like."""
    from reproducible import records
    from reproducible.studies import study
    from reproducible.studies.running import carry_out, default_workers
    from reproducible.verdicts.criteria import standing

    one = study(name)
    profile = profile or one.profile
    chosen = {"tiers": tiers, "arms": arm or (), "device": device, "workers": workers or default_workers()}
    for record in carry_out(one, profile, standing=standing, **chosen):
        point = record["selected"]["test"]
        typer.echo(
            f"{record['arm']:24} draw {record['draw']} seed {record['seed']}  R@1 {point['recall_at_1']:6.2f} at step "
            f"{record['selected']['step']}  ({record['environment']['seconds'] / 60:.1f} min)"
        )
    typer.echo(f"Records: {records.folder_of(name)}" if profile == one.profile else f"Runs: {cache_dir() / 'runs'}")


@app.command("reference")
def study_reference() -> None:
    """Run profile smoke of every study and write down the losses that the notebooks are held to."""
    from reproducible.studies import STUDIES
    from reproducible.studies.running import write_smoke_losses

    typer.echo(f"Losses: {write_smoke_losses(STUDIES.values())}")
