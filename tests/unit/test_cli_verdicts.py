"""``reproducible verdicts``: nothing cut short, exit statuses that scripts can use, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json

import pytest
import typer

from reproducible import cli
from reproducible.resources import UserError
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.table import verdict_table
from reproducible.verdicts.words import bare


def said(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[str, int]:
    """What the command prints, and its exit status."""
    try:
        status = cli.app(["verdicts", *options], standalone_mode=False) or 0
    except typer.Exit as left:
        status = left.exit_code
    return capsys.readouterr().out, status


def test_every_claim_is_there_in_full_words(capsys: pytest.CaptureFixture[str]) -> None:
    text, status = said(capsys)
    assert status == 0 and "..." not in text.replace("V, ...", "")
    for _, row in verdict_table().iterrows():
        line = next(one for one in text.splitlines() if one.startswith(f"{row['claim']}  {row['level']}"))
        assert bare(row["verdict"]) in line
        assert row["claim_text"] in text


def test_filters_of_document_kind_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    text, _ = said(capsys, "--source", "VEM", "--kind", "author", "--level", "real", "--csv")
    rows = [*csv.DictReader(io.StringIO(text))]
    assert {(r["source"], r["kind"], r["level"]) for r in rows} == {("VEM", "author", "real")}
    asked = [c.id for c in load_claims().claims if c.source == "VEM" and c.kind == "author"]
    assert {r["claim"] for r in rows} <= set(asked) and len(rows) > 5


def test_one_claim_in_full_as_text_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    claim = load_claims()["B04"]
    text, _ = said(capsys, "--claim", "B04")
    assert claim.claim in " ".join(text.split()) and claim.expectation in " ".join(text.split())
    (found,) = json.loads(said(capsys, "--claim", "B04", "--json")[0])
    assert found["claim"] == claim.claim
    assert [one["asked"] for one in found["criteria"]] == [dict(c) for c in claim.criteria]


def test_require_sets_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    for claim, level, required, status in (
        ("D10", "analytic", "supported", 0),
        ("D11", "analytic", "decided", 0),
        ("D11", "analytic", "supported", 1),
        ("V11", "paper", "decided", 1),
    ):
        assert said(capsys, "--claim", claim, "--level", level, "--require", required)[1] == status


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--level", "reel"), "--level 'reel' is not known. Did you mean 'real'"),
        (("--kind", "authors"), "Did you mean 'author'"),
        (("--claim", "D0"), "There is no claim 'D0'"),
        (("--json", "--csv"), "one of --json and --csv"),
    ],
)
def test_names_that_do_not_exist(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        cli.app(["verdicts", *options], standalone_mode=False)
