"""Files of pretrained weights: where they come from, how they are read, and that they fit.

A file is looked for under its name in the folder of further data (``REPRODUCIBLE_DATA``), then among the prepared data
in the cache; only then is it downloaded, if its publisher's address is known. What is downloaded is checked against
the digits of the SHA-256 that its publisher states before it gets its name. The digest of a run holds the SHA-256 of
the file, not where it lies.
"""

from __future__ import annotations

import hashlib
import pickle
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from reproducible.backbones.caffemodel import read_caffemodel
from reproducible.resources import UserError, cache_dir, external_data, folder_for, nearest_name


@dataclass(frozen=True)
class Source:
    """Weights that somebody publishes.

    Attributes:
        file: name that the file has here.
        url: where it can be downloaded.
        sha256: leading hexadecimal digits of its SHA-256, as far as its publisher states them.
    """

    file: str
    url: str
    sha256: str = ""

    def path(self) -> Path:
        """The file, downloaded if it is not at hand.

        Raises:
            UserError: if it cannot be downloaded, saying what to put where; if its SHA-256 is another.
        """
        found = self.at_hand()
        if found is None:
            return self._download()
        self._check(found)
        return found

    def at_hand(self) -> Path | None:
        """The file if it is here already, unchecked."""
        return _at_hand(self.file)

    def _download(self) -> Path:
        target = folder_for(_kept()) / self.file
        unchecked = f"unchecked-{self.file}"
        try:
            import pooch

            pooch.retrieve(self.url, known_hash=None, fname=unchecked, path=target.parent)
        except (ImportError, OSError, ValueError) as error:
            places = " or ".join(str(folder / self.file) for folder in _folders())
            raise UserError(
                f"Weights {self.file} are not at hand and cannot be downloaded here ({error}). Fetch {self.url} on a "
                f"machine with a network and put it at {places}."
            ) from error
        path = target.parent / unchecked
        try:
            self._check(path)
            if not self.sha256:  # a page that says something else in its place must not be kept
                read_tensors(path)
        except UserError as error:
            path.unlink()
            raise UserError(f"{error} From {self.url}; it is not kept.") from error
        return path.rename(target)

    def _check(self, path: Path) -> None:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if not found.startswith(self.sha256):
            raise UserError(f"{path}: wrong checksum. SHA-256 expected {self.sha256}..., found {found} ({self.url}).")


def chosen(weights: str) -> Path:
    """The file that a backbone's option ``weights`` names.

    Args:
        weights: path of a file; or its name, if it lies in the folder of further data or in the cache; or
            ``https://...#sha256=DIGITS``.

    Raises:
        UserError: if there is no such file, or the address comes without a hash.
    """
    if re.match(r"https?://", weights):
        url, _, fragment = weights.partition("#")
        if not re.fullmatch(r"sha256=[0-9a-f]{8,64}", fragment):
            raise UserError(f"weights {weights!r}: an address needs its hash: {url}#sha256=DIGITS (8 or more).")
        return Source(url.rpartition("/")[2], url, fragment.removeprefix("sha256=")).path()
    path = Path(weights).expanduser()
    found = path if path.is_file() else _at_hand(weights)
    if found is None:
        places = ", ".join(str(folder) for folder in _folders())
        raise UserError(f"weights {weights!r}: no such file; looked there and in {places}.")
    return found


def _kept() -> Path:
    return cache_dir() / "weights"


def _folders() -> list[Path]:
    return [folder for folder in (external_data(), _kept()) if folder]


def _at_hand(name: str) -> Path | None:
    return next((folder / name for folder in _folders() if (folder / name).is_file()), None)


def _npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive.files}


def _pth(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own text advises to unpickle the file without a check
        raise UserError(
            f"{path}: damaged, or holds more than tensors, which is not unpickled here. Save the tensors alone, as "
            "torch.save(model.state_dict(), FILE)."
        ) from error
    return _unwrapped(found, path)


def _unwrapped(found: object, path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, which may lie beside an optimiser's state and other things."""
    if not isinstance(found, Mapping):
        raise UserError(f"{path}: holds a {type(found).__name__}, not tensors by name.")
    tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
    inner = {str(name): value for name, value in found.items() if isinstance(value, Mapping)}
    holding = [name for name, value in inner.items() if any(isinstance(one, Tensor) for one in value.values())]
    usual = [name for name in _WRAPPERS if name in inner]
    if usual or (not tensors and len(holding) == 1):
        return _unwrapped(inner[usual[0] if usual else holding[0]], path)
    if not tensors:
        said = f"of tensors under {_some(holding)}" if holding else f"of {_some(map(str, found))}"
        raise UserError(f"{path}: holds no tensors by name but a mapping {said}; save those of the network alone.")
    return tensors


def _some(names: Iterable[str]) -> str:
    """Three names, and how many more there are."""
    shown = [repr(name) for name in names]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return (", ".join(shown[:3]) or "nothing") + more


_WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "module")
"""Keys that the tensors of a network are kept under, the most telling first."""
_BESIDE = re.compile(
    r"_?fc\b|classifier\b|heads?\b|head_dist\b|last_linear\b|logits\b|aux\w*|AuxLogits\b|loss\d_\w+|.*num_batches_tracked$"
)
"""Tensors that belong to a network and not to its trunk: classifiers, auxiliary heads, counters."""
_READERS: Mapping[str, Callable[[Path], dict[str, Tensor]]] = {
    ".caffemodel": read_caffemodel,
    ".npz": _npz,
    ".pt": _pth,
    ".pth": _pth,
    ".safetensors": load_file,
}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a file by name; nothing in it is executed.

    Raises:
        UserError: if the file is missing, damaged, or of a kind that is not known.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file of weights.")
    if path.suffix not in _READERS:
        raise UserError(f"{path}: weights cannot be read from this kind of file.{nearest_name(path.suffix, _READERS)}")
    try:
        return _READERS[path.suffix](path)
    except UserError:
        raise
    except Exception as error:  # whatever a library raises that reads a file with a wrong byte
        raise UserError(f"{path}: damaged, or no file of weights ({type(error).__name__}: {error}).") from error


def fitted(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: object) -> dict[str, Tensor]:
    """The tensors that ``wanted`` names, in its types.

    A prefix that all of them have in the file, such as ``module.``, is taken off; what lacks it belongs to other
    parts of a larger model and is left out. So are a classifier, auxiliary heads and counters.

    Raises:
        UserError: if one is missing or has another shape; if there are tensors of a network that goes on; if the file
            holds several such networks. Names the tensors and ``source``.
    """
    prefix = _prefix(wanted, tensors, source)
    inside = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    for name, own in wanted.items():
        shape = tuple(own.shape)
        if name not in inside:
            raise UserError(f"{source}: has no tensor {name!r} of shape {shape}; it has {_some(tensors)}.")
        if tuple(inside[name].shape) != shape:
            found = tuple(inside[name].shape)
            raise UserError(f"{source}: tensor {name!r} should have shape {shape}, found {found}.")
    surplus = [name for name in inside if name not in wanted and not _BESIDE.match(name)]
    if surplus:
        raise UserError(
            f"{source}: is of another network; of its {len(inside)} tensors, {len(surplus)} have no place in this one: "
            f"{_some(surplus)}."
        )
    return {name: inside[name].to(own.dtype) for name, own in wanted.items()}


def _prefix(wanted: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: object) -> str:
    """What stands before the names of a network in a file; empty where nothing does, or the network is not there."""
    if all(name in tensors for name in wanted) or not wanted:
        return ""
    first = next(iter(wanted))
    ends = [name.removesuffix(first) for name in tensors if name.endswith(f".{first}")]
    whole = [prefix for prefix in ends if all(prefix + name in tensors for name in wanted)]
    if len(whole) > 1:
        raise UserError(f"{source}: holds {len(whole)} networks, under {_some(whole)}; save the one that is meant.")
    return whole[0] if whole else ends[0] if len(ends) == 1 else ""
