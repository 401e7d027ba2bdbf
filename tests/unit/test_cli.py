"""The command line: its help teaches, and a problem that the user can mend is one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reproducible import cli
from reproducible.resources import UserError


def call(*arguments: str, cache: Path | None = None) -> subprocess.CompletedProcess[str]:
    code = "import sys; from reproducible.cli import main; sys.argv[0] = 'reproducible'; main()"
    environment = os.environ | ({"REPRODUCIBLE_CACHE": str(cache)} if cache else {})
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_help_names_every_verb() -> None:
    shown = call("--help").stdout
    for verb in ("data", "study", "record", "run", "doctor", "verdicts"):
        assert verb in shown


def test_unknown_arm_is_one_line_with_the_nearest_name() -> None:
    done = call("run", "baseline/u51")
    assert done.returncode == 2
    assert "Did you mean 'u512'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_field_of_set_is_named() -> None:
    done = call("run", "baseline/u512", "--profile", "smoke", "--set", "optimiser.rate=1")
    assert done.returncode == 2
    assert "'rate'" in done.stderr and "optimiser" in done.stderr


def test_unknown_option_is_explained_without_a_traceback() -> None:
    done = call("run", "--bogus")
    assert done.returncode == 2
    assert "--bogus" in done.stderr and "Traceback" not in done.stderr


def test_study_list_shows_arms_costs_and_records() -> None:
    shown = call("study", "list").stdout
    assert "u512-lact-printed" in shown and "tier A" in shown and "min a run" in shown


def test_data_list_shows_every_set_with_its_title() -> None:
    shown = call("data", "list").stdout
    assert "groceries" in shown and "glyphs-clutter-0" in shown
    assert "Glyphs for pretraining, 300 unmarked characters" in shown


def test_unknown_variant_is_one_line_with_the_nearest_name() -> None:
    done = call("data", "prepare", "glyphs-cluter-0")
    assert done.returncode == 2
    assert "Did you mean 'glyphs-clutter-0'?" in done.stderr and "Traceback" not in done.stderr


def test_doctor_says_what_will_be_used() -> None:
    shown = call("doctor").stdout
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
