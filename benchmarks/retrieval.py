"""Exact search, our two engines beside pytorch-metric-learning's: 512 dimensions, galleries of the size of test sets.

    python benchmarks/retrieval.py            writes benchmarks/results/retrieval.csv; some minutes

As many embeddings as CUB-200-2011 (5,924), Cars-196 (8,131) and Stanford Online Products (60,502, of which one in
twenty asks) have test photographs. Each query is in the gallery and is left out of its own neighbours. Of
pytorch-metric-learning all exact searches take part: faiss by inner product or by Euclidean distance (its default), and
blocks of cosines in torch; `ratio` is the time over that of the fastest of them for the same size and k. Both engines
of `reproducible.evaluation.nearest` also normalise, check and settle ties by the gallery index, which
pytorch-metric-learning does not. Seconds are of one processor, on one thread, so that other programs hardly count; the
sides take turns, warmed up, and the better of two rounds stands. `same` is the part of the neighbours that our torch
engine ranks in the same place.
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
from reproducible.evaluation.engines import faiss_if_installed

SIZES = {"CUB-200-2011": (5_924, 1), "Cars-196": (8_131, 1), "Stanford Online Products": (60_502, 20)}
"""Rows of the gallery, and which part of them are queries: the first ones, as pytorch-metric-learning wants it."""

DIMENSIONS, CLASSES = 512, 100
KS = (8, 100)
ROUNDS = 2
OURS = ("ours, torch", "ours, faiss")
RESULTS = Path(__file__).parent / "results" / "retrieval.csv"

Side = Callable[[Tensor], np.ndarray]


def embeddings(rows: int) -> Tensor:
    """Unit rows in 100 clusters, as trained embeddings lie."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(CLASSES, DIMENSIONS, generator=generator)
    labels = torch.arange(rows) % CLASSES
    return F.normalize(centres[labels] + 0.7 * torch.randn(rows, DIMENSIONS, generator=generator), dim=1)


def sides(gallery: Tensor, k: int) -> dict[str, Side]:
    """Each search as a function of the places of the queries in the gallery."""
    from pytorch_metric_learning.distances import CosineSimilarity
    from pytorch_metric_learning.utils.inference import CustomKNN, FaissKNN

    faiss = faiss_if_installed()

    def ours(engine: str) -> Side:
        return lambda places: nearest(gallery[places], gallery, k, own=places, engine=engine)[0]

    def theirs(search: Callable[..., tuple[Tensor, Tensor]]) -> Side:
        return lambda places: search(gallery[places], k, gallery, True)[1].numpy()

    return {
        **{name: ours(name.removeprefix("ours, ")) for name in OURS},
        "pytorch-metric-learning, faiss, inner product": theirs(FaissKNN(index_init_fn=faiss.IndexFlatIP)),
        "pytorch-metric-learning, faiss, Euclidean": theirs(FaissKNN()),
        "pytorch-metric-learning, torch": theirs(CustomKNN(CosineSimilarity(), batch_size=1024)),
    }


def measure(size: str, k: int) -> list[list[object]]:
    """Lines of the table for one size and k: both, search, seconds, ratio, same neighbours in per cent."""
    rows, part = SIZES[size]
    gallery, places = embeddings(rows), torch.arange(rows // part)
    searches = sides(gallery, k)
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    found: dict[str, np.ndarray] = {}
    for search in searches.values():
        search(places[:500])
    for _ in range(ROUNDS):
        for name, search in searches.items():
            start = time.process_time()
            found[name] = search(places)
            seconds[name].append(time.process_time() - start)
    best = {name: min(values) for name, values in seconds.items()}
    peer = min(value for name, value in best.items() if name not in OURS)
    same = {name: 100 * (ids == found[OURS[0]]).mean() for name, ids in found.items()}
    return [[size, k, name, f"{best[name]:.2f}", f"{best[name] / peer:.2f}", f"{same[name]:.3f}"] for name in best]


def machine() -> str:
    """Processor, vector units and versions, in one cell."""
    import pytorch_metric_learning

    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    cpu = f"{names[0] if names else platform.processor()}, {torch.backends.cpu.get_cpu_capability()}, 1 thread"
    peer = f"pytorch-metric-learning {pytorch_metric_learning.__version__}"
    return f"{cpu}, torch {torch.__version__}, faiss {faiss_if_installed().__version__}, {peer}"


def main() -> None:
    torch.set_num_threads(1)
    lines = [line for size in SIZES for k in KS for line in measure(size, k)]
    RESULTS.parent.mkdir(exist_ok=True)
    with RESULTS.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["as many as", "k", "search", "seconds", "ratio to the fastest peer", "same, %", "machine"])
        table.writerows([*line, machine()] for line in lines)
    print(RESULTS.read_text(), end="")


if __name__ == "__main__":
    main()
