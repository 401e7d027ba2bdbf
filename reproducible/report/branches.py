"""Tables and figures of models with several scales and branches (pages: channel-attention, grid and ledger).

Every number comes from a record or is computed from a model; what has not been run says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from reproducible.config import RunConfig
from reproducible.evaluation.features import of_pairs, participation_ratio
from reproducible.reading import read_rows
from reproducible.records import measurements
from reproducible.report.figures import WIDTH, styled
from reproducible.report.tables import NOT_RUN, difference, gain_over_untouched, mean_interval, spread, values_of
from reproducible.resources import manifests
from reproducible.studies import Arm, Study
from reproducible.types import Batch, RunRecord
from reproducible.verdicts.contrasts import by_draw

IN_A_ROW = 4  # matrices of a figure
Benchmark = tuple[Study, Sequence[RunRecord]]  # a study and its records


def measure_table(
    arms: Sequence[Arm],
    records: Sequence[RunRecord],
    metrics: Mapping[str, str | Sequence[str]],
    published: Mapping[str, Mapping[str, float | str]] | None = None,
) -> pd.DataFrame:
    """Any metrics of the test classes at the selected checkpoint, a row an arm, with t intervals over class draws; a
    metric that an arm that was run does not have, such as a cosine of its only learner, leaves its cell empty.

    Args:
        arms: in the order of the rows.
        records: of their study.
        metrics: column -> name as in the records, or several names, whose means stand in one cell.
        published: numbers or texts to stand beside, by column title and arm.
    """
    rows = []
    for arm in arms:
        found = {
            title: [
                values_of(records, arm.name, metric=name) for name in ([names] if isinstance(names, str) else names)
            ]
            for title, names in metrics.items()
        }
        draws = max(len(values) for column in found.values() for values in column)
        rows.append(
            {
                "arm": arm.title,
                **{title: values.get(arm.name, float("nan")) for title, values in (published or {}).items()},
                "draws": f"{draws} of {arm.draws}",
                **{title: _measured([[*v.values()] for v in column], draws) for title, column in found.items()},
            }
        )
    return pd.DataFrame(rows)


def _measured(column: Sequence[Sequence[float]], draws: int) -> str:
    """One metric with its interval, or the means of several; nothing where the arm ran and does not have it."""
    if not all(column):
        return "" if draws else NOT_RUN
    return spread(column[0]) if len(column) == 1 else " / ".join(f"{np.mean(values):.1f}" for values in column)


def effect_table(pairs: Mapping[str, tuple[Arm, Arm]], benchmarks: Mapping[str, Benchmark]) -> pd.DataFrame:
    """Paired differences of Recall@1 at the selected checkpoint, in points: a row a pair, a column a benchmark.

    Args:
        pairs: what is changed -> treatment and control.
        benchmarks: title -> study and its records; an arm that the study does not declare leaves its cell empty.
    """
    rows = []
    for title, (treatment, control) in pairs.items():
        row = {"changed": title, "compared": f"{treatment.title} - {control.title}"}
        for name, (study, records) in benchmarks.items():
            found = _effect(records, treatment.name, control.name)
            row[name] = found if _declares(study, treatment.name, control.name) else ""
        rows.append(row)
    return pd.DataFrame(rows)


def ledger_table(part: str, benchmarks: Mapping[str, Sequence[Benchmark]]) -> pd.DataFrame:
    """A part of ``data_manifests/ledger.csv``: what paper, released code and this study choose, and what the choices
    that were not taken are worth: arm less the default one in Recall@1 at the selected checkpoint, in points.

    Args:
        part: ``model``, ``objective`` or ``training``.
        benchmarks: title -> studies and their records; a pair of arms is read from the first study with records of it,
            and left out where no study declares it.
    """
    rows = []
    for line in read_rows(manifests() / "ledger.csv"):
        if line["part"] != part:
            continue
        row = {"choice": line["choice"] + (f" ({line['claim']})" if line["claim"] else "")}
        row |= {"paper": line["paper"], "released code": line["released"], "here": line["here"]}
        pairs = [tuple(pair.split(" - ")) for pair in line["compared"].split("; ") if pair]
        for title, studies in benchmarks.items():
            worth = (_worth(studies, *pair) for pair in pairs)
            row[f"worth on {title}"] = "; ".join(filter(None, worth))
        rows.append(row)
    return pd.DataFrame(rows)


def _worth(studies: Sequence[Benchmark], treatment: str, control: str) -> str:
    declared = [(study, records) for study, records in studies if _declares(study, treatment, control)]
    found = [(study, _effect(records, treatment, control)) for study, records in declared]
    found.sort(key=lambda one: one[1] == NOT_RUN)
    return f"{found[0][0].arm(treatment).title}: {found[0][1]}" if found else ""


def _declares(study: Study, *names: str) -> bool:
    return set(names) <= {arm.name for arm in study.arms}


def _effect(records: Sequence[RunRecord], treatment: str, control: str) -> str:
    gaps = difference(records, treatment, control)
    low, high = mean_interval(gaps)
    return f"{np.mean(gaps):+.1f} [{low:+.1f}, {high:+.1f}], n = {len(gaps)}" if len(gaps) > 1 else NOT_RUN


def term_table(benchmark: Benchmark, arms: Sequence[str], term: str, title: str) -> pd.DataFrame:
    """A term of the objective at the first, the middle and the last look, mean over class draws; a row an arm.

    Args:
        benchmark: study and its records.
        arms: their names.
        term: name in the records, its weight included.
        title: of the benchmark.
    """
    study, records = benchmark
    rows = []
    for arm in (study.arm(name) for name in arms):
        curves = [[point["terms"][term] for point in r["curve"]] for r in by_draw(records, arm.name).values()]
        looks = {"first look": 0, "middle": len(curves[0]) // 2 if curves else 0, "last look": -1}
        found = {
            name: f"{np.mean([curve[place] for curve in curves]):.2f}" if curves else NOT_RUN
            for name, place in looks.items()
        }
        rows.append({"arm": arm.title, "benchmark": title, **found})
    return pd.DataFrame(rows)


def by_scale(records: Sequence[RunRecord], arm: str) -> dict[str, dict[int, float]]:
    """Recall@1 in the primary protocol of each scale by itself, by class draw, at the selected checkpoint."""
    found: dict[str, dict[int, float]] = {}
    for draw, record in by_draw(records, arm).items():
        protocols = record["selected"].get("further", {})
        for name, point in next(iter(protocols.values()), {"features": {}})["features"].items():
            if name.startswith("scale_"):
                found.setdefault(name, {})[draw] = point["test"]["recall_at_1"]
    return found


def scale_table(
    arms: Sequence[Arm], records: Sequence[RunRecord], published: Mapping[str, Mapping[str, str]] | None = None
) -> pd.DataFrame:
    """Recall@1 of the whole embedding beside that of each scale alone, as Table 2 of DeML prints them.

    Args:
        arms, records: of one study.
        published: texts to stand beside, by column title and arm.
    """
    rows = []
    for arm in arms:
        whole, scales = values_of(records, arm.name), by_scale(records, arm.name)
        alone = " / ".join(f"{np.mean(list(values.values())):.1f}" for values in scales.values())
        rows.append(
            {
                "arm": arm.title,
                **{title: values.get(arm.name, "") for title, values in (published or {}).items()},
                "draws": f"{len(whole)} of {arm.draws}",
                "whole, R@1 %": spread(list(whole.values())),
                "gain over untouched": gain_over_untouched(records, arm.name),
                "1st / 2nd / 3rd scale": alone or ("" if whole else NOT_RUN),
            }
        )
    return pd.DataFrame(rows)


def cost(study: Study, arm: Arm) -> tuple[int, int]:
    """The :func:`cost_of` an arm's runs."""
    return cost_of(study.config(arm, 0))


def cost_of(config: RunConfig) -> tuple[int, int]:
    """Parameters that are trained, and floating-point operations of embedding one image, a product and a sum as two."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from reproducible.models import build_model

    model = build_model(config).eval()
    images, *view = (torch.zeros(1, 3, side, side) for side in config.data.sizes)
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]]) if config.data.boxes else None
    inputs = Batch(images, torch.zeros(1), boxes=boxes, view=view[0] if view else None).inputs
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(**inputs)
    return sum(p.numel() for p in model.parameters() if p.requires_grad), counter.get_total_flops()


def cost_table(study: Study, arms: Sequence[Arm], records: Sequence[RunRecord], base: str) -> pd.DataFrame:
    """What the arms cost: parameters, operations, and minutes of a run, the fastest recorded or, where there are none,
    declared; and the time of a training step, where ``data_manifests/measurements.csv`` has any of the study.

    Args:
        study: whose arms these are.
        arms: in the order of the rows.
        records: of the study.
        base: name of the arm whose operations and step the others' are counted in.
    """
    flops = cost(study, study.arm(base))[1]
    measured = {row["quantity"]: float(row["value"]) for row in measurements() if row["study"] == study.name}
    steps = {own.name: measured.get(f"{own.name}_time_ratio_to_{base}".replace("-", "_")) for own in arms}
    steps |= {base: 1.0} if any(steps.values()) else {}
    rows = []
    for arm in arms:
        seconds = [r["environment"]["seconds"] for r in by_draw(records, arm.name).values()]
        minutes = f"{min(seconds) / 60:.0f}" if seconds else f"{arm.minutes:g} (declared)"
        parameters, own = cost(study, arm)
        rows.append(
            {
                "arm": arm.title,
                "parameters, millions": parameters / 1e6,
                "GFLOP an image": f"{own / 1e9:.2f}",
                f"times {study.arm(base).title}": own / flops,
                "minutes a run": minutes,
                f"training step, times {study.arm(base).title}": steps.get(arm.name),
            }
        )
    return pd.DataFrame(rows).dropna(axis="columns", how="all")


def probe_table(records: Sequence[RunRecord], arms: Mapping[str, str]) -> pd.DataFrame:
    """What linear probes read from each learner of the first scale, and from the whole embedding: balanced accuracy in
    per cent at the selected checkpoint, means over class draws; a row a learner, columns by arm and part.

    Learners are ordered by what is read of the letter, draw by draw, since their numbers are by chance.

    Args:
        records: of a study on glyphs.
        arms: title -> name of an arm with branches.
    """
    columns: dict[str, pd.Series] = {}
    for title, arm in arms.items():
        looks = [r["selected"]["test"] for r in by_draw(records, arm).values()]
        orders = [np.argsort(look["learner_probe_base"][0])[::-1] for look in looks]
        for part in ("base", "above", "below"):
            name = f"probe_{part}"
            rows = [
                [*np.asarray(look[f"learner_{name}"][0])[order], look[name]]
                for look, order in zip(looks, orders, strict=True)
            ]
            means = np.mean(rows, axis=0) if rows else [np.nan]
            names = [*map(str, range(1, len(means))), "all"]
            shown = [NOT_RUN if np.isnan(value) else f"{value:.1f}" for value in means]
            columns[f"{title}: {part}"] = pd.Series(shown, names)
    return pd.DataFrame(columns).rename_axis("learner").reset_index()


def overlap_of(records: Sequence[RunRecord], arm: str, name: str, draw: int = 0) -> np.ndarray | None:
    """A matrix of cosines at the selected checkpoint, first scale, of one class draw; None where not run. Which branch
    has which number is by chance, so a mean over draws would hide who resembles whom.

    Args:
        records: of one study.
        arm: its name.
        name: ``gate_overlap`` or ``learner_overlap``.
        draw: which.
    """
    record = by_draw(records, arm).get(draw)
    found = record["selected"]["test"].get(name) if record else None
    return None if found is None else np.asarray(found[0])


def likeness_table(arms: Sequence[Arm], records: Sequence[RunRecord]) -> pd.DataFrame:
    """How alike the learners of the first scale are, pair by pair, at the selected checkpoint: means over class draws.

    Args:
        arms: with several learners, in the order of the rows.
        records: of their study.

    Returns:
        Columns in per cent: the mean cosine of two learners, that of the pair most alike, the share of pairs above 90;
        and the participation ratio, of how many.
    """
    rows = []
    for arm in arms:
        looks = [r["selected"]["test"] for r in by_draw(records, arm.name).values()]
        found = [look["learner_overlap"][0] for look in looks if "learner_overlap" in look]
        row = {"arm": arm.title, "draws": f"{len(found)} of {arm.draws}", "mean cosine, %": NOT_RUN}
        if found:
            pairs = np.array([of_pairs(matrix) for matrix in found])
            distinct = np.mean([participation_ratio(matrix) for matrix in found])
            row |= {
                "mean cosine, %": f"{pairs.mean():z.0f}",
                "pair most alike, %": f"{pairs.max(axis=1).mean():z.0f}",
                "pairs above 90 %, %": f"{100 * (pairs > 90).mean():.0f}",
                "distinct learners": f"{distinct:.1f} of {len(found[0])}",
            }
        rows.append(row)
    return pd.DataFrame(rows)


@styled
def overlaps(matrices: Mapping[str, np.ndarray]) -> Figure:
    """Matrices of cosines between branches, four in a row, on one scale from -100 to 100 per cent.

    Args:
        matrices: title -> (J, J), per cent.
    """
    rows = -(-len(matrices) // IN_A_ROW)
    figure = Figure(figsize=(WIDTH, rows * (WIDTH / (IN_A_ROW + 1) + 0.3)), layout="constrained")
    panels = figure.subplots(rows, IN_A_ROW, squeeze=False).flatten()
    places, spare = panels[: len(matrices)], panels[len(matrices) :]
    for axes in spare:
        axes.remove()
    for axes, (title, matrix) in zip(places, matrices.items(), strict=True):
        drawn = axes.imshow(matrix, cmap="RdBu_r", vmin=-100, vmax=100)
        ticks = range(0, len(matrix), max(1, len(matrix) // 4))
        axes.set(title=title, xticks=ticks, yticks=ticks)
        axes.set_xticklabels(i + 1 for i in ticks)
        axes.set_yticklabels(i + 1 for i in ticks)
        axes.grid(visible=False)
    figure.colorbar(drawn, ax=list(places), shrink=0.7, label="cosine (%)")
    return figure
