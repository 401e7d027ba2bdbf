"""Where the package's own files, the cache and the user's data are, and the error a user can act on.

Imports nothing heavy: the command line and the workflow read paths with this module alone.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


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
    """SHA-256 of each file that ships, by name."""
    return {name: digest for digest, name in (line.split() for line in asset("SHA256SUMS").read_text().splitlines())}


def checked_asset(name: str) -> Path:
    """Path of a file that ships, once its SHA-256 is as the package's list of digests says.

    Raises:
        UserError: if it is missing, truncated or another file.
    """
    path = asset(name)
    digests = shipped()
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != digests[name]:
        raise UserError(
            f"{path}: wrong checksum. SHA-256 expected {digests[name]}, found {found} ({path.stat().st_size} bytes). "
            "It belongs to the package: install it again."
        )
    return path


def manifests() -> Path:
    """The folder ``data_manifests``: beside the package in a checkout, inside it in an installed wheel."""
    inside = _PACKAGE / "_manifests"
    return inside if inside.is_dir() else _PACKAGE.parent / "data_manifests"


def cache_dir() -> Path:
    """The folder for prepared data and runs, created: ``$REPRODUCIBLE_CACHE``; else ``_build/cache`` of the checkout
    that the package lies in, as for ``make``; else ``~/.cache/reproducible``."""
    checkout = _PACKAGE.parent
    home = checkout / "_build" / "cache" if (checkout / "Makefile").is_file() else Path.home() / ".cache/reproducible"
    path = Path(os.environ.get("REPRODUCIBLE_CACHE") or home).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


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
    """`` Did you mean 'x'? Known: ...`` for a name that is not known; a leading space, never empty."""
    known = sorted(known)
    close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return (f" Did you mean {close[0]!r}?" if close else "") + f" Known: {', '.join(known)}."


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
