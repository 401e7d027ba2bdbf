"""A variant of two images a class, rendered once for all tests that look at a whole store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from reproducible.data.manifest import load_manifest
from reproducible.data.store import Store, prepare
from reproducible.resources import manifests

MINI: dict[str, Any] = {
    "title": "Few glyphs",
    "plan": "crossed",
    "images": {"image": 2},
    "protocols": {"all_to_all": [["image"], ["image"]]},
    "half": 20,
    "seed": 1,
    "difficulty": {"occlusion": 0.6},
    "fingerprint": "unknown",
}


def write_variants(folder: Path, **variants: dict[str, Any]) -> Path:
    """A file of variants like the one that ships; returns the path whose stem is the first variant's name."""
    content = yaml.safe_load((manifests() / "glyphs.yaml").read_text())
    content["variants"] = variants
    path = folder / f"{next(iter(variants))}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="session")
def mini_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("glyphs")


@pytest.fixture(scope="session")
def mini(mini_cache: Path) -> Store:
    """800 images: all classes of the benchmark, two of each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REPRODUCIBLE_CACHE", str(mini_cache / "cache"))
        return prepare(load_manifest(write_variants(mini_cache, mini=MINI)), progress=False)
