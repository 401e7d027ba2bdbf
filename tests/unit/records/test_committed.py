"""What is committed: rescores to what it states, is small, and is what would be run today."""

from __future__ import annotations

import pytest
from declared import arms_of

from reproducible import records, registry
from reproducible.resources import manifests
from reproducible.studies import STUDIES
from reproducible.studies.recorded import examine
from reproducible.verdicts.criteria import load_claims, standing


@pytest.mark.parametrize("name", records.committed())
def test_records_give_the_metrics_they_state_and_are_up_to_date(name: str) -> None:
    report = examine(name)
    assert report.wrong == ()
    assert report.outdated == ()
    assert report.records
    assert report.kept == (0 if name.endswith("_tuning") else report.records)


def test_records_are_small() -> None:
    sizes = [path.stat().st_size for path in (manifests() / "records").rglob("*") if path.is_file()]
    assert sum(sizes) < 16e6
    assert max(sizes) < 0.5e6, "adding a run rewrites a small file"


def test_arms_that_no_criterion_reads_keep_first_matches() -> None:
    for name in STUDIES:
        asked = [c for claim in load_claims().claims for c in claim.criteria if c.get("study") == name]
        read = {arm for criterion in asked for arm in arms_of(criterion)}
        assert standing(name).arms == read
        for record in records.load(name):
            assert record["arm"] in read or "first" in record["selected"], record["arm"]


def test_raised_version_makes_the_records_of_its_arms_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: records.load(name) for name in ("deml", "baseline")}
    entry = registry.REGISTRY["model"]["deml"]
    monkeypatch.setitem(registry.REGISTRY["model"], "deml", registry.Entry(entry.target, version=2))
    for record in known["deml"]:
        uses = "model/deml" in record["versions"]
        assert records.stale(record) == ("model/deml is at version 2, was 1" if uses else "")
    assert not any(map(records.stale, known["baseline"]))
    assert sum("model/deml" in record["versions"] for record in known["deml"]) >= 50
