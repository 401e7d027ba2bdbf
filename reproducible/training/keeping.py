"""What a run can leave behind beside its record, in formats that others read: the weights and the neighbours.

Explained on page: reproduce.
"""

from __future__ import annotations

import io
from collections.abc import Collection
from pathlib import Path

import numpy as np

from reproducible.data.store import Store
from reproducible.records import write_bytes
from reproducible.resources import UserError, nearest_name
from reproducible.training.evaluate import evaluate
from reproducible.training.loop import Training

FILES = {"weights": "weights.safetensors", "neighbours": "neighbours.npz"}
"""What can be kept, and the file in the folder of the run that holds it."""


def kinds_in(text: str) -> tuple[str, ...]:
    """What is to be kept, from words divided by commas.

    Raises:
        UserError: an unknown word, with the nearest known one.
    """
    kinds = tuple(dict.fromkeys(filter(None, (one.strip() for one in text.split(",")))))
    for kind in kinds:
        if kind not in FILES:
            raise UserError(f"--keep: there is no {kind!r} to keep.{nearest_name(kind, FILES)}")
    return kinds


def check_kept(folder: Path, keep: Collection[str]) -> None:
    """That a finished run has kept what is asked for.

    Raises:
        UserError: it has not; says what to delete so that it is trained again.
    """
    absent = [FILES[kind] for kind in keep if not (folder / FILES[kind]).is_file()]
    if absent:
        said = f"{folder}: this run is finished and has not kept {', '.join(absent)}"
        raise UserError(f"{said}; delete its record.json, and the same command trains it again and keeps them.")


def keep_files(training: Training, step: int, keep: Collection[str]) -> None:
    """Writes what is asked for of the selected checkpoint into the run's folder.

    ``weights.safetensors`` holds the tensors of the model's ``state_dict``. ``neighbours.npz`` holds, of the primary
    protocol on the test classes, ``neighbours`` (int64, Q x k, places in the gallery, nearest first), ``queries`` and
    ``gallery`` (paths of the images), ``query_classes`` and ``gallery_classes`` (names).

    Args:
        training: a finished run.
        step: that was selected.
        keep: words of :data:`FILES`.

    Raises:
        UserError: a file cannot be written; the run does not look at the test classes.
    """
    training.go_back(step)
    if "weights" in keep:
        from safetensors.torch import save

        tensors = {
            name: value.detach().cpu().contiguous().clone() for name, value in training.model.state_dict().items()
        }
        write_bytes(training.folder / FILES["weights"], save(tensors, {"run": training.folder.name, "step": str(step)}))
    if "neighbours" in keep:
        if not training.config.evaluation.test:
            raise UserError(
                "--keep neighbours: this run does not look at the test classes; set evaluation.test to true."
            )
        stream, store, sets = io.BytesIO(), training.store, training.sets.evaluation["test"]
        (asked, asked_of), (there, there_of) = (_described(store, images) for images in sets)
        ids = evaluate(training.embedder, sets).neighbours
        np.savez_compressed(
            stream,
            neighbours=np.asarray(ids, np.int64),
            queries=asked,
            query_classes=asked_of,
            gallery=there,
            gallery_classes=there_of,
        )
        write_bytes(training.folder / FILES["neighbours"], stream.getvalue())


def _described(store: Store, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Paths of images, and names of their classes."""
    paths = [store.paths[place] for place in images.tolist()]
    return np.array(paths), np.array([store.class_names[label] for label in store.labels[images].tolist()])
