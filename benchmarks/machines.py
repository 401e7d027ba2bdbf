"""The same runs on another kind of processor: recorded ones, trained again here.

    python benchmarks/machines.py               writes data_manifests/measurements.csv

Takes runs that were recorded on a machine of another kind, one a class draw, and keeps Recall@1 of their selected
checkpoint; the page on the protocol compares. About a minute and a half a run. Start it with an empty folder in
REPRODUCIBLE_CACHE: a run that is in the cache is not trained again.
"""

from __future__ import annotations

import torch

from reproducible import records
from reproducible.records.measured import AGAIN, save_measurements
from reproducible.studies import study
from reproducible.training.runner import execute_all

STUDY, ARM, DRAWS = "glyph_deml", "deml-1-1", range(5)


def main() -> None:
    """Run, write and print."""
    device = torch.backends.cpu.get_cpu_capability()
    there = {r["draw"]: r for r in records.load(STUDY) if r["arm"] == ARM and r["environment"]["device"] != device}
    configs = [study(STUDY).config(ARM, draw) for draw in DRAWS if draw in there]
    values = {}
    for record in execute_all(configs, profile="standard", criteria="", device="cpu", workers=1):
        recall = record["selected"]["test"]["recall_at_1"]
        values[f"{STUDY}/{ARM}/{record['draw']}"] = recall
        before = there[record["draw"]]
        recorded = f"{before['environment']['device']} {before['selected']['test']['recall_at_1']:.2f}"
        print(f"draw {record['draw']}: {recorded}, {device} {recall:.2f}", flush=True)
    save_measurements(AGAIN, values, f"{device} fp32 torch {torch.__version__}, 1 thread")


if __name__ == "__main__":
    main()
