"""Files a run writes while it works: all or nothing, one process a run."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

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


def load(path: Path, device: torch.device) -> Any:
    """Read a checkpoint; nothing but tensors and plain values is unpickled.

    Raises:
        UserError: if the file cannot be read; says what to delete.
    """
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except Exception as error:
        what = type(error).__name__  # torch's own text advises to unpickle the file without a check
        raise UserError(f"{path}: unreadable checkpoint ({what}); delete the file to start this run anew.") from error


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a run's folder for this process; released by the system however the process ends.

    Raises:
        UserError: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UserError(f"{folder}: another process works on this run; wait for it or stop it.") from error
        yield
