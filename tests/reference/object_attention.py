"""DeML's object attention as its released code has it, image by image: loops over positions, OpenCV for the contours.

The reading of `proposal_crop_layer.cpp`: edges are Euclidean distances times a Gaussian of the distance on the grid,
columns are divided by their sums, ten steps, min-max to whole levels, resize, threshold at the mean, largest external
contour, square, clip. The resize is OpenCV's bit-exact one, which does not change with version and machine, unless
:func:`box` is asked for the plain one, which the released code calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np


def released_map(features: np.ndarray, steps: int = 10, locality: float = 0.15) -> np.ndarray:
    """(N, N) mass of the walk on features (C, N, N); locality 0 leaves the Gaussian out."""
    n = features.shape[2]
    edges = np.empty((n * n, n * n))
    for j in range(n * n):
        for k in range(n * n):
            difference = features[:, j // n, j % n] - features[:, k // n, k % n]
            square = (j // n - k // n) ** 2 + (j % n - k % n) ** 2
            near = math.exp(-square / (2 * (locality * n) ** 2)) if locality else 1.0
            edges[j, k] = math.sqrt((difference * difference).sum()) * near
    for k in range(n * n):
        edges[:, k] /= edges[:, k].sum()
    mass = np.full(n * n, 1 / (n * n))
    for _ in range(steps):
        mass = edges @ mass
    return mass.reshape(n, n)


def printed_map(features: np.ndarray, steps: int = 10) -> np.ndarray:
    """(N, N) of Eq. 3 as it stands: rows divided by their sums."""
    n = features.shape[2]
    points = features.reshape(len(features), -1).T
    edges = np.array([[np.linalg.norm(a - b) for b in points] for a in points])
    edges /= edges.sum(axis=1, keepdims=True)
    mass = np.full(n * n, 1 / (n * n))
    for _ in range(steps):
        mass = edges @ mass
    return mass.reshape(n, n)


def levels(mass: np.ndarray) -> np.ndarray:
    """A map as the released code stores it."""
    low, high = mass.min(), mass.max()
    return (255 * (mass - low) / (high - low)).astype(np.uint8)


def contour(mask: np.ndarray) -> tuple[tuple[int, int, int, int] | None, float]:
    """x, y, width, height and area of the external contour of largest area; None if none has any."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    best, found = 0.0, None
    for points in contours:
        area = cv2.contourArea(points)
        if area > best:
            best, found = area, cv2.boundingRect(points)
    return found, best


def box(
    masses: Sequence[np.ndarray], side: int, interpolation: int = cv2.INTER_LINEAR_EXACT
) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the crop that the maps of one image give; the whole image where there is no contour."""
    resized = [cv2.resize(levels(m), (side, side), interpolation=interpolation) for m in masses]
    picture = sum(r.astype(np.int64) for r in resized)
    rectangle, _ = contour(picture > picture.mean())
    if rectangle is None:
        return 0, 0, side, side
    x, y, width, height = rectangle
    x, y = x + round((width - height) / 4), y + round((height - width) / 4)
    edge = round((width + height) / 2)
    return max(x, 0), max(y, 0), min(x + edge, side), min(y + edge, side)
