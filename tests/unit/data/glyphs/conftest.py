"""A small variant, rendered once for all tests that look at a whole store."""

from __future__ import annotations

from pathlib import Path

import pytest
from few_glyphs import MINI, write_variants

from reproducible.data.manifest import load_manifest
from reproducible.data.store import Store, prepare


@pytest.fixture(scope="session")
def mini_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glyphs")


@pytest.fixture(scope="session")
def mini(mini_cache: Path) -> Store:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRODUCIBLE_CACHE", str(mini_cache / "cache"))
        return prepare(load_manifest(write_variants(mini_cache, mini=MINI)), progress=False)
