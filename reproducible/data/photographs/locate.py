"""Where the files of a data set are on this machine, and fetching those that can be fetched.

Explained on page: data-card.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reproducible.data.description import PhotoManifest
from reproducible.data.photographs.files import TARS
from reproducible.data.photographs.plan import Download, Source
from reproducible.data.photographs.tree import on_disk
from reproducible.resources import UserError, cache_dir, external_data

_RETRIES = 3


@dataclass(frozen=True)
class Located:
    """A source that is there, and where its files and its folder are."""

    source: Source
    places: tuple[Path, ...]

    def identify(self) -> tuple[list[dict[str, Any]], list[str]]:
        """Name, size and SHA-256 of each file, and a remark on each that is not the one the manifest describes."""
        described, remarks = [], []
        for file in self.source.files:
            path = next(place for place in self.places if place.name == file.asset)
            digests = {kind: _digest(path, kind) for kind in ("sha256", *(["md5"] if file.md5 else []))}
            described.append({"file": file.asset, "bytes": path.stat().st_size, "sha256": digests["sha256"]})
            for kind, expected in (("md5", file.md5), ("sha256", file.sha256)):
                if expected and digests[kind] != expected:
                    remarks.append(
                        f"{path}: another file than the official one ({kind} expected {expected}, found"
                        f" {digests[kind]}); used because structure and counts agree: a mirror."
                    )
        if self.source.folder:
            described.append({"folder": str(self.places[-1])})
        return described, remarks


def locate(manifest: PhotoManifest, fetch: bool) -> Located:
    """The first source of a data set that is complete here; otherwise the first that can be downloaded.

    Args:
        manifest: of the data set.
        fetch: whether to download what is missing.

    Raises:
        UserError: no source is here; it says what to put where.
    """
    for source in manifest.sources:
        places = [_find(manifest, file.asset) for file in source.files]
        if source.folder:
            places.append(_find(manifest, source.folder))
        if all(places):
            return Located(source, tuple(places))
    if fetch:
        for source in manifest.sources:
            if not source.folder and all(file.url or _find(manifest, file.asset) for file in source.files):
                places = [_find(manifest, file.asset) or download(file) for file in source.files]
                return Located(source, tuple(places))
    raise UserError(what_to_do(manifest))


def what_to_do(manifest: PhotoManifest) -> str:
    """What a reader can put where to have a data set."""
    lines = [f"Data set {manifest.name!r} is not here. It can come from one of these:"]
    for source in manifest.sources:
        lines.append(f"- {source.name}:" + (f" {source.note}" if source.note else ""))
        for file in source.files:
            size = f", {file.bytes / 1e6:,.0f} MB" if file.bytes else ""
            lines.append(f"    file {file.asset}{size}" + "".join(f"; {t}" for t in (file.url, file.how) if t))
        if source.folder:
            lines.append(f"    folder {source.folder}")
    where = [str(place) for place in _places(manifest)]
    lines.append(f"Put it into one of these folders: {', '.join(where)}.")
    if external_data() is None:
        lines.append("REPRODUCIBLE_DATA may name a folder of your own for data sets.")
    lines.append(f"Licence: {manifest.licence.name}. Origin: {manifest.origin}.")
    return "\n".join(lines)


def _places(manifest: PhotoManifest) -> list[Path]:
    if manifest.root is not None:
        return [manifest.root]
    named = external_data()
    mine = [] if named is None else [named, named / manifest.name]
    return [*mine, downloads()]


def downloads() -> Path:
    """The folder of the cache that downloads go to."""
    return cache_dir() / "downloads"


def _find(manifest: PhotoManifest, name: str) -> Path | None:
    return next((path for place in _places(manifest) if (path := place / on_disk(name)).exists()), None)


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest()


def download(file: Download) -> Path:
    """Fetches a file into the cache; an interrupted download goes on where it was.

    Raises:
        UserError: offline, refused, or another file than expected.
    """
    try:
        import pooch
    except ImportError as error:
        raise UserError(
            f"{file.url}: downloading needs pooch: install the extra 'analysis', or fetch it by other means and put it"
            f" into {downloads()}."
        ) from error
    known = f"md5:{file.md5}" if file.md5 else f"sha256:{file.sha256}" if file.sha256 else None
    shelf = pooch.create(
        path=downloads(),
        base_url="",
        registry={file.asset: known},
        urls={file.asset: file.url},
        retry_if_failed=_RETRIES,
    )
    try:
        path = Path(shelf.fetch(file.asset, downloader=_resuming))
    except ValueError as error:
        _part(file.asset).unlink(missing_ok=True)
        found = re.findall(r"[0-9a-f]{32,64}", str(error))
        digests = f" (expected {found[0]}, found {found[1]})" if len(found) > 1 else ""
        raise UserError(f"{file.url}: another file than expected{digests}. {_by_hand(file)}") from error
    except OSError as error:  # what requests raises is one
        raise UserError(f"{file.url}: cannot be downloaded ({error}). {_by_hand(file)}") from error
    if known is None and not _is_what_it_is_called(path):
        path.unlink()
        raise UserError(
            f"{file.url}: what came is no {path.suffix} file, a page of the server perhaps. {_by_hand(file)}"
        )
    return path


def _by_hand(file: Download) -> str:
    return (
        f"Fetch it by other means and put it into {downloads()} as {file.asset}; the same command then goes on. A file"
        " that you put there is taken as a mirror if its structure and counts agree."
    )


def _is_what_it_is_called(path: Path) -> bool:
    """Whether a file of no known digest is an archive if its name says so, and no web page whatever its name."""
    if path.suffix == ".zip":
        return zipfile.is_zipfile(path)
    if path.name.endswith(TARS):
        return tarfile.is_tarfile(path)
    with path.open("rb") as stream:
        return not re.match(rb"\s*<(!doctype|html|\?xml)", stream.read(200), re.IGNORECASE)


def _part(asset: str) -> Path:
    return downloads() / f"{asset}.part"


def _resuming(url: str, output_file: Any, shelf: Any) -> None:
    """Downloads into a part beside the final place, from where an earlier attempt ended, and hands it to pooch."""
    import requests

    from reproducible.progress import progress

    (asset,) = (name for name, known in shelf.urls.items() if known == url)
    part = _part(asset)
    have = part.stat().st_size if part.is_file() else 0
    with requests.get(url, headers={"Range": f"bytes={have}-"} if have else {}, stream=True, timeout=60) as answer:
        if answer.status_code == 416:  # it ended exactly at the end
            answer.close()
        else:
            answer.raise_for_status()
            mode = "ab" if answer.status_code == 206 else "wb"
            left = -(-int(answer.headers.get("Content-Length", 0)) // (1 << 20)) or None
            with part.open(mode) as stream:
                for block in progress(answer.iter_content(1 << 20), f"download {asset} (MB)", left):
                    stream.write(block)
                stream.flush()
                os.fsync(stream.fileno())
    shutil.move(part, output_file)
