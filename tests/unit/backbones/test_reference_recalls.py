"""The untouched backbone on groceries, ids 41 to 80, against recalls measured with another implementation of it.

The reference: pool5 of BVLC GoogLeNet in fp32, photographs squashed to 224 x 224 with Pillow's bicubic filter, cosine,
the query itself left out where it is in the gallery. Slow, since each test embeds 2,410 images at 224 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from reproducible.backbones.bvlc import BVLCGoogLeNet
from reproducible.data.archive import read_images
from reproducible.data.splits import protocol
from reproducible.data.store import Store, open_store
from reproducible.data.transforms import crop_resize

pytestmark = pytest.mark.slow
CLASSES = range(41, 81)
KS = (1, 2, 4, 8)
REFERENCE = {
    "photo_to_photo": (91.77, 95.61, 97.72, 98.95),
    "test_to_trainval": (67.58, 76.15, 84.54, 91.99),
    "photo_to_iconic": (36.79, 54.85, 73.04, 88.99),
}
Recalls = dict[str, dict[int, float]]


@pytest.fixture(scope="module")
def store() -> Store:
    return open_store("groceries")


@pytest.fixture(scope="module")
def shipped(store: Store) -> Recalls:
    return recalls(store, embed(BVLCGoogLeNet(), squashed(store)))


@pytest.fixture(scope="module")
def device_path(store: Store) -> Recalls:
    return recalls(store, embed(BVLCGoogLeNet(), resized(store)))


@pytest.fixture(scope="module")
def full_precision(store: Store, data_folder: Path) -> Recalls:
    network = BVLCGoogLeNet(weights=str(data_folder / "bvlc_googlenet.npz"))
    return recalls(store, embed(network, squashed(store)))


def rows(store: Store) -> np.ndarray:
    return np.flatnonzero(np.isin(store.labels, CLASSES))


def squashed(store: Store) -> Iterator[Tensor]:
    """Batches as the reference prepared them, (B, 3, 224, 224)."""
    paths = [store.paths[i] for i in rows(store)]
    images = (
        np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC)) for image in read_images("groceries", paths)
    )
    while batch := [image for _, image in zip(range(16), images, strict=False)]:
        yield torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float()


def resized(store: Store) -> Iterator[Tensor]:
    """Batches as training and evaluation see them: from the packed store, the whole image, (B, 3, 224, 224)."""
    for part in np.array_split(rows(store), 150):
        stored = torch.from_numpy(store.images[part])
        whole = torch.tensor([[0.0, 0.0, stored.shape[2], stored.shape[1]]]).expand(len(part), 4)
        yield crop_resize(stored, whole, 224)


@torch.inference_mode()
def embed(network: BVLCGoogLeNet, batches: Iterator[Tensor]) -> np.ndarray:
    network = network.to(memory_format=torch.channels_last).eval()
    pooled = [network(b.contiguous(memory_format=torch.channels_last))["5b"].mean(dim=(2, 3)) for b in batches]
    found = torch.cat(pooled).double()
    return (found / found.norm(dim=1, keepdim=True)).numpy()


def recalls(store: Store, embeddings: np.ndarray) -> Recalls:
    """Recall@K in per cent by a full sort of the fp64 similarities."""
    place = {row: number for number, row in enumerate(rows(store))}
    found: Recalls = {}
    for name in REFERENCE:
        queries, gallery = protocol(store, list(CLASSES), name)
        similarity = embeddings[[place[q] for q in queries]] @ embeddings[[place[g] for g in gallery]].T
        similarity[queries[:, None] == gallery[None, :]] = -np.inf
        order = np.argsort(-similarity, axis=1, kind="stable")[:, : max(KS)]
        hit = store.labels[gallery][order] == store.labels[queries][:, None]
        found[name] = {k: 100 * hit[:, :k].any(axis=1).mean() for k in KS}
    return found


def report(title: str, found: Recalls) -> None:
    for name, values in found.items():
        print(f"{title}, {name}: " + ", ".join(f"R@{k} {value:.2f}" for k, value in values.items()))


def test_shipped_weights_reproduce_the_reference(shipped: Recalls) -> None:
    report("shipped weights", shipped)
    for name, expected in REFERENCE.items():
        assert list(shipped[name].values()) == pytest.approx(expected, abs=0.2), name


def test_full_precision_weights_reproduce_the_reference(full_precision: Recalls) -> None:
    report("fp32 weights", full_precision)
    for name, expected in REFERENCE.items():
        assert list(full_precision[name].values()) == pytest.approx(expected, abs=0.2), name


def test_device_path_is_within_a_point(device_path: Recalls, shipped: Recalls) -> None:
    report("device path", device_path)
    for name, values in device_path.items():
        assert values[1] == pytest.approx(shipped[name][1], abs=1.0), name
