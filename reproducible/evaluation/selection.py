"""Which checkpoint the validation classes choose. Explained on page: protocol."""

from __future__ import annotations

from collections.abc import Sequence


def select(values: Sequence[float], window: int) -> int:
    """Index of the best centred moving average; at the ends the window is cut. The earliest wins a tie.

    Args:
        values: validation MAP@R at each evaluation.
        window: evaluations averaged over, odd.
    """
    half = window // 2
    smooth = [sum(part) / len(part) for i in range(len(values)) if (part := values[max(0, i - half) : i + half + 1])]
    return smooth.index(max(smooth))
