"""What trunks in bf16 change in recall: a study's runs in both precisions, paired by class draw.

    python benchmarks/precision.py              writes benchmarks/results/precision.csv

Trains each arm once a class draw in bf16, on all cores, which is quick only where the processor has units for it;
finished runs are kept. The single-precision side is the committed records.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from reproducible import records
from reproducible.evaluation.statistics import t_interval
from reproducible.report.tables import values_of
from reproducible.studies import study
from reproducible.studies.running import default_workers
from reproducible.training.runner import execute_all

ARMS = ("deml-1-1", "deml-1-8", "deml-1-8-no-adversary")
RESULTS = Path(__file__).parent / "results" / "precision.csv"


def main() -> None:
    """Run, compare, write and print."""
    glyphs = study("glyph_deml")
    single = [r for r in records.load(glyphs.name) if r["arm"] in ARMS]
    configs = [replace(glyphs.config(r["arm"], r["draw"]), precision="bf16") for r in single]
    half = list(execute_all(configs, profile="quick", criteria="", workers=default_workers()))
    rows = []
    for arm in ARMS:
        there, here = (values_of(found, arm) for found in (half, single))
        gaps = np.array([there[draw] - value for draw, value in here.items()])
        low, high = t_interval(gaps)
        rows.append({"arm": arm, "draws": len(gaps), "bf16 less fp32": gaps.mean(), "low": low, "high": high})
    where = f"{torch.backends.cpu.get_cpu_capability()} torch {torch.__version__}"
    table = pd.DataFrame(rows).round(2).assign(machine=where)
    table.to_csv(RESULTS, index=False)
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
