"""Whole stores: the same whoever renders them, and what a difference is called."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
from few_glyphs import MINI, write_variants

from reproducible.data.archive import read_image
from reproducible.data.glyphs import source
from reproducible.data.glyphs.alphabet import Glyph
from reproducible.data.glyphs.plan import glyphs_of
from reproducible.data.glyphs.render import Difficulty, render
from reproducible.data.hashes import fingerprint_of
from reproducible.data.manifest import GlyphManifest, load_manifest, manifest_names, read_index
from reproducible.data.store import Store, prepare, store_folder, verify
from reproducible.resources import UserError, cache_dir

SMALL = {**MINI, "images": {"image": 1}, "side": 32}
"""400 images of 32 pixels."""


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GlyphManifest:
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("REPRODUCIBLE_PROGRESS", "0")
    return load_manifest(write_variants(tmp_path, small=SMALL))


def test_store_holds_what_render_gives_alone(mini: Store, mini_cache: Path) -> None:
    variant = load_manifest(mini_cache / "mini.yaml").variant
    glyphs = glyphs_of(variant)
    for i in (0, 1, 402, 799):
        assert mini.class_names[mini.labels[i]] == glyphs[i // 2].label
        alone = render(glyphs[i // 2], i % 2, variant.seed, variant.side, variant.difficulty)
        stored = (mini.images[i], mini.masks[i], mini.boxes[i], mini.attributes[i])
        for ours, theirs in zip(alone, stored, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_any_number_of_processes_gives_the_same_store(
    small: GlyphManifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    alone = prepare(small)
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(source, "_AT_ONCE", 150)
    monkeypatch.setattr(source, "fill", lambda *_: pytest.fail("rendered by the caller"))
    together = prepare(small, workers=3)
    assert alone.fingerprint == together.fingerprint
    for name in source.shapes(small.variant):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))


def test_process_that_fails_is_reported_and_leaves_nothing(
    small: GlyphManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "_AT_ONCE", 300)
    monkeypatch.setenv("PYTHONHASHSEED", "no number")  # an interpreter does not start with this
    with pytest.raises(UserError, match=r"rendering images 0 to 300 failed: .*PYTHONHASHSEED"):
        prepare(small)
    assert not [p for p in (cache_dir() / "stores").iterdir() if p.suffix != ".lock"]


def test_verify(small: GlyphManifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal; different with the pinned software; different with another FreeType."""
    found = prepare(small).fingerprint
    good = dataclasses.replace(small, fingerprint=found)
    report = verify(good, progress=False)
    assert report.ok and report.images == 400 and not report.remarks
    monkeypatch.setattr(source, "fill", lambda *_: None)  # all black, and quicker
    report = verify(good, progress=False)
    assert not report.ok and f"the manifest says {found}" in report.problems[0]
    elsewhere = dataclasses.replace(good, pin=dataclasses.replace(good.pin, freetype="2.0"))
    report = verify(elsewhere, progress=False)
    assert report.ok and not report.problems
    assert "rendered by other software" in report.remarks[0] and "pinned 2.0" in report.remarks[0]
    assert not list((cache_dir() / "stores").glob("*.verify"))


def test_fingerprint_covers_masks_boxes_and_attributes(small: GlyphManifest) -> None:
    prepare(small)
    folder, rows = store_folder(small), read_index(small)
    seen = {fingerprint_of(folder, rows)}
    for name in source.shapes(small.variant):
        array = np.load(folder / f"{name}.npy", mmap_mode="r+")
        array[-1] = 1 - array[-1]
        array.flush()
        seen.add(fingerprint_of(folder, rows))
    assert len(seen) == 5


def test_folder_depends_on_all_that_moves_pixels(small: GlyphManifest, monkeypatch: pytest.MonkeyPatch) -> None:
    from reproducible.data.glyphs import fonts, render

    folders = {store_folder(small)}
    for change in ({"seed": 9}, {"side": 48}, {"images": {"image": 3}}):
        folders.add(store_folder(dataclasses.replace(small, variant=dataclasses.replace(small.variant, **change))))
    monkeypatch.setattr(fonts, "versions", lambda: {"freetype": "2.0"})
    folders.add(store_folder(small))
    monkeypatch.setattr(render, "VERSION", 99)
    folders.add(store_folder(small))
    assert len(folders) == 6


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no data set 'glyphs-cluter-0'\. Did you mean 'glyphs-clutter-0'"):
        load_manifest("glyphs-cluter-0")
    with pytest.raises(UserError, match=r"no data set 'glyph'\. Did you mean 'glyphs'"):
        load_manifest("glyph")
    with pytest.raises(UserError, match=r"plan: there is no plan 'cross'\. Did you mean 'crossed'"):
        load_manifest(write_variants(tmp_path, odd={**MINI, "plan": "cross"}))
    with pytest.raises(UserError, match=r"odd: difficulty: unknown key 'cluter'\. Did you mean 'clutter'"):
        load_manifest(write_variants(tmp_path, odd={**MINI, "difficulty": {"cluter": 1}}))
    path = write_variants(tmp_path, odd=MINI)
    with pytest.raises(UserError, match=r"there is no variant 'other'\. Known: odd"):
        load_manifest(path.rename(tmp_path / "other.yaml"))
    with pytest.raises(UserError, match="has no archive to read from"):
        read_image("glyphs", "0000/000")


def test_shipped_variants() -> None:
    names = [name for name in manifest_names() if name.startswith("glyphs")]
    assert {"glyphs", "glyphs-instance", "glyphs-pretraining"} < set(names)
    fingerprints = [load_manifest(name).fingerprint for name in names]
    assert all(len(f) == 64 and int(f, 16) for f in fingerprints)
    assert len(set(fingerprints)) == len(names)
    manifest = load_manifest("glyphs")
    assert manifest.counts == {"image": 12000} and manifest.side == 64


def test_pixels_change_with_the_version_only() -> None:
    """With the pinned software these images are what they always were; new pixels need a new renderer version, which
    also renames the stores, and new fingerprints in the manifest."""
    if source.different_versions(load_manifest("glyphs").pin):
        pytest.skip("another FreeType, Pillow or font than the pinned one")
    total = hashlib.sha256()
    for index in range(12):
        level = Difficulty(clutter=index % 3, occlusion=0.5)
        for glyph in (
            Glyph("Ж", "acute", "dot below"),
            Glyph("g", "ring above"),
            Glyph("Ω", "", "cedilla"),
            Glyph("2"),
        ):
            for array in render(glyph, index, 7, difficulty=level):
                total.update(array.tobytes())
    assert total.hexdigest()[:16] == "2a3fb231f7f5e03c"
