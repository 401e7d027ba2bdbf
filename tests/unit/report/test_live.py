"""What pages train: two of them may show the same pair and be built at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reproducible.report import live
from reproducible.studies import STUDIES
from reproducible.training.checkpoint import Held


def test_a_run_of_another_page_is_waited_for_and_each_record_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    def carry_out(*_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        yield {"arm": "a", "draw": 0, "seed": 0}
        if len(slept) < 2:
            raise Held("another process works on this run")
        yield {"arm": "b", "draw": 0, "seed": 0}

    monkeypatch.setattr(live.running, "carry_out", carry_out)
    monkeypatch.setattr(live.time, "sleep", slept.append)
    found = live.carry_out(STUDIES["glyph_deml"], "quick")
    assert [record["arm"] for record in found] == ["a", "b"]
    assert len(slept) == 2
