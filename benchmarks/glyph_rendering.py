"""How fast glyphs are rendered, and that pixels alone do not solve the benchmark.

    python benchmarks/glyph_rendering.py          writes benchmarks/results/glyph_rendering.csv

Speed is of one process, in images a second of its processor time. The nearest neighbour in pixels is by cosine between
centred images, among all test images of draw 0, each left out of its own gallery.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np

from reproducible.data.glyphs.fonts import versions
from reproducible.data.glyphs.plan import glyphs_of
from reproducible.data.glyphs.render import render
from reproducible.data.manifest import load_manifest
from reproducible.data.splits import split

EACH = 10  # images of a class


def main() -> None:
    """Measure, print and write the results."""
    variant = load_manifest("glyphs").variant
    glyphs, drawn = glyphs_of(variant), split("glyphs", "half")
    classes = drawn.train + drawn.test
    for label in classes:  # fonts and outlines are loaded once
        render(glyphs[label], 0, variant.seed)
    start = time.process_time()
    images = np.stack([render(glyphs[label], i, variant.seed).image for label in classes for i in range(EACH)])
    speed = len(images) / (time.process_time() - start)
    labels = np.repeat(classes, EACH)
    rows = [("images a second and core", speed)]
    for name, role in (("200 classes", classes), ("100 test classes", drawn.test)):
        chosen = np.isin(labels, role)
        pixels = images[chosen].reshape(chosen.sum(), -1).astype(np.float32)
        pixels -= pixels.mean(1, keepdims=True)
        pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
        cosines = pixels @ pixels.T
        np.fill_diagonal(cosines, -2)
        recall = (labels[chosen][cosines.argmax(1)] == labels[chosen]).mean()
        chance = (EACH - 1) / (chosen.sum() - 1)
        rows += [(f"R@1 of pixels, {name}, %", 100 * recall), (f"R@1 by chance, {name}, %", 100 * chance)]
    path = Path(__file__).parent / "results" / "glyph_rendering.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["what", "value", "software"])
        software = f"FreeType {versions()['freetype']} Pillow {versions()['pillow']} numpy {np.__version__}"
        writer.writerows((name, f"{value:.3g}", software) for name, value in rows)
    print(path.read_text())


if __name__ == "__main__":
    main()
