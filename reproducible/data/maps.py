"""Maps of images in half precision, kept in a memory-mapped file: each is computed when it is first asked for.

A folder of the cache with ``maps``, one row a map; ``sums``, eight bytes a row: zero as long as the map is not there,
else its CRC-32 and a bit that says so; and ``about.json``, which the folder is named after. All runs and processes
share it. A map counts as there once its sum is written, which is after the map itself, so a process may be killed at
any moment and its work is kept. A row is computed under a lock on its byte of ``claims``, which the system releases if
the process dies: of two processes that want the same maps, each computes some. Every process checks each map against
its sum when it first reads it; one that does not fit is computed anew. The file is as long as all maps would be, but
takes space only for those that are there. Explained on page: protocol.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import math
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reproducible.progress import progress
from reproducible.resources import UserError, cache_dir, disk_error, folder_for

LAYOUT = 1
"""Version of the files in a folder of maps; part of the folder's name."""

CHUNK = 16
"""Maps that are computed at once, always so many: the last bits of a map depend on how many others come with it."""

_THERE = 1 << 32
_EXPONENT = 0x7C00  # all bits of a half's exponent: set in infinities and what is no number
log = logging.getLogger(__name__)


class MapFile:
    """The maps of one network, stage, data set and kind of window.

    Args:
        name: the folder's name begins with it.
        about: all that the maps depend on, plain values.
        shape: of a map, height, width and channels.
        rows: how many there may be; a file of fewer grows.
        compute: from row numbers, exactly :data:`CHUNK`, to their maps, float16, (CHUNK, height, width, channels).
    """

    def __init__(
        self,
        name: str,
        about: Mapping[str, Any],
        shape: tuple[int, int, int],
        rows: int,
        compute: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        described = {"layout": LAYOUT, "shape": list(shape), **about}
        self.about = json.dumps(described, sort_keys=True, indent=1)
        self.folder = cache_dir() / "maps" / f"{name}-{hashlib.sha256(self.about.encode()).hexdigest()[:16]}"
        self.shape, self.rows, self.compute = shape, rows, compute
        self.bytes = 2 * math.prod(shape)  # of a map
        self._sums = np.zeros(rows, np.uint64)  # until there are files: nothing is there
        self._maps: np.ndarray | None = None
        self._checked = np.zeros(rows, bool)

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Which of these rows are still to be computed, each once."""
        if self._maps is None and (self.folder / "sums").is_file():
            self._open()
        rows = np.unique(rows)
        return rows[self._sums[rows] == 0]

    def require(self, rows: np.ndarray) -> None:
        """Make sure that the disk has space for what is missing of these rows; nothing is written.

        Raises:
            UserError: if it has not, with what is needed and what is free.
        """
        needed = len(self.missing(rows)) * self.bytes
        free = shutil.disk_usage(next(place for place in self.folder.parents if place.is_dir())).free
        if needed > free:
            said = f"{needed / 1e6:.0f} MB of maps are still to be made, {free / 1e6:.0f} MB are free"
            raise UserError(self._full(said))

    def fill(self, rows: np.ndarray, label: str = "maps") -> None:
        """Compute what is missing of these rows; what another process computes meanwhile is waited for.

        Raises:
            UserError: if the disk is full, with what is still needed; if a map does not fit half precision.
        """
        if not len(self.missing(rows)):
            return
        self._open()
        todo = self.missing(rows)
        with (self.folder / "claims").open("r+b") as claims, (self.folder / "maps").open("r+b", buffering=0) as file:
            for _ in progress(self._computed(todo, claims.fileno(), file.fileno()), label, len(todo)):
                pass

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Maps, (len(rows), height, width, channels), float16; what is missing is computed first.

        Raises:
            UserError: as :meth:`fill`; if the disk does not give back what was written.
        """
        self.fill(rows)
        assert self._maps is not None
        found = self._maps[rows]
        broken = self._broken(rows, found)
        if len(broken):
            log.warning(
                "%s: %d of %d maps are not what was written there and are computed anew; is the disk in order?",
                *(self.folder, len(broken), len(rows)),
            )
            self._sums[broken] = 0
            self.fill(broken)
            found = self._maps[rows]
            if len(self._broken(rows, found)):
                raise UserError(f"{self.folder}: the disk does not give back what is written to it. Delete the folder.")
        return found

    def _broken(self, rows: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Those rows whose maps are not as their sums say, of what this process has not checked yet."""
        new = np.flatnonzero(~self._checked[rows])
        sums = self._sums[rows[new]]
        good = np.array([_sum(found[i]) == s for i, s in zip(new, sums, strict=True)], bool)
        self._checked[rows[new][good]] = True
        return np.unique(rows[new][~good])

    def _computed(self, todo: np.ndarray, claims: int, file: int) -> Iterator[int]:
        """Computes rows and waits for those of other processes; yields each when it is there."""
        while len(todo):
            with _claimed(claims, todo, self._sums) as mine:
                if len(mine):
                    padded = np.concatenate([mine, np.repeat(mine[-1:], CHUNK - len(mine))])
                    self._write(mine, self.compute(padded)[: len(mine)], file)
                elif not self._sums[todo].all():
                    fcntl.lockf(claims, fcntl.LOCK_EX, 1, int(todo[0]))  # waits for the process that computes it
                    fcntl.lockf(claims, fcntl.LOCK_UN, 1, int(todo[0]))
            there = self._sums[todo] != 0
            yield from todo[there]
            todo = todo[~there]

    def _write(self, rows: np.ndarray, maps: np.ndarray, file: int) -> None:
        if (maps.view(np.uint16) & _EXPONENT == _EXPONENT).any():  # isfinite, which is slow in half precision
            raise UserError(f"{self.folder}: a map does not fit half precision; freeze another stage.")
        try:
            for row, values in zip(rows.tolist(), maps, strict=True):
                content = memoryview(np.ascontiguousarray(values)).cast("B")
                done = 0
                while done < self.bytes:
                    done += os.pwrite(file, content[done:], row * self.bytes + done)
        except OSError as error:
            full = self._full("the disk is full; the maps made so far are kept")
            raise _explained(error, self.folder, full) from error
        self._sums[rows] = [_sum(values) for values in maps]

    def _open(self) -> None:
        """Maps the files into memory; makes them, or makes them longer, where that has to be."""
        if self._maps is not None and (self.folder / "claims").is_file():
            return  # else the folder has been deleted since
        folder_for(self.folder)
        try:
            (self.folder / "claims").touch()
            with (self.folder / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not (self.folder / "about.json").is_file():
                    (self.folder / "about.json").write_text(self.about)
                with (self.folder / "maps").open("ab") as file:
                    os.truncate(file.fileno(), max(self.rows * self.bytes, file.tell()))
                with (self.folder / "sums").open("ab") as file:  # written, not truncated to: no row may lack its space
                    file.write(bytes(max(0, 8 * self.rows - file.tell())))
        except OSError as error:
            raise _explained(error, self.folder, self._full("the disk is full")) from error
        self._checked[:] = False
        self._sums = np.memmap(self.folder / "sums", np.uint64, "r+", shape=(self.rows,))
        self._maps = np.memmap(self.folder / "maps", np.float16, "r", shape=(self.rows, *self.shape))

    def _full(self, what: str) -> str:
        return (
            f"{self.folder}: {what}. Free space, let REPRODUCIBLE_CACHE name a folder on another disk, or run without"
            " frozen stages."
        )


def kept() -> int:
    """Bytes on the disk that maps take in the cache."""
    return sum(512 * file.stat().st_blocks for file in (cache_dir() / "maps").glob("*/*"))


@contextmanager
def _claimed(claims: int, rows: np.ndarray, sums: np.ndarray) -> Iterator[np.ndarray]:
    """At most :data:`CHUNK` of these rows that are missing and that no other process computes, locked until the end."""
    mine: list[int] = []
    try:
        for row in rows.tolist():
            try:
                fcntl.lockf(claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
                continue
            mine.append(row)
            if sums[row]:  # computed by another process just before
                fcntl.lockf(claims, fcntl.LOCK_UN, 1, mine.pop())
            if len(mine) == CHUNK:
                break
        yield np.array(mine, np.int64)
    finally:
        for row in mine:
            fcntl.lockf(claims, fcntl.LOCK_UN, 1, row)


def _sum(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values)) | _THERE


def _explained(error: OSError, folder: Path, full: str) -> UserError:
    return UserError(full) if error.errno in (errno.ENOSPC, errno.EDQUOT) else disk_error(folder, error)
