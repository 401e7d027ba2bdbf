"""Methods whose parts branch and meet again, as boxes at given places; chains are in
:mod:`reproducible.report.diagrams`.

What a document says has a full line; what it leaves open and is decided here a broken one. Explained on page: sgml.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from reproducible.report.diagrams import FONT
from reproducible.report.figures import BLUE, GREY, ROSE, WIDTH, styled

_PAD = 0.08  # between a box and its arrows, in rows


@dataclass(frozen=True)
class Box:
    """One box.

    Attributes:
        text: what it says; a line is broken by a newline.
        x, y: its middle: from 0, left, to 1, right; rows from 0, the top.
        width: part of the figure's.
        decided: whether the document leaves open what is here.
        height: in rows.
    """

    text: str
    x: float
    y: float
    width: float = 0.4
    decided: bool = False
    height: float = 0.62


@dataclass(frozen=True)
class Arrow:
    """An arrow between two boxes.

    Attributes:
        start, end: their names.
        decided: as of :class:`Box`.
        text: beside its middle.
    """

    start: str
    end: str
    decided: bool = False
    text: str = ""


@styled
def graph(boxes: Mapping[str, Box], arrows: Sequence[Arrow], row: float = 0.72) -> Figure:
    """Boxes by name, and arrows between them.

    Args:
        boxes: by name.
        arrows: each from the edge of a box to the edge of another, below, above or beside it.
        row: height of a row, in inches.
    """
    rows = max(box.y for box in boxes.values()) + 1
    figure = Figure(figsize=(WIDTH, rows * row))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(rows - 0.5, -0.5))
    axes.axis("off")
    for box in boxes.values():
        corner = box.x - box.width / 2, box.y - box.height / 2
        look = {"facecolor": "white", "edgecolor": BLUE, "linewidth": 1.6}
        look |= {"edgecolor": ROSE, "linestyle": "--"} if box.decided else {}
        shape = "round,pad=0,rounding_size=0.015"
        axes.add_patch(FancyBboxPatch(corner, box.width, box.height, shape, mutation_aspect=6, **look))
        axes.text(box.x, box.y, box.text, ha="center", va="center", fontsize=FONT, linespacing=1.15)
    for arrow in arrows:
        start, end = _ends(boxes[arrow.start], boxes[arrow.end])
        colour = ROSE if arrow.decided else GREY
        line = "--" if arrow.decided else "-"
        tip = {"arrowstyle": "-|>", "mutation_scale": 16, "shrinkA": 0, "shrinkB": 0}
        axes.add_patch(FancyArrowPatch(start, end, color=colour, linestyle=line, linewidth=1.6, **tip))
        if arrow.text:
            middle = (start[0] + end[0]) / 2 + 0.015, (start[1] + end[1]) / 2
            axes.text(*middle, arrow.text, fontsize=FONT, va="center", color=colour)
    return figure


def _ends(one: Box, other: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    """Where an arrow leaves one box and meets another."""
    if one.y == other.y:
        side = 1 if other.x > one.x else -1
        return (one.x + side * (one.width / 2 + 0.01), one.y), (other.x - side * (other.width / 2 + 0.01), other.y)
    down = 1 if other.y > one.y else -1
    reach = {name: down * (box.height / 2 + _PAD) for name, box in (("one", one), ("other", other))}
    left = max(box.x - box.width / 2 for box in (one, other))
    right = min(box.x + box.width / 2 for box in (one, other))
    x = ((left + right) / 2,) * 2 if left < right else (one.x, other.x)  # straight down where one is over the other
    return (x[0], one.y + reach["one"]), (x[1], other.y - reach["other"])
