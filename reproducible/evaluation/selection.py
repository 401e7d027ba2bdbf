"""Which checkpoint the validation classes choose. Explained on page: protocol."""

from __future__ import annotations

from collections.abc import Sequence


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """Centred moving averages; at the ends the window is cut.

    Args:
        values: validation MAP@R at each evaluation.
        window: evaluations averaged over, odd.
    """
    half = window // 2
    return [sum(part) / len(part) for i in range(len(values)) if (part := values[max(0, i - half) : i + half + 1])]


def select(values: Sequence[float], window: int) -> int:
    """Index of the best of the :func:`smoothed` values; the earliest wins a tie."""
    smooth = smoothed(values, window)
    return smooth.index(max(smooth))
