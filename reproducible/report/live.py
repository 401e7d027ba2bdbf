"""What a page trains on the reader's machine. Explained on page: protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reproducible.studies import Study, running
from reproducible.types import RunRecord
from reproducible.verdicts.criteria import standing


def carry_out(
    study: Study, profile: str, *, arms: Sequence[str] = (), device: str = "auto", keep: bool = True
) -> Iterator[RunRecord]:
    """Run what a profile asks for, under the criteria that stand.

    Args:
        study, profile, arms, device, keep: as of :func:`reproducible.studies.running.carry_out`.
    """
    yield from running.carry_out(study, profile, standing=standing, arms=arms, device=device, keep=keep)
