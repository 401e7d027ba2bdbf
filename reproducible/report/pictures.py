"""Photographs on the pages: which class is which, what a query finds, what a near-duplicate looks like.

Only stores whose licence allows it are shown. Which photographs appear is decided by a seeded rule
(:func:`reproducible.data.cards.examples`) that the caption states. Show them with ``show(..., photographs=True)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from reproducible.config import RunConfig, from_dict
from reproducible.data.cards import contact_sheet, examples
from reproducible.data.store import Store
from reproducible.encoding import decode_neighbours
from reproducible.report.figures import BLUE, ROLE_COLOURS, ROSE, WIDTH, styled
from reproducible.training.sets import build_sets
from reproducible.types import RunRecord

_GAP = 4  # pixels of the store between two photographs


@styled
def contact_rows(store: Store, roles: Mapping[int, str], parts: Mapping[str, int], seed: int) -> Figure:
    """A row a class: its name and role, then photographs of each part drawn by ``cards.examples``.

    Args:
        store: where the photographs are.
        roles: class id -> train, validation or test, in the order of the rows.
        parts: part of the data set -> photographs of a class; no class may have fewer.
        seed: of the draw.
    """
    classes, columns = list(roles), sum(parts.values())
    drawn = [examples(store, [c], part, each, seed) for c in classes for part, each in parts.items()]
    sheet = contact_sheet(store, np.concatenate(drawn), columns, _GAP)
    cell, names = store.images.shape[1] + _GAP, 1.75 / WIDTH  # the names take 1.75 inches of the width
    top = 0.28
    height = WIDTH * (1 - names) * sheet.shape[0] / sheet.shape[1]
    figure = Figure(figsize=(WIDTH, height + top))
    axes = figure.add_axes((names, 0, 1 - names, height / (height + top)))
    axes.imshow(sheet)
    axes.axis("off")
    unit = store.images.shape[1] / 160
    for row, c in enumerate(classes):
        y = row * cell + cell / 2
        name = store.class_names[c]
        axes.text(
            -30 * unit,
            y - 20 * unit,
            name if len(name) < 26 else f"{name[:24]}…",
            ha="right",
            va="center",
            fontsize=7.5,
        )
        axes.text(-30 * unit, y + 40 * unit, f"{c}, {roles[c]}", ha="right", va="center", fontsize=7, color="#555555")
        axes.plot(
            [-14 * unit] * 2, [y - 60 * unit, y + 60 * unit], color=ROLE_COLOURS[roles[c]], linewidth=4, clip_on=False
        )
    left = 0
    for part, each in parts.items():
        axes.text(left * cell, -14 * unit, part, ha="left", va="bottom", fontsize=7.5, color="#555555")
        left += each
    axes.set(xlim=(0, sheet.shape[1]), ylim=(sheet.shape[0], 0))
    return figure


@styled
def grid(
    store: Store,
    indices: np.ndarray,
    notes: Sequence[Sequence[str]],
    frames: Sequence[Sequence[str | None]],
    titles: Sequence[str] = (),
) -> Figure:
    """Photographs in rows, each with a frame and a note below.

    Args:
        store: where the photographs are.
        indices: (rows, columns) into the store.
        notes: words below each; lines are parted by newlines.
        frames: colour of each frame, or None.
        titles: words above each row.
    """
    rows, columns = indices.shape
    lines = max(note.count("\n") + 1 for row in notes for note in row)
    cell = WIDTH / columns
    title = 0.24 if titles else 0.04
    tall = title + 0.92 * cell + 0.135 * lines + 0.07
    figure = Figure(figsize=(WIDTH, rows * tall))
    for r in range(rows):
        bottom = (rows - r) * tall - title - 0.92 * cell
        if titles:
            above = (bottom + 0.92 * cell + 0.07) / (rows * tall)
            figure.text(0.04 * cell / WIDTH, above, titles[r], fontsize=8, va="bottom")
        for c in range(columns):
            box = ((c + 0.04) * cell / WIDTH, bottom / (rows * tall), 0.92 * cell / WIDTH, 0.92 * cell / (rows * tall))
            axes = figure.add_axes(box)
            axes.imshow(store.images[indices[r, c]])
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            colour = frames[r][c]
            for spine in axes.spines.values():
                spine.set(visible=colour is not None, color=colour or "white", linewidth=2.5)
            axes.text(0.5, -0.06, notes[r][c], ha="center", va="top", fontsize=7, transform=axes.transAxes)
    return figure


def neighbours(store: Store, queries: np.ndarray, ids: np.ndarray, scores: np.ndarray) -> Figure:
    """Queries, each followed by the photographs it finds, nearest first; ``+``, blue: of its class, ``-``, rose: not.

    Args:
        store: where the photographs are.
        queries: (Q,) indices into the store.
        ids: (Q, k) indices into the store of what each finds.
        scores: (Q, k) cosines.
    """
    relevant = store.labels[ids] == store.labels[queries][:, None]
    notes = []
    for query, *row in zip(queries, ids, scores, relevant, strict=True):
        found = enumerate(zip(*row, strict=True), start=1)
        words = [f"{rank}: {score:.2f} {'+' if r else '-'}\n{_lines(store, i)}" for rank, (i, score, r) in found]
        notes.append([f"query\n{_lines(store, query)}", *words])
    frames = [[None, *(BLUE if r else ROSE for r in row)] for row in relevant]
    return grid(store, np.column_stack([queries, ids]), notes, frames)


def found_by(store: Store, record: RunRecord, queries: np.ndarray, columns: int = 4) -> Figure:
    """Test queries and the photographs that a recorded run's selected checkpoint finds for each, nearest first.

    Args:
        store: of the record.
        record: one that keeps its neighbours.
        queries: numbers of the queries, in the order of the test role.
        columns: photographs that each finds.
    """
    asked, gallery = build_sets(from_dict(RunConfig, record["config"]), store).evaluation["test"]
    ids = gallery[recorded_neighbours(store, record)[queries, :columns]]
    chosen = asked[queries]
    relevant = store.labels[ids] == store.labels[chosen][:, None]
    notes = [
        [
            f"query\n{_lines(store, query)}",
            *(f"{'+' if r else '-'} {_lines(store, i)}" for i, r in zip(*row, strict=True)),
        ]
        for query, *row in zip(chosen, ids, relevant, strict=True)
    ]
    frames = [[None, *(BLUE if r else ROSE for r in row)] for row in relevant]
    return grid(store, np.column_stack([chosen, ids]), notes, frames)


def recorded_neighbours(store: Store, record: RunRecord) -> np.ndarray:
    """Numbers within the gallery of what each test query finds, nearest first; the first eight are always there."""
    asked, gallery = build_sets(from_dict(RunConfig, record["config"]), store).evaluation["test"]
    same = not record["gallery"]
    relevant = (store.labels[asked][:, None] == store.labels[gallery]).sum(axis=1) - same
    columns = min(max(int(relevant.max()), 8), len(gallery) - same)
    return decode_neighbours(record["selected"]["neighbours"], relevant, columns)


def _lines(store: Store, index: int) -> str:
    """The class of a photograph in up to three short lines."""
    lines = [""]
    for word in store.class_names[store.labels[index]].split("-"):
        if lines[-1] and len(lines[-1]) + len(word) > 12:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:3])
