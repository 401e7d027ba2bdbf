"""The command line: its help teaches, and a problem that the user can mend is one line."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import click
import pytest
import typer

from reproducible import cli
from reproducible.resources import UserError

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def call(*arguments: str, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What the command says and its exit status, in this process: a fresh one takes seconds to import what it needs."""
    out, err = io.StringIO(), io.StringIO()
    environment = {"REPRODUCIBLE_CACHE": str(cache)} if cache else {}
    with redirect_stdout(out), redirect_stderr(err), mock.patch.dict(os.environ, environment):
        status = cli.guarded(lambda: cli.app(list(arguments), standalone_mode=False))
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb with its path, groups first."""
    yield path, command
    for name, found in getattr(command, "commands", {}).items():
        yield from verbs(found, (*path, name))


VERBS = dict(verbs(typer.main.get_command(cli.app)))


def test_every_program_is_a_verb() -> None:
    named = {path[0] for path in VERBS if path}
    assert named == {"data", "study", "record", "measure", "book", "run", "pretrain", "verdicts", "doctor"}
    assert {("measure", "attention"), ("measure", "maps"), ("book", "execute"), ("book", "build")} <= set(VERBS)


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_help_teaches(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence for each verb, and a word for each argument and option."""
    cli.app([*path, "--help"], standalone_mode=False)
    shown = capsys.readouterr().out
    assert VERBS[path].help and VERBS[path].help.split(".")[0].split(":")[0].split()[0] in shown
    for name in getattr(VERBS[path], "commands", {}):
        assert name in shown
    for parameter in VERBS[path].params:
        assert getattr(parameter, "help", "") or parameter.name == "help", f"{' '.join(path)}: {parameter.name}"


def test_help_waits_for_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from reproducible.cli import app\n"
        f"for path in {[path for path in VERBS]!r}:\n"
        "    app([*path, '--help'], standalone_mode=False)\n"
        "sys.exit(', '.join({'torch', 'numpy', 'pandas', 'nbformat'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_arm_is_one_line_with_the_nearest_name() -> None:
    code = "import sys; from reproducible.cli import main; sys.argv[0] = 'reproducible'; main()"
    command = [sys.executable, "-c", code, "run", "baseline/u51"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "Did you mean 'u512'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_field_of_set_is_named() -> None:
    done = call("run", "baseline/u512", "--profile", "smoke", "--set", "optimiser.rate=1")
    assert done.returncode == 2
    assert "'rate'" in done.stderr and "optimiser" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("run", "baseline/u512", "--profile", "smok"), "There is no profile 'smok'. Did you mean 'smoke'?"),
        (("run", "baseline/u512", "--profile", "large"), "its own is 'standard'"),
        (("run", "glyph_baseline/u64", "--profile", "quick"), "only u512-lact-printed and u512 at profile 'quick'"),
        (("run", "baseline/u512", "--profile", "smoke", "--set", "steps"), "FIELD=VALUE"),
        (("run", "baseline/u512", "--profile", "smoke", "--from", "pool33"), "Did you mean 'pool3'?"),
        (("study", "run", "baseline", "--profile", "Quick"), "Did you mean 'quick'?"),
        (("study", "run", "baseline", "--tiers", "a"), "There are no tiers 'a'."),
        (("book", "execute", "{}", "no.ipynb", "--set", "profil=quick"), "Did you mean 'profile'?"),
        (("book", "execute", "{}", "no.ipynb", "--set", "profile"), "NAME=VALUE"),
        (("measure", "attention", "caltech-225"), "Did you mean 'caltech-224'?"),
    ],
)
def test_what_does_not_exist_is_said_before_anything_runs(arguments: tuple[str, ...], named: str) -> None:
    done = call(*(text.format(NOTEBOOKS / "ledger.ipynb") for text in arguments))
    assert done.returncode == 2
    assert done.stderr.startswith("reproducible: ") and named in done.stderr and "Traceback" not in done.stderr


def test_unknown_option_is_explained_without_a_traceback() -> None:
    done = call("run", "--bogus")
    assert done.returncode == 2
    assert "--bogus" in done.stderr and "Traceback" not in done.stderr


def test_study_list_shows_arms_costs_and_records(tmp_path: Path) -> None:
    shown = call("study", "list", cache=tmp_path / "cache").stdout
    assert not list(tmp_path.iterdir())  # what only reads makes no folder
    assert "u512-lact-printed" in shown and "tier A" in shown and "min a run" in shown


def test_records_of_a_study_are_counted_and_computed_again(tmp_path: Path) -> None:
    """What is out of date, what differs and what nothing is kept for is said; that is not counted as computed."""
    listed = call("record", "list", cache=tmp_path / "cache").stdout
    assert not list(tmp_path.iterdir())
    assert "glyph_deml" in listed and "baseline_tuning" in listed and "arms" in listed
    done = call("record", "verify", "three_sets")
    assert done.returncode == 0
    assert "stated, and nothing is kept for it (records): map_at_r (10), r_precision (10)" in done.stdout
    assert done.stdout.rstrip().endswith("metrics: 0 differ.")
    trials = call("record", "verify", "three_sets_tuning").stdout
    assert "4 keep nothing to compute from" in trials and "0 records, 0 metrics: 0 differ." in trials


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (("verify", "baselin"), "There are no records of 'baselin'. Did you mean 'baseline'?"),
        (("add", "nowhere.jsonl.xz"), "nowhere.jsonl.xz: no such file, or no record in it."),
        (("add", __file__), "test_cli.py: not a file of records"),
    ],
)
def test_records_that_are_not_there(verb: tuple[str, ...], said: str) -> None:
    done = call("record", *verb)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_data_list_shows_every_set_with_its_title() -> None:
    shown = call("data", "list").stdout
    assert "groceries" in shown and "glyphs-clutter-0" in shown
    assert "Glyphs for pretraining, 300 unmarked characters" in shown


def test_unknown_variant_is_one_line_with_the_nearest_name() -> None:
    done = call("data", "prepare", "glyphs-cluter-0")
    assert done.returncode == 2
    assert "Did you mean 'glyphs-clutter-0'?" in done.stderr and "Traceback" not in done.stderr


def test_doctor_says_what_will_be_used(tmp_path: Path) -> None:
    shown = call("doctor", cache=tmp_path / "cache").stdout
    assert not list(tmp_path.iterdir())
    for word in ("torch", "device", "data sets", "groceries", "records"):
        assert word in shown


def test_interruption_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert cli.guarded(interrupted) == 130
    assert "goes on where this one was" in capsys.readouterr().err


def test_user_errors_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong() -> None:
        raise UserError("the disk is full")

    assert cli.guarded(wrong) == 2
    assert capsys.readouterr().err == "reproducible: the disk is full\n"


def test_unknown_augmentation_is_one_line_before_anything_is_prepared(tmp_path: Path) -> None:
    done = call("run", "baseline/u512", "--profile", "smoke", "--set", "data.augmentation=letterbox", cache=tmp_path)
    assert done.returncode == 2
    assert "Did you mean 'deml_letterbox'?" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
