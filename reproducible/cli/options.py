"""Options and arguments that verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Device = Annotated[str, typer.Option(help="auto (a GPU where there is one), cpu, cuda, cuda:1, ...")]
Workers = Annotated[int, typer.Option(min=0, help="Processes, one thread each; 0: one a core.")]
Name = Annotated[str, typer.Argument(help="Which one; the list verb shows all.")]
