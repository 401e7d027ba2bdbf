"""Where the package's own files, the cache and the user's data are, and the error a user can act on.

Imports nothing heavy: the command line and the workflow read paths with this module alone.
"""

from __future__ import annotations

import difflib
import errno
import hashlib
import math
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent

DEVICES = ("auto", "cpu", "cuda")
_SHOWN = 10  # names in a message
_FULL = (errno.ENOSPC, errno.EDQUOT)
_ELSEWHERE = "Let REPRODUCIBLE_CACHE name a folder that can be written."


class UserError(Exception):
    """A problem that the user can mend; its message says what is wrong, where, and what to do."""


def asset(name: str) -> Path:
    """Path of a file that ships in ``reproducible/assets``.

    Raises:
        UserError: if there is no such file, with the nearest name.
    """
    path = _PACKAGE / "assets" / name
    if not path.is_file():
        known = [p.name for p in path.parent.glob("*") if p.suffix != ".md"]
        raise UserError(f"{path}: the package ships no such file.{nearest_name(name, known)}")
    return path


def shipped() -> dict[str, str]:
    """SHA-256 of each file that ships, by name.

    Raises:
        UserError: if the list of them is missing or damaged.
    """
    path = asset("SHA256SUMS")
    try:
        return {name: digest for digest, name in (line.split() for line in path.read_text().splitlines())}
    except ValueError as error:
        raise UserError(f"{path}: cannot be read as a list of digests. Install the package again.") from error


def checked_asset(name: str) -> Path:
    """Path of a file that ships, once its SHA-256 is as the package's list of digests says.

    Raises:
        UserError: if it is missing, truncated or another file.
    """
    path = asset(name)
    digests = shipped()
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != (expected := digests.get(name)):
        raise UserError(
            f"{path}: wrong checksum. SHA-256 expected {expected}, found {found} ({path.stat().st_size} bytes). "
            "It belongs to the package: install it again."
        )
    return path


def manifests() -> Path:
    """The folder ``data_manifests``: beside the package in a checkout, inside it in an installed wheel."""
    inside = _PACKAGE / "_manifests"
    return inside if inside.is_dir() else _PACKAGE.parent / "data_manifests"


def cache_dir() -> Path:
    """The folder for prepared data and runs: ``$REPRODUCIBLE_CACHE``; else ``_build/cache`` of the checkout that the
    package lies in, as for ``make``; else ``~/.cache/reproducible``. Whoever writes there makes it, so that reading
    makes nothing.

    Raises:
        UserError: if something that is not a folder has its name.
    """
    checkout = _PACKAGE.parent
    home = checkout / "_build" / "cache" if (checkout / "Makefile").is_file() else Path.home() / ".cache/reproducible"
    path = Path(os.environ.get("REPRODUCIBLE_CACHE") or home).resolve()
    if path.exists() and not path.is_dir():
        raise UserError(f"{path}: is not a folder, so nothing can be kept there. {_ELSEWHERE}")
    return path


def disk_error(path: Path, error: OSError, needed: float = 0, left: str = "") -> UserError:
    """What a file or folder that cannot be made or written is reported with.

    Args:
        path: of the file or folder.
        error: what the system says.
        needed: bytes that have to be free, where they are known.
        left: what is left in its place, as ``nothing was changed``.
    """
    after = f"; {left}" if left else ""
    remedy = f" {_ELSEWHERE}" if path.resolve().is_relative_to(cache_dir()) else ""
    if error.errno in _FULL:
        size = f", {math.ceil(needed / 1e6)} MB are needed" if needed else ""
        return UserError(f"{path}: disk full{size}{after}. Free space.{remedy}")
    return UserError(f"{path}: cannot be written ({error.strerror or error}){after}.{remedy}")


def folder_for(path: Path) -> Path:
    """A folder, made with those above it.

    Raises:
        UserError: if it cannot be.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(path, error) from error
    return path


def writable(path: Path) -> Path:
    """A folder, made with those above it, in which a file has been made to see that it can be.

    Raises:
        UserError: if it cannot be, before anything is computed for it.
    """
    try:
        with tempfile.TemporaryFile(dir=folder_for(path)):
            return path
    except OSError as error:
        raise disk_error(path, error) from error


def external_data() -> Path | None:
    """The folder of further data sets and weights that ``$REPRODUCIBLE_DATA`` names, or None.

    Raises:
        UserError: if the variable names something that is not a folder.
    """
    named = os.environ.get("REPRODUCIBLE_DATA")
    if not named:
        return None
    path = Path(named).resolve()
    if not path.is_dir():
        raise UserError(f"REPRODUCIBLE_DATA names {path}, which is not a folder.")
    return path


def nearest_name(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'? Known: ...`` for a name that is not known, with the ten nearest ones; a leading space, never
    empty."""
    known = sorted(set(known))
    if not known:
        return " There is none."
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    shown = sorted(difflib.get_close_matches(str(name), known, n=_SHOWN, cutoff=0.0))
    more = f" and {len(known) - len(shown)} more" if len(known) > len(shown) else ""
    return (f" Did you mean {close[0]!r}?" if close else "") + f" Known: {', '.join(shown)}{more}."


def check_device(name: object) -> None:
    """Check the name of a device.

    Raises:
        UserError: if it is none of :data:`DEVICES`, the last with a number or without.
    """
    if not (isinstance(name, str) and re.fullmatch(r"auto|cpu|cuda(:\d+)?", name)):
        raise UserError(f"There is no device {name!r}.{nearest_name(str(name), DEVICES)}")


def check_keys(mapping: object, known: Iterable[str], required: Iterable[str], where: str) -> None:
    """Check that something read from a file is a mapping with the right keys.

    Args:
        mapping: what was read.
        known: all keys it may have.
        required: those it must have.
        where: file, and place in it, for the message.

    Raises:
        UserError: naming ``where`` and the key, with the nearest known one.
    """
    if not isinstance(mapping, dict):
        raise UserError(f"{where}: must be a mapping of keys, found {mapping!r}.")
    known = list(known)
    for key in mapping:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}.{nearest_name(str(key), known)}")
    for key in required:
        if key not in mapping:
            raise UserError(f"{where}: the key {key!r} is missing.")
