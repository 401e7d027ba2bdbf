"""The list of verdicts: a row a claim and level, words beside icons, and a record that changes changes it."""

from __future__ import annotations

import re
from html import unescape

import pytest
from made_up import arms

from reproducible.report import forest, links, overview
from reproducible.verdicts.table import headline, verdict_table
from reproducible.verdicts.words import bare


def rows_of(html: str) -> list[tuple[dict[str, str], list[str]]]:
    """Attributes of each row, and the texts of its cells."""
    found = []
    for head, body in re.findall(r"<tr ([^>]*)>(.*?)</tr>", html, re.S):
        cells = re.findall(r"<td [^>]*>(.*?)</td>", body, re.S)
        plain = [unescape(re.sub(r"<[^>]+>", " ", cell)) for cell in cells]
        found.append((dict(re.findall(r'data-(\w+)="([^"]*)"', head)), plain))
    return found


@pytest.fixture(scope="module")
def listed() -> str:
    return overview.verdict_list().data


def test_every_claim_and_level_has_a_row_with_its_word(listed: str) -> None:
    table, rows = verdict_table(), rows_of(listed)
    assert len(rows) == len(table)
    for (about, cells), (_, row) in zip(rows, table.iterrows(), strict=True):
        assert (about["document"], about["kind"], about["level"]) == (row["source"], row["kind"], row["level"])
        assert about["verdict"] == bare(row["verdict"]) and bare(row["verdict"]) in cells[2]
        assert row["claim_text"] in cells[0] and cells[0].startswith(f" {row['claim']} ")


def test_each_row_leads_to_the_claim_in_full(listed: str) -> None:
    table = verdict_table()
    assert re.findall(r'href="claims\.html#claim-(\w+)"', listed) == [*table["claim"]]
    assert re.search(r'href="glyphs\.html#evidence-D04-controlled"', listed)  # not on the page of the baseline
    assert re.search(r'href="unified_baseline\.html#evidence-D04-real"', listed)
    assert links.evidence("vem", "V02", "analytic") == links.addresses()["vem"]  # in words there, without a row


def gained(points: float) -> dict[str, list[dict]]:
    old = [50.0, 51.0, 52.0, 53.0, 54.0]
    return {"baseline": arms(u512=old, u512_lact_printed=[v + points for v in old])}


def test_a_record_that_changes_changes_the_list() -> None:
    said = {}
    for points in (6.0, -6.0):
        rows = rows_of(overview.verdict_list(gained(points)).data)
        said[points] = next(cells for about, cells in rows if "D04" in cells[0] and about["level"] == "real")
    assert "✔ supported" in re.sub(r"\s+", " ", said[6.0][2]) and said[6.0][3].startswith("+6.0")
    assert "✘ contradicted" in re.sub(r"\s+", " ", said[-6.0][2]) and said[-6.0][3].startswith("-6.0")


def test_the_headline_counts_what_the_table_counts() -> None:
    counts = headline(verdict_table())
    shown = overview.headline_table(counts)
    assert all(len(word.split(" ", 1)) == 2 for word in shown["verdict"])
    for level in counts.index:
        assert sum(int(cell or 0) for cell in shown[level]) == counts.loc[level].sum()


def test_a_forest_has_every_decided_effect_of_recall_once_and_says_so() -> None:
    table = verdict_table(detail=True, records_by_study=gained(6.0))
    effects = forest.effects_of_recall(table, "real")
    gain = effects[effects["name"] == "D04"]
    assert gain["low"].iloc[0] > 0 and len(gain) == 1
    assert forest.described({"real": gain}) == "real: 1 effects, 1 above zero, 0 below, 0 not told from zero"
    drawn = forest.forest({"real": effects}).data
    assert drawn.count('class="bar ') == len(effects) + 1  # and the axis
    assert f'aria-label="{gain["mean"].iloc[0]:+.1f}, t ' in drawn


@pytest.mark.parametrize(("mean", "x"), [(0.0, "50.0%"), (15.0, "75.0%"), (-30.0, "0.0%")])
def test_a_bar_has_its_dot_where_the_effect_is(mean: float, x: str) -> None:
    drawn = forest.bar(forest.Bar(mean, (mean - 1, mean + 1), (mean - 2, mean + 2), None))
    assert f'<circle cx="{x}"' in drawn and "published" not in drawn


def test_what_lies_beyond_the_axis_is_an_arrow_and_still_said() -> None:
    drawn = forest.bar(forest.Bar(-46.2, (-50.0, -40.0), (-51.0, -41.0), 3.3, "contradicted"))
    assert "<circle" not in drawn and drawn.count("<path") == 2
    assert 'aria-label="-46.2, t -50.0 to -40.0, bootstrap -51.0 to -41.0, published +3.3"' in drawn
