"""Channel maps as data: what ``studies/channel_maps.py`` measured of the gates of DeML(1, J), one JSON object.

A channel map is here the mean over the channels of the map that a gate passes on, at that map's own resolution.

``data, draw, fingerprint, weights``
    data set and class draw; fingerprint of the data and of the file that the networks start from.
``classes``
    class, coarse class and count of each run of equal labels among the photographs that were measured
    (:func:`photographs` of the test classes).
``rows``
    the photographs whose maps are kept, as pairs of why (:data:`DRAWN`, :data:`ALIKE`, :data:`APART`) and index into
    the store.
``side, branches``
    of a map; J.
``networks``
    by name: ``maps`` of the rows, (rows, 1 + J, side, side), the ungated one first, packed, as fractions of the largest
    value that any network has on the same photograph; ``alike``: by quantity (:func:`alike`), the values of all
    photographs, packed; ``means`` of these, in per cent.

Values are whole steps of 1/1,000, compressed. Explained on page: channel-attention.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.data.store import Store
from reproducible.encoding import decode_fractions, encode_fractions
from reproducible.evaluation.features import unit_vectors
from reproducible.resources import UserError, check_keys, manifests

FILE = "channel_maps.json"
KEYS = ("data", "draw", "fingerprint", "weights", "classes", "rows", "side", "branches", "networks")
DRAWN, ALIKE, APART = "drawn", "most alike", "least alike"
START = "start"  # the network before any training
STEPS = 1000
Maps = dict[str, Any]


def photographs(store: Store, classes: Sequence[int]) -> NDArray[np.int64]:
    """Indices of all test photographs of some classes, ascending."""
    return np.flatnonzero(np.isin(store.labels, classes) & (store.parts == "test"))


def alike(maps: ArrayLike, factors: ArrayLike) -> dict[str, NDArray[np.float64]]:
    """How alike the branches are on each photograph, means over the pairs of two: (N,) each, from -1 to 1.

    ``gates`` is the cosine of their factors, ``maps`` that of their maps, and ``patterns`` the correlation of their
    maps over positions, which a factor or a constant for a whole map does not change.

    Args:
        maps: of the branches, (N, J, h, w).
        factors: of the gates, (N, J, C).
    """
    flat = np.asarray(maps, np.float64).reshape(*np.shape(maps)[:2], -1)
    centred = flat - flat.mean(axis=2, keepdims=True)
    return {"gates": _cosine(factors), "maps": _cosine(flat), "patterns": _cosine(centred)}


def _cosine(branches: ArrayLike) -> NDArray[np.float64]:
    unit = unit_vectors(branches)
    first, second = np.triu_indices(unit.shape[1], 1)
    return np.einsum("npd,npd->np", unit[:, first], unit[:, second]).mean(axis=1)


def largest(values: ArrayLike, classes: ArrayLike, count: int) -> list[int]:
    """Positions of the largest values, the largest first, at most one of each class."""
    found: dict[int, int] = {}
    for position in np.argsort(-np.asarray(values), kind="stable").tolist():
        found.setdefault(int(np.asarray(classes)[position]), position)
    return list(found.values())[:count]


def pack(
    about: Mapping[str, Any],
    maps: Mapping[str, NDArray[np.floating]],
    quantities: Mapping[str, Mapping[str, NDArray[np.floating]]],
) -> Maps:
    """The object from what it is about, the maps of the rows and how alike the branches are.

    Args:
        about: ``data`` to ``rows``.
        maps: network -> (rows, 1 + J, side, side).
        quantities: network -> :func:`alike` of all photographs.

    Raises:
        UserError: for a value out of range, or none (NaN), named.
    """
    top = np.max(list(maps.values()), axis=(0, 2, 3, 4))[:, None, None, None]
    networks = {}
    for name, shown in maps.items():
        packed = {q: encode_fractions(v, STEPS, f"{name}, {q}") for q, v in quantities[name].items()}
        networks[name] = {
            "maps": encode_fractions((shown / top).ravel(), STEPS, f"{name}, maps"),
            "alike": packed,
            "means": {q: round(100 * float(decode_fractions(p, STEPS, q).mean()), 2) for q, p in packed.items()},
        }
    _, channels, side, _ = next(iter(maps.values())).shape
    return {**about, "side": side, "branches": channels - 1, "networks": networks}


def load(path: Path | None = None) -> Maps:
    """The committed object.

    Raises:
        UserError: for a file that is missing or damaged, or has other keys.
    """
    path = path or manifests() / FILE
    try:
        found = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        again = "reproducible measure maps"
        raise UserError(f"{path} cannot be read ({error}); {again} makes it anew.") from error
    check_keys(found, KEYS, KEYS, str(path))
    return found


def text(found: Maps) -> str:
    """The text of the file."""
    return json.dumps(found, indent=1) + "\n"


def maps_of(found: Maps, network: str) -> NDArray[np.float64]:
    """The maps of a network, (rows, 1 + J, side, side), from 0 to 1, the ungated ones first.

    Raises:
        UserError: if they are damaged.
    """
    values = decode_fractions(found["networks"][network]["maps"], STEPS, f"{network}, maps")
    return values.reshape(len(found["rows"]), 1 + found["branches"], found["side"], found["side"])


def values(found: Maps, network: str, quantity: str) -> NDArray[np.float64]:
    """A quantity of :func:`alike` of every photograph, (N,).

    Raises:
        UserError: if the values are damaged.
    """
    return decode_fractions(found["networks"][network]["alike"][quantity], STEPS, f"{network}, {quantity}")
