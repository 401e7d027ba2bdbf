"""Variants of the glyphs with few images, described by files like the one that ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

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
"""800 images: all classes of the benchmark, two of each."""


def write_variants(folder: Path, **variants: dict[str, Any]) -> Path:
    """Writes a file of variants; its stem is the first one's name."""
    content = yaml.safe_load((manifests() / "glyphs.yaml").read_text())
    content["variants"] = variants
    path = folder / f"{next(iter(variants))}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path
