"""Claims about printed numbers: ``data_manifests/published_results.csv`` and the relations between its rows.

Explained on page: how-to-read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reproducible.reading import parse_rows, read_text
from reproducible.resources import UserError, manifests
from reproducible.verdicts.schema import Criterion, holds

Published = Mapping[tuple[str, ...], float | None]
_KEY = ("source", "table", "method", "dataset", "metric", "k")


def load_published(path: Path | None = None) -> Published:
    """The printed numbers by (source, table, method, dataset, metric, k); None where a document prints a dash.

    Raises:
        UserError: for a row that is there twice or a value that is not a number (file and line); if the file was cut
            short.
    """
    path = path or manifests() / "published_results.csv"
    return _parsed(path, read_text(path))


@lru_cache(maxsize=1)
def _parsed(path: Path, text: str) -> Published:
    values: dict[tuple[str, ...], float | None] = {}
    for number, line in enumerate(parse_rows(text, path), start=2):
        key = tuple(line[name] for name in _KEY)
        if key in values and line["value"]:
            raise UserError(f"{path}, line {number}: {' | '.join(key)} is there twice.")
        try:
            values[key] = float(line["value"]) if line["value"] else None
        except ValueError as error:
            raise UserError(f"{path}, line {number}: value {line['value']!r} is not a number.") from error
    return MappingProxyType(values)


def compare(criterion: Criterion, values: Published, where: str) -> dict[str, Any]:
    """The verdict of a criterion on printed numbers, as fields of :class:`reproducible.verdicts.claims.Row`.

    Args:
        criterion: of test ``published``.
        values: from :func:`load_published`.
        where: claim and criterion, for messages.

    Raises:
        UserError: for a row that no document prints.
    """

    def value(term: Any) -> float:
        if isinstance(term, (int, float)):
            return float(term)
        if "difference" in term:
            return value(term["difference"][0]) - value(term["difference"][1])
        if "sum" in term:
            return sum(map(value, term["sum"]))
        key = tuple(str(term.get(name, "")) for name in _KEY)
        if values.get(key) is None:
            raise UserError(f"{where}: published_results.csv gives no value for {' | '.join(key)}.")
        return values[key]  # type: ignore[return-value]

    pairs = [(value(c["left"]), c["relation"], value(c["right"]), c["margin"]) for c in criterion["comparisons"]]
    held = [holds(left, relation, right, margin) for left, relation, right, margin in pairs]
    word = "supported" if all(held) else "partly" if any(held) else "contradicted"
    shown = "; ".join(f"{left:g} {relation} {right:g}" for left, relation, right, _ in pairs)
    return {"word": f"{word} ({sum(held)} of {len(held)} hold)", "comparison": shown, "data": "published tables"}
