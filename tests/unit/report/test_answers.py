"""Verdicts as pages lead with them: five columns, arms by titles, icon and word, the rest folded."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from reproducible.report import answers
from reproducible.studies import STUDIES
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.effects import Effect
from reproducible.verdicts.words import DECIDED, WEAKEST_FIRST


def parted(html: str) -> tuple[str, str]:
    shown, _, folded = html.partition("<details>")
    return shown, folded


def rows_of(html: str) -> list[dict[str, str]]:
    """The cells of the table by the titles of its columns, without their tags."""

    def cells(row: str, tag: str) -> list[str]:
        return [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", row, re.S)]

    head, *rows = re.findall(r"<tr.*?</tr>", parted(html)[0], re.S)
    return [dict(zip(cells(head, "th"), cells(row, "td"), strict=True)) for row in rows]


@pytest.mark.parametrize(
    "page",
    [
        *("baseline", "object-attention", "channel-attention", "grid", "vem"),
        *("diablo", "entries", "three-losses-and-abe", "one-head"),
    ],
)
@pytest.mark.parametrize("level", ["real", "controlled"])
def test_at_most_five_columns_and_no_name_of_an_arm(page: str, level: str) -> None:
    shown, folded = parted(answers.answers(page, level).data)
    assert 0 < shown.count("<th>") <= 5
    names = {arm.name for of in STUDIES.values() for arm in of.arms if "-" in arm.name}
    words = set(re.findall(r"[\w-]+", re.sub(r"<b>.*?</b>|<[^>]+>", " ", shown)))
    assert not names & words
    assert "supported if" in folded


def test_a_row_says_claim_verdict_effect_published_and_draws(full: list[dict[str, Any]]) -> None:
    table = rows_of(answers.answers("baseline", "real", {"baseline": full}).data)
    row = next(row for row in table if row["claim"].startswith("D04"))
    assert load_claims()["D04"].claim in row["claim"]
    assert row["claim"].endswith("U512 + L_act, printed less U512")
    assert row["verdict"].startswith("✘ contradicted at 100 steps")
    assert row["effect [t] [bootstrap]"].startswith("-10.0[") and row["effect [t] [bootstrap]"].count("[") == 2
    assert (row["published"], row["n"]) == ("+3.3", "5")
    waiting = next(row for row in table if row["claim"].startswith("D03"))
    assert (waiting["verdict"], waiting["effect [t] [bootstrap]"], waiting["n"]) == ("○ not run", "", "0 of 5")


def test_the_answer_of_a_page_counts_its_claims_by_level(full: list[dict[str, Any]]) -> None:
    said = unescape(re.sub(r"<[^>]+>", "", answers.standing("baseline", {"baseline": full}).data))
    levels = dict(re.findall(r"(On the printed tables|On glyphs|On photographs): ([^;.]+)", said))
    on_page = [claim for claim in load_claims().claims if claim.page == "baseline"]
    for name, level in (("On photographs", "real"), ("On glyphs", "controlled")):
        asked = sum(any(c["level"] == level for c in claim.criteria) for claim in on_page)
        assert sum(map(int, re.findall(r"\d+", levels[name]))) == asked, levels[name]
    assert set(re.findall(r"\d+ ([a-z ]+)", levels["On glyphs"])) <= {"not run", "not testable here"}
    assert "1 contradicted" in levels["On photographs"]


def test_what_a_claim_says_stands_once() -> None:
    shown, _ = parted(answers.answers("channel-attention", "controlled").data)
    assert shown.count(load_claims()["D34"].claim) == 1
    assert shown.count("<b>D34</b>") == 4


def test_every_word_of_a_claim_that_was_tested_has_an_icon() -> None:
    assert {*WEAKEST_FIRST, *DECIDED} <= set(answers.ICONS)


def test_effects_without_a_claim() -> None:
    table = answers.effect_table(
        {"one": Effect(1.26, (0.5, 2.0), (-0.1, 2.2), 5, 2), "none": Effect(None, None, None, 0, 0)}
    )
    assert table.iloc[0].tolist() == ["one", "+1.3", "[0.5, 2.0]", "[-0.1, 2.2]", "5, 2 across machines"]
    assert table.iloc[1].tolist() == ["none", "not run", "", "", "0"]
