"""Records of the decisive pair of the study baseline."""

from __future__ import annotations

from typing import Any

import pytest
from made_up import trained

RECALL = {"u512": [70.0, 72.0, 71.0, 73.0, 74.0], "u512-lact-printed": [60.0, 61.0, 63.0, 62.0, 64.0]}


@pytest.fixture
def full() -> list[dict[str, Any]]:
    return [trained(arm, draw, value) for arm, values in RECALL.items() for draw, value in enumerate(values)]
