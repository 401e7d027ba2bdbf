"""The book, built once a session from the committed notebooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from reproducible.report.build import ROOT, assemble, build


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the pages of a strict build."""
    folder = tmp_path_factory.mktemp("book")
    assemble(ROOT / "notebooks", folder / "src")
    return build(folder / "src", folder / "out").parent
