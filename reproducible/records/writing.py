"""Files that more than one process writes: complete at every moment, and one writer at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from reproducible.resources import disk_error

_AT_WORK = 60.0
"""Seconds after which a half-written file is nobody's work, not even another machine's on the same disk."""


def write_text(path: Path, text: str) -> None:
    """Write a file so that it is at every moment the old one or the new one, complete.

    Raises:
        UserError: if it cannot be written; the old one is kept.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """The same as :func:`write_text` for bytes; what processes that were killed have left of the file goes, too."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise disk_error(path, error, len(content), "nothing was changed") from error
    for left in path.parent.glob(f"{escape(path.name)}.*.partial"):
        with suppress(OSError, ValueError):  # another process was quicker; another file's
            if time.time() - left.stat().st_mtime > _AT_WORK and not _lives(int(left.suffixes[-2].removeprefix("."))):
                left.unlink()


def _lives(pid: int) -> bool:
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


@contextmanager
def held(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold a lock file, made here and gone afterwards; released by the system however the process ends.

    Args:
        path: of the file; its folder is made.
        wait: until it is free; else a lock that another process holds is not taken.

    Yields:
        Whether it is held.

    Raises:
        UserError: if the file cannot be made.
    """
    try:
        file = _taken(path, wait)
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        yield file is not None
    finally:
        if file is not None:
            path.unlink(missing_ok=True)  # while it is held, so that nobody holds a file that is no longer there
            os.close(file)


def _taken(path: Path, wait: bool) -> int | None:
    """The locked file, once it is the one that its path names; None if another process holds it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # whoever held it before has removed the folder
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(file)
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file), path.stat()):
                return file
        os.close(file)  # whoever held it before has removed it
