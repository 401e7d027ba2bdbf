"""The box at the head of a page, the lines of the library beside it, and graphs."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from reproducible.losses.binomial_deviance import BinomialDeviance, binomial_deviance
from reproducible.report.brief import brief, source
from reproducible.report.figures import ROSE
from reproducible.report.graphs import Arrow, Box, graph


def test_a_question_without_runs_says_so_at_each_level_that_is_asked_for() -> None:
    text = brief({"Does g help?": "G04", "Is Emb best?": "G06"}, {"real": "birds", "controlled": "glyphs"}, {}).data
    first, second = text.split("</li>")[:2]
    assert first.count("<b>not run</b>") == 2 and "birds: " in first and "(G04)" in first
    assert second.count("<b>not run</b>") == 1 and "birds" not in second  # of In-Shop, which birds are not


def test_an_answer_has_both_intervals() -> None:
    text = brief({"Does decay help?": "D04"}, {"controlled": "glyphs"}).data
    assert text.count("[") == 2 and " points " in text


def test_lines_of_the_library_without_their_docstrings() -> None:
    text = source(binomial_deviance, BinomialDeviance.forward).data
    assert text.count("`reproducible/losses/binomial_deviance.py`") == 2
    assert "    pull = mean_of(F.softplus(-alpha * (positive - beta)))" in text
    assert '"""' not in text
    assert "\ndef forward(\n    self," in text  # not indented as in its class


BOXES = {"a": Box("first", 0.3, 0), "b": Box("second", 0.35, 1, decided=True), "c": Box("beside", 0.85, 1, 0.2)}


def test_arrows_go_straight_from_edge_to_edge() -> None:
    figure = graph(BOXES, (Arrow("a", "b", text="then"), Arrow("b", "c", decided=True)))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["first", "second", "beside", "then"]
    down, across = (patch._posA_posB for patch in axes.patches[3:])
    assert down[0][0] == down[1][0] == pytest.approx(0.325)  # above what both boxes span
    assert 0.31 < down[0][1] < down[1][1] < 0.69
    assert across[0][1] == across[1][1] == 1 and 0.55 < across[0][0] < across[1][0] < 0.75
    assert [patch.get_linestyle() for patch in axes.patches[:3]] == ["solid", "--", "solid"]
    assert to_hex(axes.patches[4].get_edgecolor()) == ROSE != to_hex(axes.patches[3].get_edgecolor())
