"""The arms about freezing differ from U512 of the first campaign, and from one another, by what they are about."""

from __future__ import annotations

from typing import Any

from declared import differences

from reproducible.studies import STUDIES

FREEZING, BASELINE, AT_224 = (STUDIES[name] for name in ("freezing", "baseline", "baseline_224"))


def test_each_step_between_the_arms_changes_one_thing(trials: Any) -> None:
    trials("baseline-5")
    fresh = BASELINE.config("u512", 3)
    fixed, frozen = (FREEZING.config(f"u512-{how}", 3) for how in ("fixed", "frozen"))
    assert differences(fresh, fixed) == {"data.windows"}
    assert differences(fixed, frozen) == {"frozen"}
    looks = {"evaluation.test_every", "evaluation.seen_every"}
    for how, plain in (("fixed", fixed), ("frozen", frozen)):
        branched = FREEZING.config(f"dimension-post-8-{how}", 3)
        assert differences(plain, branched) - looks == {"model.name", "model.options.branches"} | {
            f"model.options.{name}" for name in ("per", "place")
        }


def test_what_is_measured_is_what_the_regime_at_224_pixels_does(trials: Any) -> None:
    trials("baseline-5")
    frozen, regime = FREEZING.config("u512-frozen", 0), AT_224.params(AT_224.arm("u512"), untuned=True)
    assert (frozen.frozen, frozen.data.windows) == (regime["frozen"], regime["windows"]) == ("pool3", 8)
    assert {arm.draws for arm in FREEZING.arms} == {5}
