"""What the committed records were run with, for tests that hold today's components against it."""

from __future__ import annotations

from functools import cache
from typing import Any

from reproducible import records


@cache
def configurations() -> tuple[dict[str, Any], ...]:
    """The configuration of each record, fields at their default left out."""
    return tuple(record["config"] for name in records.committed() for record in records.load(name))
