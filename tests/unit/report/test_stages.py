"""Untouched networks by stage: values are the records', in the order of the stages; what is missing says so."""

from __future__ import annotations

from typing import Any

import pytest
from made_up import record

from reproducible.report import stages

STAGES = {"bvlc_googlenet": ("pool3", "5b"), "efficientnet_lite0": ("blocks_1", "conv_head")}
SETS = {("groceries", "photo_to_photo"): "groceries", ("cars196_cropped", "all_to_all"): "cars"}


def untouched(protocol: str, values: dict[str, float], **config: Any) -> dict[str, Any]:
    features = {name: {"test": {"recall_at_1": value}} for name, value in values.items()}
    selected = {"further": {protocol: {"features": features}}}
    return record("untouched", 0, 50.0, config={"steps": 0, "data": {}, **config}, selected=selected)


@pytest.fixture
def runs() -> list[dict[str, Any]]:
    cars = {"data": {"name": "cars196_cropped"}, "backbone": {"name": "efficientnet_lite0"}}
    return [
        untouched("photo_to_photo", {"embedding": 90.0, "pool3": 70.0}),
        untouched("all_to_all", {"embedding": 40.0, "blocks_1": 10.0}, **cars),
        record("u512", 0, 68.0),
    ]


def test_stages_are_in_order_and_the_embedding_is_the_last(runs: list[dict[str, Any]]) -> None:
    table = stages.stage_table(runs, STAGES, "recall_at_1")
    assert table.drop(columns="record").to_numpy().tolist() == [
        ["bvlc_googlenet", "groceries", "photo_to_photo", "pool3", 70.0],
        ["bvlc_googlenet", "groceries", "photo_to_photo", "5b", 90.0],
        ["efficientnet_lite0", "cars196_cropped", "all_to_all", "blocks_1", 10.0],
        ["efficientnet_lite0", "cars196_cropped", "all_to_all", "conv_head", 40.0],
    ]


def test_a_panel_a_network_and_a_line_a_set(runs: list[dict[str, Any]]) -> None:
    table = stages.stage_table(runs, STAGES, "recall_at_1")
    figure = stages.by_stage(table, {"bvlc_googlenet": "A", "efficientnet_lite0": "B"}, SETS)
    drawn = [[line.get_ydata().tolist() for line in panel.lines] for panel in figure.axes]
    assert drawn == [[[70.0, 90.0], []], [[], [10.0, 40.0]]]
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["A", "B"]


def test_what_was_not_run_says_so() -> None:
    empty = stages.stage_table([], STAGES, "recall_at_1")
    for figure in (stages.by_stage(empty, {"bvlc_googlenet": "A"}, SETS), stages.validation_curves({})):
        assert "not run" in [text.get_text() for text in figure.axes[0].texts]


def test_curves_start_untouched_and_ring_the_selected_step() -> None:
    curve = [{"step": step, "validation": {"map_at_r": value}} for step, value in ((50, 30.0), (100, 25.0))]
    before = {"validation": {"map_at_r": 20.0}}
    figure = stages.validation_curves(
        {"U512": record("u512", 0, 60.0, curve=curve, untouched=before, selected={"step": 50})}
    )
    line, ring = figure.axes[0].lines
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0, 50, 100], [20.0, 30.0, 25.0])
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (50, 30.0)
