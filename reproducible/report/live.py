"""What a page trains on the reader's machine. Explained on page: protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from reproducible.records import key_of
from reproducible.studies import Study, running
from reproducible.types import RunRecord
from reproducible.verdicts.criteria import standing

_PAUSE = 5.0  # seconds


def carry_out(
    study: Study, profile: str, *, arms: Sequence[str] = (), device: str = "auto", keep: bool = True
) -> Iterator[RunRecord]:
    """Run what a profile asks for, under the criteria that stand. Where another page trains a run at this moment, its
    record is waited for.

    Args:
        study, profile, arms, device, keep: as of :func:`reproducible.studies.running.carry_out`.
    """
    from reproducible.training.checkpoint import Held

    done = set()
    while True:
        try:
            for record in running.carry_out(study, profile, standing=standing, arms=arms, device=device, keep=keep):
                if key_of(record) not in done:
                    done.add(key_of(record))
                    yield record
            return
        except Held:
            time.sleep(_PAUSE)
