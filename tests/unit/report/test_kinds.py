"""Recall by kind on made-up records of the first twenty classes, which are fruit but for those that are renamed."""

from __future__ import annotations

from typing import Any

import pytest
from made_up import record

from reproducible.data import manifest
from reproducible.report import kinds
from reproducible.studies import Arm

ARM = Arm("new", "New", draws=2)


def runs() -> list[dict[str, Any]]:
    """Recall 80 on the first ten classes and 40 on the others, then 90 and 30."""
    made = [record("new", d, [80 + 10 * d] * 10 + [40 - 10 * d] * 10, seed=d) for d in (0, 1)]
    other = record("new", 0, 0, seed=5)  # a further seed of draw 0 does not count
    point = {"test": {"recall_at_1": 12.0, "recall_at_8": 30.0}}
    made[0]["selected"]["further"] = {"photo_to_iconic": {"features": {"embedding": point}}}
    return [*made, other]


def test_recall_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = manifest.read_classes(manifest.load_manifest("groceries"))
    named = tuple(row._replace(kind="carton" if row.id >= 10 else row.kind) for row in rows)
    monkeypatch.setattr(kinds, "read_classes", lambda _: named)
    table = kinds.kind_table([ARM], runs(), "groceries")
    assert table.columns.tolist() == ["R@1 %", "fruit", "carton"]
    assert table.iloc[0].tolist() == ["New", "85.0 [21.5, 148.5]", "35.0 [-28.5, 98.5]"]
    assert kinds.kind_table([ARM], [], "groceries").iloc[0].tolist() == ["New", "not run", "not run"]
    gaps = kinds.kind_gaps(ARM, [ARM], runs(), "groceries")
    assert gaps.columns.tolist() == ["New less", "fruit", "carton"]
    assert gaps.iloc[0].tolist() == ["New", "0.0 [0.0, 0.0]", "0.0 [0.0, 0.0]"]


def test_gaps_of_kinds_are_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws that one of the two lacks do not count."""
    values = {"new": {"fruit": {0: 80.0, 1: 90.0, 2: 50.0}}, "old": {"fruit": {0: 79.0, 1: 87.0}}}
    monkeypatch.setattr(kinds, "by_kind", lambda records, arm, data: values[arm])
    table = kinds.kind_gaps(Arm("new", "New"), [Arm("old", "Old")], [], "groceries")
    assert table["fruit"].tolist() == ["2.0 [-10.7, 14.7]"]


def test_further_protocol() -> None:
    table = kinds.further_table([ARM], runs(), "photo_to_iconic")
    assert table.iloc[0].tolist() == ["New", "12.0", "30.0"]
    assert table.columns[0] == "photo to iconic"


def test_gaps_under_a_further_protocol_are_paired() -> None:
    """A draw without the protocol, or without the control, does not count."""
    old = [record("old", d, 50, seed=d) for d in (0, 1)]
    for made in old:
        point = {"test": {"recall_at_1": 10.0, "recall_at_8": 33.0}}
        made["selected"]["further"] = {"photo_to_iconic": {"features": {"embedding": point}}}
    table = kinds.further_gaps(ARM, [Arm("old", "Old"), Arm("none", "None")], [*runs(), *old], "photo_to_iconic")
    assert table.columns.tolist() == ["photo to iconic: New less", "R@1", "R@8"]
    assert table.iloc[0].tolist() == ["Old", "2.0", "-3.0"]
    assert table.iloc[1].tolist() == ["None", "not run", "not run"]
