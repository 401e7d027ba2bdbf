"""The front page says what the records say: each number of it is computed here again."""

from __future__ import annotations

import re

import pytest

from reproducible import records
from reproducible.evaluation.selection import select, smoothed
from reproducible.report.build import ROOT
from reproducible.verdicts.effects import Effect, effect

FRONT = (ROOT / "book/index.md").read_text(encoding="utf-8")


def ends(found: tuple[float, float]) -> str:
    return f"[{found[0]:.1f}, {found[1]:.1f}]"


def said(found: Effect) -> str:
    """An effect as the front page says it."""
    return f"{found.mean:.1f} points {ends(found.t)} {ends(found.bootstrap)}"


def test_it_leads_with_224_pixels() -> None:
    """With the effect over the untouched network, as soon as five draws of it are in the records."""
    lead = FRONT[FRONT.index("## What was found so far") : FRONT.index("{dropdown}")]
    assert lead.index("224 pixels") < lead.index("112 pixels")
    runs = [r for r in records.load("baseline_224") if r["arm"] == "u512"]
    if len({r["draw"] for r in runs}) < 5:
        assert "as they are recorded, and no verdict rests on them yet" in lead
    else:
        assert said(effect(runs, "u512", "untouched")) in lead


@pytest.mark.parametrize("data", ["groceries", "cars", "cub"])
def test_the_first_campaign_ends_level_with_the_untouched_network_or_below(data: str) -> None:
    found = {r["arm"]: r["selected"]["test"]["recall_at_1"] for r in records.load("three_sets")}
    trained, untouched = found[f"u512-{data}"], found[f"untouched-googlenet-{data}"]
    assert f"{trained:.1f} against {untouched:.1f}" in FRONT
    assert trained < untouched


def test_the_gain_of_vem_on_a_third_network() -> None:
    found = effect(records.load("vem"), "margin-vem-efficientnet", "margin-efficientnet")
    low, high = found.bootstrap
    assert low < 0 < high
    assert f"{found.mean:.1f} points on average, with a bootstrap interval from $-{-low:.1f}$ to {high:.1f}" in FRONT


def test_what_it_says_in_round_numbers() -> None:
    glyphs, looks = records.load("glyph_deml"), records.load("glyph_object_attention")
    window = effect(looks, "untouched-full-and-oam", "untouched-full")
    assert "ten points" in FRONT and 9 < window.mean < 11
    larger = effect(records.load("deml"), "u512-160", "deml-2-1")
    assert "is six points above it" in FRONT and 5.5 < larger.mean < 6.5
    zoom = effect(glyphs, "deml-3-1", "full-image-3")
    assert "four points more than a second full image" in FRONT and 3.5 < zoom.mean < 4.5
    lengths = {r["curve"][-1]["step"] for r in glyphs if r["curve"]}
    assert "at 300 steps" in FRONT and 300 in lengths


def test_the_example_of_a_selected_checkpoint() -> None:
    text = (ROOT / "book/how_to_read.md").read_text(encoding="utf-8")
    for looks, averages, chosen in (
        ((50, 54, 56, 57), "52.0, 53.3, 55.7 and 56.5, and the last is selected", 3),
        ((50, 58, 56, 57), "54.0, 54.7, 57.0 and 56.5, and the third is", 2),
    ):
        assert re.sub(r"\s+", " ", averages) in re.sub(r"\s+", " ", text)
        assert [f"{value:.1f}" for value in smoothed(looks, 3)] == re.findall(r"\d\d\.\d", averages)
        assert select(looks, 3) == chosen


def test_words_of_estimates_fit_the_examples_beside_them() -> None:
    """By the rule as it is worded there, for a published effect of 1.7 and a margin of 1."""
    text = (ROOT / "book/how_to_read.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \S \*\*([^*]+)\*\* \|[^|]+\| \S+ \[(.+?), (.+?)\] \[(.+?), (.+?)\] \|$", text, re.MULTILINE)
    assert len(rows) == 5
    for word, *numbers in rows:
        low, high = min(map(float, numbers)), max(map(float, numbers))
        fits = {
            "supported": low > 0 and high >= 1.7,
            "supported, smaller than published": low > 0 and high < 1.7,
            "contradicted": high < 0,
            "no difference seen": low > -1 and high < 1,
            "too small to see here": low < 0 < high and (low < -1 or high > 1),
        }
        assert next(name for name, holds in fits.items() if holds) == word
