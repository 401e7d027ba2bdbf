"""Who is trained, validated and tested on is part of a run's name, where it is not as the data set ships."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from reproducible.config import DataConfig, RunConfig
from reproducible.data import division as module
from reproducible.data.division import SHIPPED, division, identity
from reproducible.data.manifest import load_manifest, manifest_names
from reproducible.data.photographs.folder import describe
from reproducible.data.photographs.plan import Halves
from reproducible.data.splits import split
from reproducible.data.store import prepare
from reproducible.training.runner import run_digest


@pytest.mark.parametrize("name", manifest_names())
def test_data_sets_that_ship_are_named_by_their_fingerprint_alone(name: str) -> None:
    """A change of a division that ships would make all its records those of other runs: it is a new one, then."""
    assert division(load_manifest(name)) == SHIPPED[name]
    store: Any = SimpleNamespace(name=name, fingerprint="f" * 64, protocols=load_manifest(name).protocols)
    assert identity(store) == "f" * 64
    store.name = f"{name}@side=64"
    if name not in ("groceries",) and not name.startswith("glyphs"):
        assert identity(store) == "f" * 64


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("groceries", lambda m: {"validation": replace(m.validation, seed=1)}),
        ("groceries", lambda m: {"validation": replace(m.validation, classes=12)}),
        ("groceries", lambda m: {"validation": replace(m.validation, ids=(0, 39))}),
        ("groceries", lambda m: {"kinds": {**m.kinds, "fruit": (0, 26), "carton": (27, 58)}}),
        ("groceries", lambda m: {"protocols": dict(reversed(m.protocols.items()))}),
        ("groceries", lambda m: {"protocols": {**m.protocols, "photo_to_iconic": (("test",), ("iconic",))}}),
        ("cub100_cropped", lambda m: {"validation": replace(m.validation, classes=2)}),
        ("cub100_cropped", lambda m: {"validation": replace(m.validation, seed=1)}),
        ("glyphs", lambda m: {"variant": replace(m.variant, half=19)}),
    ],
)
def test_another_division_is_another_run(name: str, change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = load_manifest(name)
    other = replace(manifest, **change(manifest))
    monkeypatch.setattr(module, "load_manifest", lambda _: other)
    store: Any = SimpleNamespace(name=name, fingerprint="f" * 64, protocols=other.protocols)
    found = identity(store)
    assert found == f"{'f' * 64}+{division(other)}"
    assert found != "f" * 64


def test_own_photographs_with_other_validation_classes_are_another_run(photographs: Any) -> None:
    """The same images, in the same store: two of the training classes held out, then three."""
    folder, named = photographs(10), {}
    for held_out in (2, 3, 2):
        describe(folder, Halves("first_half"), "mine", side=32, validation=held_out)
        store = prepare("mine")
        assert len(split(store, "half").validation) == held_out
        digest = run_digest(RunConfig(data=DataConfig(name="mine", split="half")), store)
        named.setdefault(held_out, set()).add((digest, store.fingerprint))
    two, three = (names.pop() for names in named.values() if len(names) == 1)
    assert two[0] != three[0]
    assert two[1] == three[1]
