"""What this machine has and what will be used, for ``reproducible doctor``."""

from __future__ import annotations

import importlib.metadata as metadata
import sys
from typing import Any

import torch

from reproducible.backbones.published import weights_found
from reproducible.data.manifest import load_manifest, manifest_names
from reproducible.data.maps import kept
from reproducible.data.store import state
from reproducible.evaluation.engines import faiss_if_installed, fastest
from reproducible.resources import UserError, cache_dir, checked_asset, external_data, manifests, shipped
from reproducible.studies.running import default_workers
from reproducible.training.devices import choose_device, choose_precision, hardware
from reproducible.training.selfcheck import Agreement, Side, compare_all

PACKAGES = (
    *("reproducible", "torch", "torchvision", "numpy", "pillow"),
    *("faiss-cpu", "timm", "papermill", "jupyter-book"),
)


def facts() -> dict[str, Any]:
    """Versions, devices, memory, shipped files, weights and data sets, by the name they are shown under."""
    device = choose_device()
    found: dict[str, Any] = {"python": sys.version.split()[0]}
    found |= {package: _version(package) for package in PACKAGES}
    found["device"] = f"{device}, trunks at profile large in {choose_precision(device)}"
    found |= hardware()
    found["neighbour search"] = neighbour_search(device)
    found["cores, threads"] = f"{default_workers()}, {torch.get_num_threads()}"
    found["shipped files"] = ", ".join(_state(name) for name in shipped())
    found["weights found"] = ", ".join(f"{name}: {path or 'not here'}" for name, path in weights_found().items())
    found["data sets"] = ", ".join(f"{name} ({state(load_manifest(name))})" for name in manifest_names())
    found["prepared stores and runs"] = cache_dir()
    found["cached maps"] = f"{kept() / 1e9:.1f} GB in {cache_dir() / 'maps'}"
    found["records"] = manifests() / "records"
    found["further data"] = external_data() or "none (set REPRODUCIBLE_DATA to a folder that holds it)"
    return found


def neighbour_search(device: torch.device) -> str:
    """What searches neighbours among embeddings on a device, and what would be faster where something would."""
    faiss = faiss_if_installed()
    if fastest(device) == "faiss":
        return f"faiss {faiss.__version__}"
    wanting = "; faiss, which is not installed, finds the same neighbours faster" if device.type == "cpu" else ""
    return f"torch on {device.type}{wanting}"


def agreements() -> list[Agreement]:
    """How far CPU and GPU agree on every component; empty where there is no GPU."""
    device = choose_device()
    return [] if device.type == "cpu" else list(compare_all(Side(torch.device("cpu")), Side(device)))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _state(name: str) -> str:
    try:
        return f"{checked_asset(name).name} ok"
    except UserError as error:
        return str(error)
