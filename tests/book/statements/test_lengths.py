"""What the pages say in brief of the lengths of runs, and of machines, is so in the records."""

from __future__ import annotations

import nbformat
import pytest

from reproducible import records
from reproducible.report.build import ROOT
from reproducible.verdicts.lengths import long_enough, steps_of, trained
from reproducible.verdicts.table import verdict_table


def brief(page: str) -> str:
    """The box at the head of a page."""
    text = nbformat.read(ROOT / "notebooks" / f"{page}.ipynb", as_version=4).cells[0].source
    return text[text.index("In brief") :].split("```")[0]


@pytest.mark.parametrize(
    ("page", "studies"),
    [
        ("channel_attention", {"deml": 200, "glyph_deml": 300}),
        ("grid", {"deml": 200, "glyph_deml": 300}),
        ("vem", {"vem": 80, "glyph_vem": 300}),
        ("object_attention", {"object_attention": 200, "glyph_object_attention": 300}),
        ("ledger", {"deml": 200, "glyph_deml": 300}),
        ("glyphs", {"glyph_baseline": 300}),
        ("unified_baseline", {"baseline": 400}),
    ],
)
def test_lengths_are_those_of_most_runs(page: str, studies: dict[str, int]) -> None:
    for study, steps in studies.items():
        runs = [r for r in records.load(study) if trained(r)]
        assert sum(steps_of([r]) == (steps,) for r in runs) > 0.7 * len(runs)
        assert str(steps) in brief(page)


@pytest.mark.parametrize(
    ("page", "said", "least", "most"), [("channel_attention", "most", 0.5, 1.0), ("grid", "half of the", 0.4, 0.6)]
)
def test_hardly_any_run_of_deml_is_long_enough_and_glyphs_are_compared_across_machines(
    page: str, said: str, least: float, most: float
) -> None:
    runs = [r for study in ("deml", "glyph_deml") for r in records.load(study) if trained(r)]
    assert "hardly any of these runs was long enough" in brief(page)
    assert sum(map(long_enough, runs)) < 0.15 * len(runs)
    assert f"{said} comparisons on glyphs are across two kinds of machine" in brief(page)
    table = verdict_table(detail=True)
    ran = table[(table["page"] == page.replace("_", "-")) & (table["level"] == "controlled") & table["decides"]]
    ran = ran[ran["n"] > 1]
    assert least <= (ran["across"] > 0).mean() <= most
