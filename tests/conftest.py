"""What all tests share: one thread, a torchvision that imports, the folder of further data; a run cache for each of
several test processes, since no two processes work on one run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from reproducible._torchvision import ensure_torchvision
from reproducible.resources import cache_dir, external_data

torch.set_num_threads(1)
ensure_torchvision()


def pytest_configure() -> None:
    """A worker of pytest-xdist and the kernels that it starts share the prepared data with the others, not the runs."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return
    shared = cache_dir()
    own = shared / worker
    own.mkdir(parents=True, exist_ok=True)
    (shared / "stores").mkdir(exist_ok=True)
    (own / "stores").unlink(missing_ok=True)
    (own / "stores").symlink_to((shared / "stores").resolve())
    os.environ["REPRODUCIBLE_CACHE"] = str(own)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that REPRODUCIBLE_DATA names; the test is skipped where it names none."""
    folder = external_data()
    if folder is None:
        pytest.skip("needs further data sets or weights: set REPRODUCIBLE_DATA to their folder")
    return folder
