"""Printed tables beside runs: the file that joins them names rows and arms that exist; scores count what is there."""

from __future__ import annotations

import csv

import pandas as pd
import pytest
from made_up import arms

from reproducible.resources import UserError, manifests
from reproducible.studies import STUDIES
from reproducible.verdicts import reproduced


def rows_of(name: str) -> list[dict[str, str]]:
    with (manifests() / name).open(encoding="utf-8", newline="") as stream:
        return [*csv.DictReader(stream)]


def test_rows_and_arms_that_are_joined_exist_and_each_row_is_joined_once() -> None:
    printed = {(r["source"], r["table"], r["method"]) for r in rows_of("published_results.csv")}
    joined = rows_of("reproduced.csv")
    keys = [(r["source"], r["table"], r["method"]) for r in joined]
    assert set(keys) <= printed and len(keys) == len(set(keys))
    for row in joined:
        for place in (*row["photographs"].split(), *row["glyphs"].split()):
            study, arm = place.split("/")
            assert STUDIES[study].arm(arm).ships == (study != "sgml"), place  # its birds are not passed on
    assert {r["method"] for r in rows_of("published_names.csv")} <= {method for *_, method in printed}


def test_a_table_is_rebuilt_as_it_is_printed() -> None:
    table = reproduced.printed_table("DeML", "1").set_index("method")
    assert table.loc["U512+Lact"].to_dict() == {"CUB-200-2011, R@1": "56.2", "Cars-196, R@1": "77.6"}
    shop = reproduced.printed_table("VEM", "III").set_index("method")["In-Shop, R@1, 10, 20, 30, 50"]
    assert shop["DREML"] == "78.4 / 93.7 / 95.8 / 96.7 / -"
    with pytest.raises(UserError, match="no table '9' of 'DeML'"):
        reproduced.printed_table("DeML", "9")


def test_every_printed_value_of_a_table_of_results_is_shown() -> None:
    tables = {
        (source, number): reproduced.printed_table(source, number).set_index("method")
        for source, numbers in reproduced.TABLES.items()
        for number in numbers
    }
    for row in rows_of("published_results.csv"):
        if row["value"] and (row["source"], row["table"]) in tables:
            cells = tables[row["source"], row["table"]].loc[row["method"]]
            assert any(row["value"] in cell.split(" / ") for cell in cells)


def test_what_stands_beside_a_row_is_the_first_arm_that_has_run() -> None:
    runs = {"baseline": [{**r, "seed": r["draw"]} for r in arms(u512=[60.0, 62.0])]}
    found = reproduced.ours("DeML", "1", "U512", "photographs", runs)
    assert (found.study, [*found.values.values()], found.data) == ("baseline", [60.0, 62.0], "groceries")
    waiting = reproduced.ours("DeML", "1", "U512", "photographs", {})
    assert (waiting.study, waiting.values) == ("baseline_224", {})
    assert reproduced.ours("VEM", "I", "DREML", "photographs", runs) is None


def detail(*effects: tuple[float, float, float]) -> pd.DataFrame:
    """Effects of one document: published, and the ends of both intervals."""
    columns = ["published_effect", "t_low", "t_high"]
    table = pd.DataFrame(effects, columns=columns).assign(decides=True, source="DeML", level="real")
    return table.assign(b_low=table["t_low"], b_high=table["t_high"])


def test_directions_and_sizes_are_counted_by_where_the_intervals_lie() -> None:
    found = reproduced.scores(detail((2, 1, 3), (2, 3, 4), (2, -1, 4), (2, -4, -1), (-2, -3, -1), (-2, 1, 3)), {})
    row = found.set_index("document").loc["DeML"]
    counted = ("effects compared", "same direction", "not told from zero", "opposite", "published size inside")
    assert [row[name] for name in counted] == [6, 3, 1, 2, 3]
    assert row["run"] == 0 < row["with code"] <= row["own rows"]


def test_the_same_method_has_several_numbers() -> None:
    """Those that the claims on the literature state."""
    several = reproduced.several_numbers().set_index(["method", "data"])
    plain = "binomial deviance, GoogLeNet, 512 dimensions"
    assert several.loc[(plain, "CUB-200-2011"), "apart"] == pytest.approx(59.6 - 52.9)
    assert several.loc[("ABE", "CUB-200-2011"), "printed"] == "58.6 (DeML, Table 3), 60.6 (DIABLO, Table 1)"
    gains = reproduced.crop_gains().set_index("method")["gain"]
    assert gains.round(1).to_dict() == {"A-BIER": 8.0, "ABE": 10.0, "BIER": 8.4, "HDC": 7.1}
