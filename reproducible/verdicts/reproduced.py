"""The documents' tables beside this study's runs: which arm stands for which printed row, and how much of a document
was reproduced in which sense. Explained on page: published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import pandas as pd

from reproducible.reading import read_rows
from reproducible.records import configuration
from reproducible.resources import UserError, manifests
from reproducible.studies import STUDIES
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import PRIMARY, by_draw, look

if TYPE_CHECKING:
    from reproducible.verdicts.claims import Records

Kind = Literal["photographs", "glyphs"]
KINDS: tuple[Kind, ...] = ("photographs", "glyphs")
TABLES = {
    "DeML": ("1", "2", "3", "4"),
    "VEM": ("I", "II", "III"),
    "DIABLO": ("1", "2", "3", "4"),
    "SGML": ("I", "II", "III", "IV", "V", "VI", "VII", "VIII"),
}
"""The tables of results of each document, as it numbers them."""
_ROW = ["source", "table", "method"]


class Ours(NamedTuple):
    """What stands beside a printed row.

    Attributes:
        study, arm: where the runs are.
        values: Recall@1 on unseen classes at the selected checkpoint, in per cent, by class draw; empty for none yet.
        data: name of the data set; pixels: side of the input; empty and 0 without a run.
    """

    study: str
    arm: str
    values: Mapping[int, float]
    data: str
    pixels: int

    @property
    def title(self) -> str:
        """The arm as tables call it."""
        return STUDIES[self.study].arm(self.arm).title


def printed() -> pd.DataFrame:
    """All printed numbers: ``published_results.csv`` as it is, with values as numbers beside their ``text``, and
    whether a row is the ``result`` of one of :data:`TABLES`."""
    rows = _csv("published_results.csv")
    rows["text"], rows["value"] = rows["value"], pd.to_numeric(rows["value"].replace("", None))
    rows["result"] = [t in TABLES.get(s, ()) for s, t in zip(rows["source"], rows["table"], strict=True)]
    return rows


def printed_table(source: str, table: str) -> pd.DataFrame:
    """A table of a document: a row a method in its order, a column a data set and metric, the values of all K joined.

    Args:
        source: the document; table: its number there.

    Returns:
        Column names say which K; a cell is empty where the document prints nothing, or the text at hand lost it.

    Raises:
        UserError: if there is no such table.
    """
    every = printed()
    rows = every[(every["source"] == source) & (every["table"] == table)]
    if rows.empty:
        raise UserError(f"published_results.csv has no table {table!r} of {source!r}.")
    made = pd.DataFrame(index=pd.Index(dict.fromkeys(rows["method"]), name="method"))
    for (dataset, metric), group in rows.groupby(["dataset", "metric"], sort=False):
        ks = [*dict.fromkeys(group["k"][group["k"] != ""])]
        name = f"{dataset}, {metric.replace('K', ', '.join(ks)) if ks else metric}"
        wide = group[group["text"] != ""].pivot(index="method", columns="k", values="text")
        told = wide.reindex(columns=ks or [""]).fillna("-").agg(" / ".join, axis=1)
        made[name] = told.reindex(made.index).fillna("")
    return made.reset_index()


def own_rows() -> pd.DataFrame:
    """The rows of the tables of results that are a document's own: its method and the baselines that it ran itself."""
    every = printed()
    own = every[every["result"] & every["notes"].str.startswith(("own", "authors' own", "LOST", "NO SUCH"))]
    own = own[~own["method"].str.contains("root-learner")]  # parts of a row
    return own[_ROW].drop_duplicates().reset_index(drop=True)


@lru_cache(maxsize=1)
def _counterparts() -> dict[tuple[str, ...], dict[Kind, tuple[tuple[str, ...], ...]]]:
    rows = _csv("reproduced.csv")
    return {
        tuple(row[name] for name in _ROW): {
            kind: tuple(tuple(place.split("/")) for place in row[kind].split()) for kind in KINDS
        }
        for _, row in rows.iterrows()
    }


def ours(source: str, table: str, method: str, kind: Kind, records: Records) -> Ours | None:
    """The arm that stands for a printed row: the first that ``reproduced.csv`` names and that has run, else the first.

    Args:
        source, table, method: the row.
        kind: of data.
        records: of each study.

    Returns:
        None where no arm stands for the row.
    """
    places = _counterparts().get((source, table, method), {}).get(kind, ())
    found = [_ours(study, arm, records.get(study, ())) for study, arm in places]
    return next((one for one in found if one.values), found[0] if found else None)


def _ours(study: str, arm: str, records: Sequence[RunRecord]) -> Ours:
    runs = by_draw(records, arm)
    points = {draw: look(record, "selected", "test", PRIMARY) for draw, record in runs.items()}
    values = {draw: point["test"][PRIMARY] for draw, point in points.items() if point}
    ran = configuration(next(iter(runs.values()))).data if values else None
    return Ours(study, arm, values, ran.name if ran else "", ran.input_size if ran else 0)


def studies() -> set[str]:
    """The studies that some printed row is compared with."""
    return {place[0] for row in _counterparts().values() for places in row.values() for place in places}


def scores(detail: pd.DataFrame, records: Records) -> pd.DataFrame:
    """How much of each document was reproduced, in three senses.

    Code: own rows of its tables that an arm of this study stands for, and of those, how many have run. Direction:
    deciding effects with a published one beside them, by where both intervals lie. Size: how many published effects lie
    within both intervals.

    Args:
        detail: from :func:`reproducible.verdicts.table.verdict_table`, in detail.
        records: of each study.
    """
    rows, own = [], own_rows()
    asked = detail[detail["decides"] & detail["published_effect"].notna() & (detail["level"] != "paper")]
    compared = asked[asked["b_low"].notna()]
    for source in TABLES:
        keys = [tuple(row) for row in own[own["source"] == source].itertuples(index=False)]
        made = {key: [ours(*key, kind, records) for kind in KINDS] for key in keys}
        effects = compared[compared["source"] == source]
        sign = (effects["published_effect"] > 0) * 2 - 1
        ends = pd.DataFrame(
            {"low": effects[["t_low", "b_low"]].min(axis=1), "high": effects[["t_high", "b_high"]].max(axis=1)}
        )
        low = ends["low"].where(sign > 0, -ends["high"])
        high = ends["high"].where(sign > 0, -ends["low"])
        size = effects["published_effect"].abs()
        rows.append(
            {
                "document": source,
                "own rows": len(keys),
                "with code": sum(any(found) for found in made.values()),
                "run": sum(any(one and one.values for one in found) for found in made.values()),
                "effects printed": int((asked["source"] == source).sum()),
                "effects compared": len(effects),
                "same direction": int((low > 0).sum()),
                "not told from zero": int(((low <= 0) & (high >= 0)).sum()),
                "opposite": int((high < 0).sum()),
                "published size inside": int(((low <= size) & (size <= high)).sum()),
            }
        )
    return pd.DataFrame(rows)


def several_numbers(k: str = "1") -> pd.DataFrame:
    """Methods that more than one number is printed for, by method and data set: Recall@K, who prints it, and the range.

    Names are brought together by ``published_names.csv``.

    Args:
        k: of Recall@K.
    """
    every = printed()
    chosen = every[every["result"] & (every["metric"] == "R@K") & (every["k"] == k) & every["value"].notna()]
    names = dict(_csv("published_names.csv")[["method", "name"]].itertuples(index=False))
    chosen = chosen.assign(name=[names.get(method, method) for method in chosen["method"]])
    rows = []
    for (name, dataset), group in chosen.groupby(["name", "dataset"], sort=False):
        if group["source"].nunique() > 1 and group["value"].nunique() > 1:
            by_source = group.drop_duplicates(["source", "value"])
            said = [
                f"{v} ({s}, Table {t})" for s, t, v in by_source[["source", "table", "text"]].itertuples(index=False)
            ]
            spread = group["value"].max() - group["value"].min()
            rows.append({"method": name, "data": dataset, "printed": ", ".join(said), "apart": spread})
    return pd.DataFrame(rows).sort_values("apart", ascending=False, ignore_index=True)


def crop_gains(k: str = "1") -> pd.DataFrame:
    """What cropping birds to their boxes adds to a method, from printed numbers: Recall@K without and with it.

    Args:
        k: of Recall@K.
    """
    every = printed()
    chosen = every[(every["metric"] == "R@K") & (every["k"] == k) & every["dataset"].str.startswith("CUB")]
    wide = chosen.pivot_table(index="method", columns="dataset", values="value", aggfunc="max").dropna()
    whole, cropped = "CUB-200-2011", "CUB-200-2011 (bbox-cropped)"
    made = pd.DataFrame({"method": wide.index, "whole": wide[whole].to_numpy(), "cropped": wide[cropped].to_numpy()})
    return made.assign(gain=made["cropped"] - made["whole"])


def _csv(name: str) -> pd.DataFrame:
    return pd.DataFrame(read_rows(manifests() / name))
