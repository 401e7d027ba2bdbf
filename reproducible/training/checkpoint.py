"""Files a run writes while it works: all or nothing, one process a run."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from reproducible.records import held
from reproducible.resources import UserError


def save(state: Any, path: Path) -> None:
    """Write a checkpoint so that ``path`` is at every moment the old one or the new one, complete.

    Raises:
        UserError: if the disk is full or the folder cannot be written; the old checkpoint is kept.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError
        partial.unlink(missing_ok=True)
        raise UserError(f"{path}: the checkpoint could not be written ({error}); the one before it is kept.") from error


def load(path: Path, device: torch.device, keys: Iterable[str] = ()) -> Any:
    """Read a checkpoint; nothing but tensors and plain values is unpickled, and every byte is what was written.

    Args:
        path: of the file.
        device: where its tensors go.
        keys: that it must have.

    Raises:
        UserError: if the file is not there, cannot be read, was changed, or has not these keys; says what to delete.
    """
    remedy = f"delete the folder {path.parent} to start this run anew"
    try:
        with zipfile.ZipFile(path) as archive:
            if (changed := archive.testzip()) is not None:  # torch itself does not look at the checksums
                raise zipfile.BadZipFile(changed)
        found = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        what = type(error).__name__  # torch's own text advises to unpickle the file without a check
        raise UserError(f"{path}: unreadable checkpoint ({what}); {remedy}.") from error
    missing = [key for key in keys if not (isinstance(found, dict) and key in found)]
    if missing:
        raise UserError(f"{path}: checkpoint of another version (without {missing[0]!r}); {remedy}.")
    return found


class Held(UserError):
    """Another process works on a run."""


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a run's folder for this process; released by the system however the process ends. A folder that is empty
    afterwards is removed.

    Raises:
        Held: if another process holds it.
    """
    with held(folder / "lock", wait=False) as mine:
        if not mine:
            raise Held(f"{folder}: another process works on this run; wait for it or stop it.")
        try:
            yield
        finally:
            (folder / "lock").unlink(missing_ok=True)
            with suppress(OSError):  # it is not empty
                folder.rmdir()
