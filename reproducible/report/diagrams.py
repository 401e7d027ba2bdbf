"""Methods as boxes with words and arrows, in letters that can be read on a phone. Explained on page: diablo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from reproducible.report.figures import BLUE, GREY, WIDTH, styled

FONT = 16.0  # points at the full width, which is some 11 pixels on a page that a phone turns on its side
LINE, GAP = 0.29, 0.34  # inches of a line of words, and between two rows of boxes
MARKED = "*"  # before the words of a box that stands out
Row = Sequence[str]


@styled
def flow(columns: Mapping[str, Sequence[Row]]) -> Figure:
    """Chains of boxes side by side, read from top to bottom: each box of a row passes on to each of the next.

    Args:
        columns: title -> rows of boxes, each the words of one or several boxes; newlines part lines, and what begins
            with :data:`MARKED` is drawn in colour.
    """
    heights = [_height(rows) for rows in columns.values()]
    tall = max(heights) + 0.45
    figure = Figure(figsize=(WIDTH, tall))
    share = 1 / len(columns)
    for number, (title, rows) in enumerate(columns.items()):
        axes = figure.add_axes((number * share, 0, share, 1))
        axes.axis("off")
        axes.set(xlim=(0, WIDTH * share), ylim=(0, tall))
        axes.text(WIDTH * share / 2, tall - 0.2, title, ha="center", va="center", fontsize=FONT, weight="bold")
        _chain(axes, rows, WIDTH * share, tall - 0.45)
    return figure


def _lines(row: Row) -> int:
    return max(words.count("\n") + 1 for words in row)


def _height(rows: Sequence[Row]) -> float:
    return sum(_lines(row) * LINE + 0.14 + GAP for row in rows)


def _chain(axes: Axes, rows: Sequence[Row], width: float, top: float) -> None:
    above: list[tuple[float, float]] = []
    for row in rows:
        high, each = _lines(row) * LINE + 0.14, width / len(row)
        centre = top - high / 2
        places = [(each * (place + 0.5), centre) for place in range(len(row))]
        for x0, y0 in above:
            for x, _ in places:
                ends = {"xy": (x, top), "xytext": (x0, y0)}
                axes.annotate("", **ends, arrowprops={"arrowstyle": "-|>", "color": GREY, "shrinkA": 0, "shrinkB": 1})
        for (x, y), words in zip(places, row, strict=True):
            marked, said = words.startswith(MARKED), words.removeprefix(MARKED)
            size = each - 0.16
            box = FancyBboxPatch(
                (x - size / 2, y - high / 2),
                size,
                high,
                boxstyle="round,pad=0,rounding_size=0.06",
                facecolor="#e4ebf5" if marked else "white",
                edgecolor=BLUE if marked else GREY,
                linewidth=1.6 if marked else 1.0,
            )
            axes.add_patch(box)
            axes.text(x, y, said, ha="center", va="center", fontsize=FONT, linespacing=1.15)
        above = [(x, top - high) for x, _ in places]
        top -= high + GAP
