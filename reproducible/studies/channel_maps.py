"""Channel maps behind trained gates: of which networks and photographs (page: channel-attention).

``reproducible measure maps`` trains DeML(1,4) with and without the adversary on groceries, class draw 0, a quarter of
an hour of a core each, looks at all test photographs of the test classes, which takes minutes, and writes
``data_manifests/channel_maps.json``.
"""

from __future__ import annotations

from pathlib import Path

from reproducible.evaluation import channel_maps
from reproducible.records import write_text
from reproducible.resources import manifests
from reproducible.studies import deml
from reproducible.training.channel_maps import measure

ARMS = ("deml-1-4", "deml-1-4-no-adversary")  # the first one's maps choose the extremes
DRAW, SEED = 0, 0  # of the classes, of the photographs
EVERY, EXTREMES = 9, 2


def write(device: str = "auto", path: Path | None = None) -> channel_maps.Maps:
    """Measure anew and write it down.

    Args:
        device: ``auto``, ``cpu``, ``cuda``, ...
        path: of the file; None: ``data_manifests/channel_maps.json``.

    Raises:
        UserError: if the data set is not there, or a training fails.
    """
    runs = {arm: deml.ON_GROCERIES.config(arm, DRAW) for arm in ARMS}
    found = measure(runs, EVERY, EXTREMES, SEED, device)
    write_text(path or manifests() / channel_maps.FILE, channel_maps.text(found))
    return found
