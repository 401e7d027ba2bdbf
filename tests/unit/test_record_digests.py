"""The committed records keep their names: their configurations still give the digests that they are called by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reproducible import records, registry
from reproducible.config import RunConfig, digest, from_dict
from reproducible.data.manifest import load_manifest, manifest_names

FILES = records.committed()


@pytest.mark.parametrize("name", FILES)
def test_digests_of_committed_records(name: str) -> None:
    found = records.load(name)
    assert found
    for record in found:
        config = from_dict(RunConfig, record["config"])
        again = digest(config, data=record["data"], weights=record["weights"], versions=record["versions"])
        assert again == record["digest"], record["arm"]
        assert not records.stale(record), f"{record['arm']}: run it again, or undo what raised the version"


@pytest.mark.parametrize("name", FILES)
def test_committed_records_were_run_on_a_data_set_that_ships(name: str) -> None:
    known = {load_manifest(data).fingerprint for data in manifest_names()}
    assert {record["data"] for record in records.load(name)} <= known


@pytest.mark.parametrize("kind", ["sampler", "augmentation", "measure"])
def test_raised_versions_of_kinds_that_joined_later_are_noticed(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Their first versions are in no record; their second are in what runs that use them would be called today."""
    found = records.load("vem")
    used = {"sampler": "pk", "augmentation": "window", "measure": "gate"}[kind]
    raised = replace(registry.entry(kind, used), version=2)
    monkeypatch.setitem(registry.REGISTRY[kind], used, raised)
    measured = ["gate" in record["config"]["evaluation"].get("measures", ()) for record in found]
    assert any(measured) and not all(measured)
    for record, measures in zip(found, measured, strict=True):
        uses = kind != "measure" or measures
        assert records.stale(record) == (f"{kind}/{used} is at version 2, was 1" if uses else "")
