"""Pages that bring everything together have no number typed in them: what they say is computed from files."""

from __future__ import annotations

import ast
import re

import nbformat
import pytest

from reproducible import records
from reproducible.report.build import ROOT
from reproducible.verdicts.effects import effect
from reproducible.verdicts.table import verdict_table

PAGES = ("scoreboard", "verdicts", "claims", "published", "review")
NAMES = re.compile(r"R@1|Recall@1|AVX2|`[^`]*`|\{ref\}`[^`]*`|^ {4}.*$", re.MULTILINE)  # names, code and references


@pytest.mark.parametrize("page", PAGES)
def test_no_number_is_typed(page: str) -> None:
    for cell in nbformat.read(ROOT / "notebooks" / f"{page}.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not re.findall(r"\d+", NAMES.sub("", cell.source)), cell.source
        else:
            numbers = [node.value for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Constant)]
            assert not [n for n in numbers if isinstance(n, float)], cell.source


def test_settings_of_a_baseline_move_it_by_more_than_most_published_gains() -> None:
    """As the page on published tables says."""
    moved = effect(records.load("deml"), "u512-settings-of-deml", "u512")
    gains = verdict_table(detail=True)["published_effect"].dropna().abs()
    assert (gains < min(map(abs, moved.t))).mean() > 0.5


def test_the_first_page_shows_the_scoreboard_that_the_notebook_makes() -> None:
    front = (ROOT / "book/index.md").read_text(encoding="utf-8")
    assert "```{glue:any} scoreboard\n:doc: ../notebooks/scoreboard.ipynb\n```" in front
    cells = nbformat.read(ROOT / "notebooks/scoreboard.ipynb", as_version=4).cells
    assert any("scrapbook" in out.metadata for cell in cells for out in cell.get("outputs", ()) if "metadata" in out)
