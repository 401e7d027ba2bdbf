"""The ``reproducible`` command. Its help teaches: every verb says what it does, where its output goes and what comes
next."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import typer

from reproducible.cli import book, data, judging, measure, record, study, training
from reproducible.resources import UserError, cache_dir, nearest_name

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Attention for zero-shot image retrieval: reproduce, measure and judge. Start with `reproducible doctor`.",
)
app.command()(training.run)
app.command()(training.pretrain)
app.command()(judging.verdicts)
for part in (data, study, record, measure, book):
    app.add_typer(part.app, name=part.__name__.rpartition(".")[2])


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
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"reproducible: {where}{error.strerror or error}.", file=sys.stderr)
        return 2
    except Exception as error:
        if not hasattr(error, "show"):  # the command line's own errors, such as an unknown option, show themselves
            raise
        error.show()
        return 2


def main() -> None:
    """Entry point of the ``reproducible`` command."""
    sys.exit(guarded(_start))


def _start() -> Any:
    level, known = os.environ.get("REPRODUCIBLE_LOG") or "WARNING", ("DEBUG", "INFO", "WARNING", "ERROR")
    if level.upper() not in known:
        raise UserError(f"REPRODUCIBLE_LOG is {level!r}.{nearest_name(level.upper(), known)}")
    logging.basicConfig(level=level.upper(), format="%(message)s")
    return app(standalone_mode=False)
