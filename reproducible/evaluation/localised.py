"""Localisation as data: what ``studies/localising.py`` measured, one line a look, with the values of every image.

A look is one network on one set of images at one size. Its keys:

``look, data, network, size, images``
    its name; data set, network (and how it was trained), side of the input, which images.
``fingerprint, weights, criteria``
    of the data and of the file that the network starts from; hash of the criteria that stood when it was measured.
``seconds``
    processor time of the forward passes (``forward``) and of the walks on their maps (``walk``), on a CPU.
``classes``
    class and count of each run of equal labels, in the order of the values.
``truth``
    share of the image that the object's ``box`` and, where masks are known, the ``object`` itself take; empty where
    not every image of the data set has a box.
``methods``
    by name of the method (``evaluation/locating.py``) and of the quantity, the values of all images, packed.
``graphs``
    by layer: ``variation`` and ``eigenvalue``, packed.
``means``
    of everything that is packed, in per cent (eigenvalues as they are); a test computes them again.

Values are whole steps of 1/200 (graphs: 1/10,000), compressed. Explained on page: object-attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reproducible.data.manifest import load_manifest, read_classes
from reproducible.data.splits import split
from reproducible.encoding import decode_fractions, encode_fractions, pack_lines, unpack_lines
from reproducible.evaluation.statistics import Interval, two_way_bootstrap
from reproducible.resources import UserError, check_keys, manifests, nearest_name
from reproducible.types import RunRecord

FILE = "localisation.jsonl.xz"
KEYS = (
    *("look", "data", "network", "size", "images", "fingerprint", "weights", "criteria", "seconds", "classes"),
    *("truth", "methods", "graphs", "means"),
)
DEGENERATE = (0.1, 0.9)
FROZEN = {"glyphs": ("glyph_object_attention", 10), "groceries-160": ("object_attention", 5)}
"""Looks that claims read: as records of which study, for how many class draws."""
ARMS = {"frozen-oam": "object attention", "frozen-centre": "centre prior", "frozen-feature-norm": "feature norm"}
STEPS = {"truth": 200, "methods": 200, "graphs": 10_000}
Look = dict[str, Any]


def load(path: Path | None = None) -> dict[str, Look]:
    """The committed looks by name; empty where there is no file.

    Raises:
        UserError: for a damaged file or line (file and line number) or a look without a known key.
    """
    found: dict[str, Look] = {}
    for place, look in unpack_lines(path or manifests() / FILE, "look"):
        check_keys(look, KEYS, KEYS, place)
        found[look["look"]] = look
    return found


def content(looks: Iterable[Look]) -> bytes:
    """What the file holds, in the order of the names."""
    return pack_lines(sorted(looks, key=lambda look: look["look"]))


def pack(about: Mapping[str, Any], measured: Mapping[str, Any]) -> Look:
    """A look from what it is and the values of its images: ``truth``, ``methods`` and ``graphs``, with arrays at the
    leaves.

    Raises:
        UserError: for values that are not from -1 to 1, named.
    """
    look = {**about}
    for part, steps in STEPS.items():
        look[part] = _leaves(
            measured[part], lambda path, array, steps=steps: encode_fractions(array, steps, _of(look, *path))
        )
    return {**look, "means": means(look)}


def means(look: Look) -> dict[str, Any]:
    """The mean over images of everything that a look packs, in per cent; eigenvalues as they are.

    Raises:
        UserError: for damaged values, named.
    """

    def mean(path: Sequence[str], packed: str, steps: int) -> float:
        value = float(decode_fractions(packed, steps, _of(look, *path)).mean())
        return round(value, 4) if path[-1] == "eigenvalue" else round(100 * value, 2)

    return {
        part: _leaves(look[part], lambda path, packed, steps=steps: mean(path, packed, steps))
        for part, steps in STEPS.items()
    }


def labels(look: Look) -> NDArray[np.int64]:
    """Class of each image."""
    ids, counts = np.array(look["classes"], np.int64).T
    return np.repeat(ids, counts)


def values(look: Look, method: str, quantity: str) -> NDArray[np.float64]:
    """What a method found on each image: iou, area, in_box ..., as fractions of one, (N,).

    Raises:
        UserError: if the look has no such method or quantity, or its values are damaged.
    """
    return _stored(look, "methods", method, quantity)


def graph(look: Look, layer: str, quantity: str) -> NDArray[np.float64]:
    """``variation`` or ``eigenvalue`` of each image's graph, (N,).

    Raises:
        UserError: if the look has no such graph or quantity, or its values are damaged.
    """
    return _stored(look, "graphs", layer, quantity)


def _stored(look: Look, part: str, name: str, quantity: str) -> NDArray[np.float64]:
    known = look[part]
    if name not in known:
        raise UserError(f"look {look['look']!r} has no {part[:-1]} {name!r}.{nearest_name(name, known)}")
    if quantity not in known[name]:
        raise UserError(f"look {look['look']!r}, {name}: no {quantity!r}.{nearest_name(quantity, known[name])}")
    return decode_fractions(known[name][quantity], STEPS[part], _of(look, name, quantity))


def _of(look: Look, *path: str) -> str:
    """What values are of, for messages."""
    return ", ".join((f"look {look['look']!r}", *path))


def converged(look: Look, layers: Sequence[str] = ("4e", "5b"), below: float = 0.01) -> NDArray[np.bool_]:
    """Which images' maps are, on all these layers, this near to their stationary vectors at T = 10 (claim D11)."""
    return np.all([graph(look, layer, "variation") < below for layer in layers], axis=0)


def degenerate(area: ArrayLike) -> NDArray[np.bool_]:
    """Which boxes are no choice, by their share of the image: above nine tenths or below one tenth (claim R05)."""
    low, high = DEGENERATE
    return (np.asarray(area) < low) | (np.asarray(area) > high)


def frozen_records(looks: Mapping[str, Look] | None = None) -> list[RunRecord]:
    """What the claims on frozen networks read, as records of a study: an arm a method, by class draw.

    Frozen maps hang on no draw, so a look gives all of them: the means over the test classes of each, and how much
    larger the share of degenerate maps is among them than among the training classes (``degenerate_map_rise``).

    Args:
        looks: by name; None: the committed ones.
    """
    looks, found = load() if looks is None else looks, []
    for look, study, draws in ((looks[name], *where) for name, where in FROZEN.items() if name in looks):
        manifest = load_manifest(look["data"])
        coarse = {c.id: c.coarse_id for c in read_classes(manifest)}
        for draw in range(draws):
            drawn = split(manifest, "half", draw)
            queries = [[c, coarse[c], n] for c, n in look["classes"] if c in drawn.test]
            found += [_frozen(look, study, arm, draw, queries, drawn.train) for arm in ARMS]
    return found


def _frozen(look: Look, study: str, arm: str, draw: int, queries: list[list[int]], seen: Sequence[int]) -> RunRecord:
    method, chosen = ARMS[arm], np.isin(labels(look), [c for c, *_ in queries])
    flawed = degenerate(values(look, method, "area"))
    test = {"degenerate_map_share": flawed}
    if arm == "frozen-oam":
        test["converged_share"] = converged(look)
    if "in_object" in look["methods"][method]:
        test["mass_in_object"] = values(look, method, "in_object")
    point = {"step": 0, "test": {name: 100 * float(every[chosen].mean()) for name, every in test.items()}}
    of_seen = 100 * float(flawed[np.isin(labels(look), seen)].mean())
    point["test"]["degenerate_map_rise"] = point["test"]["degenerate_map_share"] - of_seen
    seconds = look["seconds"]
    share = {"walk_time_share_of_forward": 100 * seconds["walk"] / seconds["forward"]} if seconds else {}
    return {
        **{"study": study, "arm": arm, "profile": "standard", "draw": draw, "seed": draw, "digest": ""},
        **{key: look[key] for key in ("criteria", "weights")},
        **{"config": {"data": {"name": look["data"], "draw": draw}}, "data": look["fingerprint"], "versions": {}},
        **{"curve": [], "untouched": {}, "selected": {**point, "not_converged": False}, "last": point},
        **{"queries": queries, "gallery": []},
        "environment": share if arm == "frozen-oam" and draw == 0 else {},  # measured once, not once a draw
    }


def class_interval(values: ArrayLike, classes: ArrayLike) -> Interval:
    """95 % bootstrap interval of the mean over images, resampling classes; in the unit of the values."""
    sample = np.asarray(values, float)
    return two_way_bootstrap([sample], [np.zeros(len(sample))], [classes], n_boot=2_000)


def _leaves(
    tree: Mapping[str, Any], change: Callable[[Sequence[str], Any], Any], above: Sequence[str] = ()
) -> dict[str, Any]:
    """A tree of the same form, every leaf changed by its path and value."""
    return {
        name: _leaves(leaf, change, (*above, name)) if isinstance(leaf, Mapping) else change((*above, name), leaf)
        for name, leaf in tree.items()
    }
