"""Files a run writes while it works: all or nothing, one process a run."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch

from reproducible.records import held
from reproducible.resources import UserError, disk_error


def save(state: Any, path: Path) -> None:
    """Write a checkpoint so that ``path`` is at every moment the old one or the new one, complete.

    Raises:
        UserError: if the disk is full or the folder cannot be written; the old checkpoint is kept.
    """
    partial, kept, noted = path.with_name(path.name + ".partial"), "the one before it is kept", None
    try:
        with partial.open("wb") as file:
            noted = _Noted(file)
            torch.save(state, noted)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a failed write as RuntimeError, without the reason
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        reason = error if isinstance(error, OSError) else noted and noted.reason
        if reason is None:
            raise UserError(f"{path}: the checkpoint could not be written ({error}); {kept}.") from error
        raise disk_error(path, reason, _bytes(state), kept) from error


class _Noted:
    """A file that notes why the system refused to write to it, which torch does not pass on."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.flush = file, file.flush
        self.reason: OSError | None = None

    def write(self, content: Any) -> int:
        try:
            return self.file.write(content)
        except OSError as error:
            self.reason = error
            raise


def _bytes(state: Any) -> int:
    """What the tensors of a state take."""
    if isinstance(state, torch.Tensor):
        return state.nbytes
    parts = state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else ()
    return sum(map(_bytes, parts))


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
