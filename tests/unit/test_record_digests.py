"""The committed records keep their names: their configurations still give the digests that they are called by."""

from __future__ import annotations

import pytest

from reproducible import records
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


@pytest.mark.parametrize("name", FILES)
def test_committed_records_were_run_on_a_data_set_that_ships(name: str) -> None:
    known = {load_manifest(data).fingerprint for data in manifest_names()}
    assert {record["data"] for record in records.load(name)} <= known
