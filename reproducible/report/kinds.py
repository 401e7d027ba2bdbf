"""Recall by kind of object, and under further protocols, from the hits and protocols that records keep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reproducible.data.manifest import load_manifest, read_classes
from reproducible.encoding import expand
from reproducible.records import queries_first
from reproducible.report.tables import paired_gaps, spread
from reproducible.studies import Arm
from reproducible.types import RunRecord
from reproducible.verdicts.contrasts import by_draw

_FURTHER = {"R@1": "recall_at_1", "R@8": "recall_at_8"}


def kind_of_queries(record: RunRecord, data: str) -> NDArray[np.str_]:
    """The kind of object that each query of a record shows, (Q,).

    Args:
        record: of one run.
        data: data set, whose classes have kinds.
    """
    kinds = _kinds(data)
    return np.array([kinds[label] for label in expand(record["queries"])])


def _kinds(data: str) -> dict[int, str]:
    return {row.id: row.kind for row in read_classes(load_manifest(data))}


def by_kind(records: Sequence[RunRecord], arm: str, data: str) -> dict[str, dict[int, float]]:
    """Recall@1 on unseen classes at the selected checkpoint for each kind of object, by class draw, in per cent.

    Args:
        records: of one study; they keep which queries found their class first.
        arm: its name.
        data: data set, whose classes have kinds.
    """
    kinds = _kinds(data)
    found: dict[str, dict[int, float]] = {kind: {} for kind in dict.fromkeys(kinds.values())}
    for record in by_draw(records, arm).values():
        hits = queries_first(record, record["selected"])
        of_query = kind_of_queries(record, data)
        for kind, values in found.items():
            if (asked := of_query == kind).any():
                values[record["draw"]] = float(hits[asked].mean())
    return found


def under_protocol(records: Sequence[RunRecord], arm: str, protocol: str, metric: str) -> dict[int, float]:
    """A metric of the whole embedding under a further protocol, at the selected checkpoint, by class draw.

    Args:
        records: of one study.
        arm: its name.
        protocol: its name; runs that did not look at it do not count.
        metric: name as in the records.
    """
    return {
        draw: record["selected"]["further"][protocol]["features"]["embedding"]["test"][metric]
        for draw, record in by_draw(records, arm).items()
        if protocol in record["selected"].get("further", {})
    }


def kind_table(arms: Sequence[Arm], records: Sequence[RunRecord], data: str) -> pd.DataFrame:
    """Recall@1 by kind of object, with t intervals over class draws: a row an arm.

    Args:
        arms: in the order of the rows.
        records, data: as of :func:`by_kind`.
    """
    rows = []
    for arm in arms:
        found = by_kind(records, arm.name, data)
        rows.append({"R@1 %": arm.title, **{kind: spread([*values.values()]) for kind, values in found.items()}})
    return pd.DataFrame(rows)


def kind_gaps(treatment: Arm, controls: Sequence[Arm], records: Sequence[RunRecord], data: str) -> pd.DataFrame:
    """Differences of Recall@1 by kind of object, paired by class draw, in points: a row a control.

    Args:
        treatment, controls: what is compared.
        records, data: as of :func:`by_kind`.
    """
    rows = []
    own = by_kind(records, treatment.name, data)
    for control in controls:
        other = by_kind(records, control.name, data)
        gaps = {kind: spread(paired_gaps(values, other[kind])) for kind, values in own.items()}
        rows.append({f"{treatment.title} less": control.title, **gaps})
    return pd.DataFrame(rows)


def further_table(arms: Sequence[Arm], records: Sequence[RunRecord], protocol: str) -> pd.DataFrame:
    """Recall@1 and Recall@8 of the whole embedding under a further protocol, at the selected checkpoint. (Where the
    gallery has one picture a class, MAP@R is Recall@1.)

    Args:
        arms: in the order of the rows.
        records: of their study.
        protocol: its name.
    """
    rows = []
    for arm in arms:
        found = {title: under_protocol(records, arm.name, protocol, name) for title, name in _FURTHER.items()}
        measured = {f"{title} %": spread([*values.values()]) for title, values in found.items()}
        rows.append({protocol.replace("_", " "): arm.title, **measured})
    return pd.DataFrame(rows)


def further_gaps(treatment: Arm, controls: Sequence[Arm], records: Sequence[RunRecord], protocol: str) -> pd.DataFrame:
    """Differences of what :func:`further_table` shows, paired by class draw, in points: a row a control.

    Args:
        treatment, controls: what is compared.
        records, protocol: as of :func:`further_table`.
    """
    rows = []
    for control in controls:
        gaps = {}
        for title, metric in _FURTHER.items():
            own, other = (under_protocol(records, arm.name, protocol, metric) for arm in (treatment, control))
            gaps[title] = spread(paired_gaps(own, other))
        rows.append({f"{protocol.replace('_', ' ')}: {treatment.title} less": control.title, **gaps})
    return pd.DataFrame(rows)
