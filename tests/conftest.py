"""What all tests share: one thread, a torchvision that imports, and the folder of further data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reproducible._torchvision import ensure_torchvision
from reproducible.resources import external_data

torch.set_num_threads(1)
ensure_torchvision()


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder that REPRODUCIBLE_DATA names; the test is skipped where it names none."""
    folder = external_data()
    if folder is None:
        pytest.skip("needs further data sets or weights: set REPRODUCIBLE_DATA to their folder")
    return folder
