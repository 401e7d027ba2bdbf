"""Carrying out a study: each record is written when it is there, and what is recorded is not run again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from whole_records import asked, whole

from reproducible import records, registry
from reproducible.config import RunConfig, from_dict
from reproducible.records import files
from reproducible.resources import UserError
from reproducible.studies import STUDIES, running
from reproducible.training import devices, runner

BASELINE = replace(STUDIES["baseline"], live=("u512-lact-printed", "u512"))


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[RunConfig]:
    """Training is replaced by a record of the right form; lists what was asked for."""
    seen: list[RunConfig] = []

    def execute_all(configs: list[RunConfig], *, profile: str, criteria: str, **_: Any) -> Iterator[dict[str, Any]]:
        for config in configs:
            seen.append(config)
            scores = [60.0 if config.optimiser.lr == 3e-5 else 40.0] * (config.steps // config.evaluation.every)
            yield whole(config, scores, profile=profile, criteria=criteria)

    monkeypatch.setattr(runner, "execute_all", execute_all)
    monkeypatch.setattr(running, "manifests", lambda: tmp_path)
    return seen


def test_records_are_written_one_by_one(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    trials("baseline-0")
    for number, record in enumerate(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path), start=1):
        assert len(records.load("baseline", tmp_path)) == number
        assert (record["profile"], record["criteria"]) == ("standard", asked("baseline").criteria), (
            "the criteria that stand are kept"
        )
    assert len(executed) == 30


def test_what_is_recorded_is_not_run_again(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    trials("baseline-0")
    several = running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path)
    for _ in range(7):
        next(several)
    done = [(r.arm, r.data.draw, r.seed) for r in executed[:7]]
    executed.clear()
    assert len(list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path))) == 23
    assert not set(done) & {(r.arm, r.data.draw, r.seed) for r in executed}
    executed.clear()
    assert list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path)) == []


def test_arm_that_changed_is_run_again(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    """Another trial won meanwhile: every record of the old values is replaced."""
    trials("baseline-0")
    assert len(list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path))) == 30
    trials("baseline-4")
    assert len(list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path))) == 30
    assert {from_dict(RunConfig, r["config"]).optimiser.lr for r in records.load("baseline", tmp_path)} == {3e-4}


def test_arm_whose_components_changed_is_run_again(
    trials: Any, executed: list[RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss with a higher behaviour version: every record of the arms that use it is replaced, and no other."""
    trials("baseline-0")
    assert len(list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path))) == 30
    entry = registry.REGISTRY["loss"]["activation_decay"]
    monkeypatch.setitem(registry.REGISTRY["loss"], "activation_decay", replace(entry, version=entry.version + 1))
    executed.clear()
    again = list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path))
    assert {record["arm"] for record in again} == {"u512-lact-printed", "u512-lact-tuned", "u64-lact-tuned"}
    assert all(record["versions"]["loss/activation_decay"] == entry.version + 1 for record in again)
    assert len(records.load("baseline", tmp_path)) == 30
    assert list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path)) == []


def test_with_deml_at_version_2_its_arms_are_wanted_and_today_nothing_is(
    executed: list[RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the committed records; nothing is written."""
    deml = STUDIES["deml"]
    monkeypatch.setattr(running, "_take_over", lambda *_: None)
    recorded = {records.key_of(r) for r in records.load("deml")}

    def wanted() -> set[str]:
        runs = running.carry_out(deml, "standard", standing=asked, keep=False)
        return {record["arm"] for record in runs if records.key_of(record) in recorded}

    assert wanted() == set()
    entry = registry.REGISTRY["model"]["deml"]
    monkeypatch.setitem(registry.REGISTRY["model"], "deml", replace(entry, version=2))
    tier = {arm.name for arm in deml.arms if arm.tier == "A"} & {arm for arm, *_ in recorded}
    assert wanted() == {name for name in tier if deml.config(name, 0).model.name == "deml"}


@pytest.mark.parametrize("profile", ["smoke", "quick"])
def test_only_the_profile_of_the_study_writes_records(
    trials: Any, executed: list[RunConfig], tmp_path: Path, profile: str
) -> None:
    trials("baseline-0")
    assert list(running.carry_out(BASELINE, profile, standing=asked, folder=tmp_path / "records"))
    assert records.load("baseline", tmp_path / "records") == []


def test_quick_waits_for_the_trials(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    trials("baseline-0", without="baseline-3")
    assert not BASELINE.ready
    assert list(running.carry_out(BASELINE, "quick", standing=asked, folder=tmp_path)) == [] == executed
    trials("baseline-0")
    assert BASELINE.ready
    assert len(list(running.carry_out(BASELINE, "quick", standing=asked, folder=tmp_path))) == 2


def test_trials_that_start_from_a_result_wait_for_it(
    monkeypatch: pytest.MonkeyPatch, executed: list[RunConfig], tmp_path: Path
) -> None:
    """The trials of L_act share the rates of the winner among the six trials just run, here the one at 3e-5."""
    monkeypatch.setattr(files, "manifests", lambda: tmp_path)
    assert [r["arm"] for r in running.tune(BASELINE, standing=asked)] == [
        *(f"baseline-{i}" for i in range(6)),
        *(f"lact-{d}-{i}" for d in (512, 64) for i in range(3)),
    ]
    assert {(c.optimiser.lr, c.optimiser.head_multiplier) for c in executed[6:]} == {(3e-5, 10.0)}
    assert len(records.load("baseline_tuning")) == 12
    executed.clear()
    assert list(running.tune(BASELINE, standing=asked)) == []


def test_another_precision_is_no_other_run(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    """A machine with other units adds what is missing and leaves the records of others as they are."""
    trials("baseline-0")
    done = [*running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path)]
    other = [whole(replace(BASELINE.config(r["arm"], r["draw"], r["seed"]), precision="bf16")) for r in done]
    records.save("baseline", other, tmp_path)
    assert list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path)) == []


@pytest.mark.parametrize(
    ("profile", "precision"), [("smoke", "fp32"), ("quick", "fp32"), ("standard", "fp32"), ("large", "bf16")]
)
def test_what_is_compared_across_machines_is_fp32_on_all_of_them(
    monkeypatch: pytest.MonkeyPatch, profile: str, precision: str
) -> None:
    """Half of the arms from a machine with units for bf16 and half from one without could not be compared."""
    monkeypatch.setattr(devices, "choose_precision", lambda _: "bf16")
    assert running.in_precision(RunConfig(), profile).precision == precision


def test_what_another_study_has_recorded_lies_in_the_run_cache(
    monkeypatch: pytest.MonkeyPatch, trials: Any, executed: list[RunConfig], tmp_path: Path
) -> None:
    """There a run is found by its digest alone, whatever study and arm it was made for."""
    trials("baseline-0")
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runner, "digests", lambda configs: [whole(config)["digest"] for config in configs])
    theirs = whole(replace(BASELINE.config("u64", 3), study="vem", arm="margin"))
    records.save("vem", [theirs], tmp_path)
    assert len(list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path))) == 30
    assert records.finished(theirs["digest"]) == theirs
    assert [path.name for path in (tmp_path / "cache" / "runs").iterdir()] == [theirs["digest"]]


def test_single_arms_whatever_their_tier(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    trials("baseline-0")
    assert (
        len(list(running.carry_out(BASELINE, "standard", standing=asked, arms=["u64", "u192"], folder=tmp_path))) == 10
    )
    assert {(config.arm, config.data.draw) for config in executed} == {
        (a, d) for a in ("u64", "u192") for d in range(5)
    }
    with pytest.raises(UserError, match=r"has no arm 'u65'.*u64"):
        next(running.carry_out(BASELINE, "standard", standing=asked, arms=["u65"], folder=tmp_path))


def test_what_a_page_runs_is_not_kept(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    trials("baseline-0")
    assert len(list(running.carry_out(BASELINE, "standard", standing=asked, folder=tmp_path, keep=False))) == 30
    assert records.load("baseline", tmp_path) == []


def test_losses_of_smoke(trials: Any, executed: list[RunConfig], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"smoke.json: has no losses of study 'baseline'; first: reproducible"):
        running.smoke_losses("baseline")
    running.write_smoke_losses([BASELINE])
    assert running.smoke_losses("baseline") == {arm.name: 1.5 for arm in BASELINE.smoke_arms}


def test_losses_of_smoke_are_committed_for_every_arm() -> None:
    for of in STUDIES.values():
        assert not of.smoke_arms or list(running.smoke_losses(of.name)) == [arm.name for arm in of.smoke_arms]
