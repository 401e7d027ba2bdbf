"""``reproducible measure``: quantities that pages show and no run of a study yields."""

from __future__ import annotations

from typing import Annotated

import typer

from reproducible.cli.options import Device

app = typer.Typer(no_args_is_help=True, help="Measure what pages show beside records: where attention looks, maps.")


@app.command("attention")
def measure_attention(
    views: Annotated[
        list[str] | None, typer.Argument(help="Networks and images, as caltech-224 or glyphs; none: all.")
    ] = None,
    device: Device = "auto",
) -> None:
    """Where object attention looks: rewrites what it measures in data_manifests/localisation.jsonl.xz.

    Photographs take minutes of a core, glyphs a minute; the fine-tuned networks of views named -tuned- are trained
    first. The page object-attention shows what is there. Next: build the book.
    """
    from reproducible.studies.localising import localise
    from reproducible.verdicts.criteria import standing

    for look in localise(tuple(views or ()), standing=standing, device=device):
        found = look["means"]["methods"]["object attention"]
        typer.echo(f"{look['look']:24} " + "  ".join(f"{name} {value:.1f}" for name, value in found.items()))


@app.command("maps")
def measure_maps(device: Device = "auto") -> None:
    """Channel maps behind trained gates: rewrites data_manifests/channel_maps.json.

    Trains DeML(1,4) with and without the adversary on groceries first, a quarter of an hour of a core each. The page
    channel-attention shows what is there. Next: build the book.
    """
    from reproducible.studies.channel_maps import write

    for name, network in write(device)["networks"].items():
        typer.echo(f"{name:24} " + "  ".join(f"{quantity} {mean:.1f}" for quantity, mean in network["means"].items()))
