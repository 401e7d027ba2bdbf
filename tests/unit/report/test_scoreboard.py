"""The scoreboard: one row an idea, from records; a record that changes changes it."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from made_up import arms, trained

from reproducible import records
from reproducible.report import scoreboard as board
from reproducible.report.links import addresses
from reproducible.studies import study
from reproducible.verdicts.reproduced import KINDS
from reproducible.verdicts.scoreboard import load_ideas, weigh

OLD = [50.0, 51.0, 52.0, 53.0, 54.0]


def texts(html: str) -> list[list[str]]:
    """The cells of each row, without drawings and tags."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.S)[1:]
    return [[_plain(c) for c in re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)] for row in rows]


def _plain(cell: str) -> str:
    return " ".join(unescape(re.sub(r"<svg.*?</svg>(?!</svg>)|<[^>]+>", " ", cell, flags=re.S)).split())


def gained(points: float) -> dict[str, list[dict]]:
    return {"vem": arms(margin=OLD, margin_vem=[v + points for v in OLD])}


def test_what_is_compared_is_declared_and_shown() -> None:
    for idea in load_ideas():
        assert idea.page in addresses()
        for kind in KINDS:
            for name, *pair in idea.pairs(kind):
                assert [study(name).arm(arm).name for arm in pair] == pair


@pytest.mark.parametrize(
    ("points", "said", "verdict"),
    [(6.0, "✔ above it : +6.0", "✔ supported"), (-6.0, "✘ below it : -6.0", "✘ contradicted")],
)
def test_a_record_that_changes_changes_the_board(points: float, said: str, verdict: str) -> None:
    rows = texts(board.scoreboard(gained(points)).data)
    assert len(rows) == len(load_ideas())
    (row,) = (cells for cells in rows if cells[0].startswith("variance gate"))
    assert row[1].startswith(said) and "n = 5" in row[1]
    assert f"photographs: {verdict}" in row[3] and row[2] == "○ not run"
    assert all(cells[1] == "○ not run" for cells in rows if cells is not row)


def test_effects_are_those_of_the_committed_records() -> None:
    (idea,) = (idea for idea in load_ideas() if idea.idea == "variance gate")
    runs = {(r["arm"], r["draw"], r["seed"]): r["selected"]["test"]["recall_at_1"] for r in records.load("vem")}
    draws = {draw for arm, draw, seed in runs if arm == "margin" and seed == draw}
    gaps = [runs["margin-vem", d, d] - runs["margin", d, d] for d in draws if ("margin-vem", d, d) in runs]
    found = weigh(idea, "photographs", {})
    assert found.effect.draws == len(gaps)
    assert found.effect.mean == pytest.approx(np.mean(gaps), abs=0.5)  # further seeds of a draw are averaged with it


def test_runs_that_still_rise_say_their_length() -> None:
    (idea,) = (idea for idea in load_ideas() if idea.idea == "variance gate")
    rising = [trained("margin", d, v) for d, v in enumerate(OLD)] + [
        trained("margin-vem", d, v + 6) for d, v in enumerate(OLD)
    ]
    assert weigh(idea, "photographs", {}, {"vem": rising}).steps == "at 100 steps"


def test_links_lead_from_where_the_board_is_shown() -> None:
    shown = board.scoreboard(gained(6.0), folder="../notebooks/").data
    links = re.findall(r'href="([^"]+)"', shown)
    assert links and all(link.startswith("../notebooks/") for link in links)
