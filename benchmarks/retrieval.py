"""Exact search, our two engines beside faiss alone: 10,000 queries in a gallery of 10,000, 512 dimensions.

    python benchmarks/retrieval.py            writes benchmarks/results/retrieval.csv

Both engines of `reproducible.evaluation.nearest` normalise, leave each query itself out and settle ties by the gallery
index; faiss alone does none of it (the embeddings are normalised before the clock starts, and one neighbour more is
asked for in place of the query). One thread, the sides in turns, the better of two rounds, warmed up. `same` is the
part of the neighbours that the torch engine ranks in the same place.
"""

from __future__ import annotations

import csv
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reproducible.evaluation import nearest

ROWS, DIMENSIONS, CLASSES = 10_000, 512, 200
KS = (8, 100)
ROUNDS = 2
RESULTS = Path(__file__).parent / "results" / "retrieval.csv"

Side = Callable[[Tensor], np.ndarray]


def embeddings() -> Tensor:
    """Unit rows in 200 clusters, as trained embeddings lie."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, DIMENSIONS, generator=generator)
    labels = torch.arange(ROWS) % CLASSES
    return F.normalize(centres[labels] + 0.7 * torch.randn(ROWS, DIMENSIONS, generator=generator), dim=1)


def sides(gallery: Tensor, k: int) -> dict[str, Side]:
    """Each search as a function of the queries, the first rows of the gallery."""
    import faiss

    faiss.omp_set_num_threads(1)

    def ours(engine: str) -> Side:
        return lambda queries: nearest(queries, gallery, k, own=torch.arange(len(queries)), engine=engine)[0]

    def faiss_alone(queries: Tensor) -> np.ndarray:
        index = faiss.IndexFlatIP(DIMENSIONS)
        index.add(gallery.numpy())
        return index.search(queries.numpy(), k + 1)[1][:, 1:]

    return {"torch": ours("torch"), "faiss": ours("faiss"), "faiss alone": faiss_alone}


def measure(gallery: Tensor, k: int) -> list[list[object]]:
    """Lines of the table for one k: k, side, seconds, ratio to faiss alone, same neighbours in per cent."""
    searches = sides(gallery, k)
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    found: dict[str, np.ndarray] = {}
    for search in searches.values():
        search(gallery[:500])
    for _ in range(ROUNDS):
        for name, search in searches.items():
            start = time.perf_counter()
            found[name] = search(gallery)
            seconds[name].append(time.perf_counter() - start)
    best = {name: min(values) for name, values in seconds.items()}
    return [
        [
            k,
            name,
            f"{value:.2f}",
            f"{value / best['faiss alone']:.2f}",
            f"{100 * (found[name] == found['torch']).mean():.3f}",
        ]
        for name, value in best.items()
    ]


def machine() -> str:
    """Processor, vector units and versions, in one cell."""
    import faiss

    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    units = torch.backends.cpu.get_cpu_capability()
    cpu = names[0] if names else platform.processor()
    return f"{cpu}, {units}, 1 thread, torch {torch.__version__}, faiss {faiss.__version__}"


def main() -> None:
    torch.set_num_threads(1)
    gallery = embeddings()
    lines = [line for k in KS for line in measure(gallery, k)]
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["k", "search", "seconds", "ratio to faiss alone", "same, %", "machine"])
        table.writerows([*line, machine()] for line in lines)
    print(RESULTS.read_text(), end="")


if __name__ == "__main__":
    main()
