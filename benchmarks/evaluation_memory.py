"""Peak memory of evaluating Stanford Online Products: 60,502 queries among 60,502 images, 512 dimensions, on the CPU.

    python benchmarks/evaluation_memory.py           writes benchmarks/results/evaluation_memory.csv

Random embeddings and labels of the set's size: 11,316 classes. Each row is a process of its own, whose peak resident
memory the system reports: torch and NumPy imported and nothing else; the embeddings made; nearest neighbours and all
measures for Recall@1 to 8, and up to 1,000. ``--queries`` looks at fewer queries, for a quick look.
"""

from __future__ import annotations

import argparse
import csv
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

IMAGES, DIMENSIONS, CLASSES = 60_502, 512, 11_316
RESULTS = Path(__file__).parent / "results" / "evaluation_memory.csv"
DEPTHS = {"imports": 0, "embeddings": 1, "to 8": 8, "to 1000": 1000}


def work(depth: int, queries: int) -> tuple[float, float]:
    """Seconds and peak resident memory in MB of this process after one evaluation; depth 0 only imports."""
    import numpy as np
    import torch

    from reproducible.evaluation import nearest, needed_k, retrieval_metrics

    torch.set_num_threads(1)
    start = time.perf_counter()
    if depth:
        rows = torch.randn(IMAGES, DIMENSIONS, generator=torch.Generator().manual_seed(0))
        labels = np.random.default_rng(0).integers(0, CLASSES, IMAGES)
    if depth > 1:
        k = max(depth, needed_k(labels, labels, own_in_gallery=True))
        ids, _ = nearest(rows[:queries], rows, k, own=np.arange(queries))
        ks = [one for one in (1, 2, 4, 8, 10, 100, 1000) if one <= depth]
        result = retrieval_metrics(ids, labels[:queries], labels, ks=ks, own_in_gallery=True)
        assert 0 <= result.map_at_r <= 1 and 0 <= result.recall[1] <= 1
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(depth: int, queries: int = IMAGES) -> tuple[float, float]:
    """:func:`work` in a process of its own."""
    command = [sys.executable, __file__, "--depth", str(depth), "--queries", str(queries)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = done.stdout.split()
    return float(seconds), float(megabytes)


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depth", type=int)
    parser.add_argument("--queries", type=int, default=IMAGES)
    asked = parser.parse_args()
    if asked.depth is not None:
        print(*work(asked.depth, asked.queries))
        return
    with RESULTS.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["what", "queries", "seconds", "peak_mb", "machine"])
        for what, depth in DEPTHS.items():
            seconds, megabytes = measure(depth, asked.queries)
            row = [
                what,
                asked.queries,
                f"{seconds:.1f}",
                f"{megabytes:.0f}",
                platform.machine(),
            ]
            writer.writerow(row)
            print(*row)


if __name__ == "__main__":
    main()
