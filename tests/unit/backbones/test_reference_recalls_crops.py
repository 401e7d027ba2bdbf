"""The untouched backbone on cropped Cars-196 and CUB-100 against recalls measured with another implementation of it.

The reference: pool5 of BVLC GoogLeNet in fp32, squashed to 224 x 224 with Pillow's bicubic filter where a file has
another size, cosine, the query itself left out. Slow: 8,131 and 2,474 images at 224 pixels, minutes on two idle cores.
``LIMIT`` in the environment embeds only so many images, which says that the path works and nothing about recall.
"""

from __future__ import annotations

import csv
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from reproducible.backbones.bvlc import BVLCGoogLeNet

pytestmark = pytest.mark.slow
KS = (1, 2, 4, 8)
LIMIT = int(os.environ.get("LIMIT", "0"))
SETS = {
    "cars196_cropped": (98, 8_131, (52.75, 65.32, 76.42, 85.24)),
    "cub100_cropped": (100, 2_474, (74.37, 84.32, 91.67, 95.84)),
}


def images(folder: Path, name: str, wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Path and pixels of the wanted images, in the order of the archives."""
    for archive in sorted(folder.glob(f"{name}*.tar")):
        with tarfile.open(archive) as tar:
            for member in tar:
                path = member.name.removeprefix(f"{name}/")
                if path in wanted:
                    with Image.open(tar.extractfile(member)) as image:
                        rgb = image.convert("RGB")
                    if rgb.size != (224, 224):
                        rgb = rgb.resize((224, 224), Image.Resampling.BICUBIC)
                    yield path, np.asarray(rgb)


@torch.inference_mode()
def embed(network: BVLCGoogLeNet, squashed: list[np.ndarray]) -> Tensor:
    batch = torch.from_numpy(np.stack(squashed)).permute(0, 3, 1, 2).float()
    return network(batch.contiguous(memory_format=torch.channels_last))["5b"].mean(dim=(2, 3)).double()


def recalls(embeddings: np.ndarray, labels: np.ndarray) -> dict[int, float]:
    """Recall@K in per cent from the fp64 similarities of everything with everything."""
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    found = np.empty((len(unit), max(KS)), bool)
    for start in range(0, len(unit), 500):
        rows = np.arange(start, min(start + 500, len(unit)))
        similarity = unit[rows] @ unit.T
        similarity[np.arange(len(rows)), rows] = -np.inf
        near = np.argsort(-similarity, axis=1, kind="stable")[:, : max(KS)]
        found[rows] = labels[near] == labels[rows, None]
    return {k: 100 * found[:, :k].any(axis=1).mean() for k in KS}


@pytest.mark.parametrize("name", list(SETS))
def test_recalls_of_the_untouched_backbone(name: str, data_folder: Path) -> None:
    last_seen, count, expected = SETS[name]
    if not (data_folder / f"{name}.index.csv").is_file():
        pytest.skip(f"{data_folder} has no {name}.index.csv")
    with (data_folder / f"{name}.index.csv").open(newline="") as stream:
        classes = {row["path"]: int(row["class_id"]) for row in csv.DictReader(stream)}
    wanted = {path for path, label in classes.items() if label > last_seen}
    assert len(wanted) == count
    network = BVLCGoogLeNet(weights=str(data_folder / "bvlc_googlenet.npz"))
    network = network.to(memory_format=torch.channels_last).eval()
    rows, labels, waiting = [], [], []
    for path, pixels in images(data_folder, name, wanted):
        labels.append(classes[path])
        waiting.append(pixels)
        if len(waiting) == 16:
            rows.append(embed(network, waiting))
            waiting = []
        if LIMIT and len(labels) >= LIMIT:
            break
    if waiting:
        rows.append(embed(network, waiting))
    found = recalls(torch.cat(rows).numpy(), np.array(labels))
    print(f"{name}, {len(labels)} images: " + ", ".join(f"R@{k} {value:.2f}" for k, value in found.items()))
    if LIMIT:
        pytest.skip(f"only {len(labels)} of {count} images")
    assert len(labels) == count
    assert list(found.values()) == pytest.approx(expected, abs=0.15)
