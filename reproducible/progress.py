"""One progress bar for every room.

``REPRODUCIBLE_PROGRESS=0`` turns all bars off (continuous integration, notebooks whose output is committed).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(iterable: Iterable[T], desc: str = "", total: int | None = None, initial: int = 0) -> Iterator[T]:
    """Yields the items of ``iterable`` while a bar on stderr shows how far it is.

    Args:
        iterable: what to go through.
        desc: the words before the bar.
        total: number of items, where ``iterable`` has no length.
        initial: items that were done before, for work that is resumed.
    """
    if os.environ.get("REPRODUCIBLE_PROGRESS") == "0":
        return iter(iterable)
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return iter(iterable)
    return iter(tqdm(iterable, desc=desc, total=total, initial=initial, leave=False, dynamic_ncols=True))
