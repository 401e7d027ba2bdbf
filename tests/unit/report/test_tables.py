"""Tables come from records: without a record a number is gone, and only training brings it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_up import record
from whole_records import asked, whole

from reproducible import records
from reproducible.report import tables, verdicts
from reproducible.studies import running, study
from reproducible.training import runner

BASELINE = replace(study("baseline"), live=("u512-lact-printed", "u512"))


def arm_row(found: list[dict[str, Any]], arm: str) -> Any:
    return tables.arm_table([BASELINE.arm(arm)], found).iloc[0]


def test_mean_and_interval_are_the_records(full: list[dict[str, Any]]) -> None:
    row = arm_row(full, "u512")
    assert row["draws"] == "5 of 5"
    assert row["R@1 %"] == "72.0 [70.0, 74.0]"  # mean 72, s = 1.5811, t(4) = 2.7764: half width 1.963
    assert row["gain over untouched"].startswith("52.0")


def test_rows_that_say_nothing_are_named_below_the_table(full: list[dict[str, Any]]) -> None:
    arms = [BASELINE.arm(name) for name in ("u512", "u64", "u384-lact-tuned", "u64-lact-tuned")]
    text = tables.page(tables.arm_table(arms, full, {"Cars": {"u384-lact-tuned": 77.4}}), fold="arm").data
    assert text.endswith(f"<p>Declared, not run: {arms[1].title}; {arms[3].title}.</p>")
    assert text.count("<tr") == 1 + 2  # the published number of an arm that was not run stays
    assert "77.4" in text
    assert "Declared" not in tables.page(tables.arm_table(arms[:1], full), fold="arm").data
    assert "Declared" not in tables.page(tables.arm_table(arms, full)).data


def test_an_interval_stays_in_one_line() -> None:
    shown = tables.page(pd.DataFrame({"a": ["1.0 [-0.5, +1.5], n = 5"], "b": ["4e, 5b"]})).data
    assert "1.0 [-0.5,&nbsp;+1.5], n = 5" in shown
    assert "4e, 5b" in shown


def test_an_arm_without_records_says_not_run(full: list[dict[str, Any]]) -> None:
    assert arm_row(full, "u64")["R@1 %"] == tables.NOT_RUN


def test_a_deleted_record_leaves_table_and_verdict_without_its_number(full: list[dict[str, Any]]) -> None:
    def verdict(found: list[dict[str, Any]]) -> str:
        rows = verdicts.claims_on_page("baseline", "real", {"baseline": found})
        return rows.set_index("claim").loc["D04", "verdict"]

    assert verdict(full) == "contradicted at 100 steps"
    fewer = [r for r in full if (r["arm"], r["draw"]) != ("u512", 3)]
    assert arm_row(fewer, "u512")["draws"] == "4 of 5"
    assert verdict(fewer) == "not run (4 of 5 draws)"


def test_only_training_brings_a_deleted_record_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: list[dict[str, Any]]
) -> None:
    arms = tuple(BASELINE.arm(name) for name in BASELINE.live)
    small = running.Study(
        **{
            **vars(BASELINE),
            "arms": tuple(arm.__class__(**{**vars(arm), "extra_seeds": 0, "tuned": ()}) for arm in arms),
        }
    )
    kept = [whole(small.config(r["arm"], r["draw"])) for r in full if (r["arm"], r["draw"]) != ("u512", 3)]
    records.save("baseline", kept, tmp_path)
    wanted: list[tuple[str, int]] = []
    monkeypatch.setattr(
        runner, "execute_all", lambda configs, **_: wanted.extend((c.arm, c.data.draw) for c in configs) or []
    )
    list(running.carry_out(small, "standard", standing=asked, device="cpu", folder=tmp_path))
    assert wanted == [("u512", 3)]


def test_live_difference_is_compared_at_the_same_step(full: list[dict[str, Any]]) -> None:
    here = [record(arm, 0, value) for arm, value in zip(BASELINE.live, (59.0, 70.0), strict=True)]
    row = tables.agreement(BASELINE, full, here).iloc[0]
    assert row["recorded draws"] == 5
    assert row["on this machine"] == "-11.0"
    assert row["agrees"] == "yes"
    far = [record(arm, 0, value) for arm, value in zip(BASELINE.live, (80.0, 60.0), strict=True)]
    assert tables.agreement(BASELINE, full, far).iloc[0]["agrees"] == "no"
    untuned = tables.agreement(BASELINE, full, []).iloc[0]
    assert (untuned["on this machine"], untuned["agrees"]) == ("not run", "nothing to compare with")


def test_an_arm_below_the_untouched_network_is_marked(full: list[dict[str, Any]]) -> None:
    assert arm_row(full, "u512")["gain over untouched"] == "52.0 [50.0, 54.0]"
    for found in full:
        if found["arm"] == "u512":
            found["untouched"] = {"test": {"recall_at_1": 99.0}}
    assert arm_row(full, "u512")["gain over untouched"] == "-27.0 [-29.0, -25.0], fails here"


def test_runs_of_the_untouched_network_have_nothing_beside_them(full: list[dict[str, Any]]) -> None:
    for one in full:
        one["untouched"] = {}
    row = arm_row(full, "u512")
    assert row["R@1 %"].startswith("72.0") and row["gain over untouched"] == ""


def test_folded_tables_open_without_javascript() -> None:
    html = tables.folded("p < 0.05", tables.page(pd.DataFrame({"a": [1.0]}))).data
    assert html.startswith("<details><summary>p &lt; 0.05</summary><table") and html.endswith("</details>")
