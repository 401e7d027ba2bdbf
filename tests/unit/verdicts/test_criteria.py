"""The file of claims: what it must hold, and what a mistake in it gets."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy import stats

from reproducible.resources import UserError
from reproducible.verdicts.criteria import Claim, ClaimSet, criteria_hash, load_claims
from reproducible.verdicts.schema import STATISTICAL
from reproducible.verdicts.wording import supported_if

SERIES = {"D": 35, "R": 11, "V": 19, "B": 24, "G": 20, "X": 6}
BASELINE_ARMS = {
    *("u512", "u512-lact-printed", "u512-lact-tuned", "u64", "u64-lact-tuned", "u192", "u192-lact-tuned", "u384"),
    *("u384-lact-tuned", "u512-lact-released", "u512-activation-only", "u512-ntri-only", "u512-orthogonal"),
    *("u512-wd-0", "u512-wd-1e-3", "u512-wd-1e-2"),
}

DIFFERENCE = {
    "level": "real",
    "study": "baseline",
    "test": "difference",
    "arms": ["u512-lact-printed", "u512"],
    "metric": "recall_at_1",
    "at": "selected",
    "direction": "greater",
    "margin": 1.0,
    "margin_reason": "a third of the published gain",
    "n": 5,
    "assumed_sd": 2.0,
    "detectable": 3.4,
}


def entry(claim_id: str = "D04", **changes: Any) -> dict[str, Any]:
    plain = {
        "id": claim_id,
        "source": "DeML",
        "section": "4.1",
        "kind": "author",
        "claim": "It helps.",
        "published": None,
        "page": "baseline",
        "expectation": "A little.",
        "criteria": [dict(DIFFERENCE)],
    }
    return {**plain, **changes}


def write(folder: Path, *claims: dict[str, Any], families: dict[str, Any] | None = None) -> Path:
    path = folder / "claims.yaml"
    document = {"criteria_version": 1, "families": families or {}, "claims": list(claims)}
    path.write_text(yaml.safe_dump(copy.deepcopy(document), sort_keys=False))
    return path


@pytest.fixture(scope="module")
def claims() -> ClaimSet:
    return load_claims()


def test_every_series_is_there_without_gaps(claims: ClaimSet) -> None:
    ids = {claim.id for claim in claims.claims}
    assert ids == {f"{letter}{number:02d}" for letter, last in SERIES.items() for number in range(1, last + 1)}


def power(difference: float, sd: float, n: int) -> float:
    """Chance that the two-sided paired t test rejects on the side of the difference."""
    return float(stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, difference / sd * np.sqrt(n)))


def test_the_detectable_difference_has_a_power_of_80_per_cent(claims: ClaimSet) -> None:
    checked = 0
    for claim in claims.claims:
        for criterion in claim.criteria:
            if criterion["test"] in STATISTICAL and "detectable" in criterion:
                sd, n, stated = (criterion[name] for name in ("assumed_sd", "n", "detectable"))
                assert power(stated - 0.051, sd, n) < 0.8 < power(stated + 0.051, sd, n), claim.id
                checked += 1
    assert checked > 200


def test_the_standard_number_of_draws(claims: ClaimSet) -> None:
    wanted = {"real": 5, "controlled": 10}
    for claim in claims.claims:
        for criterion in claim.criteria:
            if criterion["level"] in wanted and "n" in criterion:
                assert criterion["n"] == wanted[criterion["level"]], claim.id


def test_claims_about_the_baseline_name_arms_of_that_study(claims: ClaimSet) -> None:
    named = set()
    for claim in claims.claims:
        for criterion in claim.criteria:
            if criterion.get("study") in ("baseline", "glyph_baseline"):
                pairs = criterion.get("pairs", [criterion.get("arms", [])])
                named |= {arm for pair in pairs for arm in pair} | ({criterion["arm"]} if "arm" in criterion else set())
    assert named <= BASELINE_ARMS
    assert {"u512", "u512-lact-printed", "u512-lact-tuned", "u64", "u64-lact-tuned"} <= named


def test_the_printed_weight_decides_the_claim_about_activation_decay(claims: ClaimSet) -> None:
    for level in ("real", "controlled"):
        deciding = [c["arms"] for c in claims["D04"].criteria if c["level"] == level and "role" not in c]
        assert deciding == [["u512-lact-printed", "u512"]]


def test_reading_needs_no_torch_and_no_analysis_packages() -> None:
    code = (
        "import sys; from reproducible.verdicts.criteria import standing; standing('baseline');"
        "print(sorted({'torch', 'scipy', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"expectations": "two"}, ["D04", "'expectations'", "Did you mean 'expectation'"]),
        ({"kind": "authors"}, ["D04", "kind 'authors'", "Did you mean 'author'"]),
        ({"claim": 3}, ["D04", "'claim' must be a text", "3"]),
        ({"criteria": []}, ["D04", "at least one criterion"]),
        ({"id": "claim four"}, ["claim four", "a letter and two digits"]),
        (
            {"superseded": [{"until": "2020", "criteria": [dict(DIFFERENCE)]}]},
            ["D04", "superseded", "'reason' is missing"],
        ),
    ],
)
def test_a_mistake_in_a_claim_names_claim_and_key(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        load_claims(write(tmp_path, entry(**change)))
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margn": 1}, ["criterion 1", "'margn'", "Did you mean 'margin'"]),
        ({"margin": "1"}, ["'margin' must be", "'1'"]),
        ({"margin": -1.0}, ["'margin' must be", "not negative"]),
        ({"n": 5.0}, ["'n' must be a whole number"]),
        ({"n": True}, ["'n' must be a whole number"]),
        ({"arms": ["u512"]}, ["'arms' must be a list of two arms"]),
        ({"direction": "up"}, ["'direction' must be one of greater, less"]),
        ({"at": "best"}, ["'at' must be one of selected, last, peak"]),
        ({"level": "photographs"}, ["'level' must be one of analytic"]),
        ({"test": "differences"}, ["test 'differences'", "Did you mean 'difference'"]),
        ({"role": "headline"}, ["'role' must be one of context"]),
        ({"threshold": 1}, ["unknown key 'threshold'"]),
    ],
)
def test_a_mistake_in_a_criterion_names_claim_criterion_and_key(
    tmp_path: Path, change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(UserError) as caught:
        load_claims(write(tmp_path, entry(criteria=[{**DIFFERENCE, **change}])))
    assert all(word in str(caught.value) for word in ["D04", *words]), caught.value


def test_a_missing_margin_is_named(tmp_path: Path) -> None:
    criterion = {key: value for key, value in DIFFERENCE.items() if key != "margin"}
    with pytest.raises(UserError, match="D04, criterion 1: the key 'margin' is missing"):
        load_claims(write(tmp_path, entry(criteria=[criterion])))


def test_no_difference_needs_room(tmp_path: Path) -> None:
    criterion = {key: value for key, value in DIFFERENCE.items() if key != "direction"}
    with pytest.raises(UserError, match="no difference needs a margin above 0"):
        load_claims(write(tmp_path, entry(criteria=[{**criterion, "test": "no_difference", "margin": 0}])))


ESTIMATE = {key: value for key, value in DIFFERENCE.items() if not key.startswith("margin")}
ESTIMATE |= {"test": "estimate", "published_effect": 3.3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pool": [["a", "b"]]}, "an estimate is of one of arms, pairs, pool, got arms, pool"),
        ({"direction": "not_less"}, "needs a margin above 0 or, in the direction greater or less, a published_effect"),
        ({"direction": "none"}, "needs a margin above 0"),
        ({"published_effect": None}, "'published_effect' must be a number"),
        ({"margin": 1.0}, "'margin' and 'margin_reason' go together"),
        ({"margin": 0.0, "margin_reason": "none"}, "a margin above 0"),
        ({"direction": "less"}, "a published_effect of 3.3 is none in the direction 'less'"),
    ],
)
def test_a_mistake_in_an_estimate_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_claims(write(tmp_path, entry(criteria=[{**ESTIMATE, **change}])))
    assert words in str(caught.value)


def test_an_estimate_needs_a_published_effect_or_a_margin(tmp_path: Path) -> None:
    margin = {"margin": 1.0, "margin_reason": "less would not matter"}
    bare = {key: value for key, value in ESTIMATE.items() if key != "published_effect"}
    with pytest.raises(UserError, match="needs a margin above 0 or"):
        load_claims(write(tmp_path, entry(criteria=[bare])))
    pooled = {**{key: value for key, value in ESTIMATE.items() if key != "arms"}, "pool": [["a", "b"], ["c", "d"]]}
    asked = [ESTIMATE, pooled, {**ESTIMATE, **margin}]
    asked += [{**bare, **margin, "direction": direction} for direction in ("greater", "none", "not_less")]
    assert len(load_claims(write(tmp_path, entry(criteria=asked)))["D04"].criteria) == 6
    with pytest.raises(UserError, match="the direction none is for estimates"):
        load_claims(write(tmp_path, entry(criteria=[{**DIFFERENCE, "direction": "none"}])))


def test_an_id_used_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'D04' is used 2 times"):
        load_claims(write(tmp_path, entry(), entry()))


@pytest.mark.parametrize(
    ("families", "words"),
    [
        ({"baseline-real": ["D05"]}, "no claim 'D05'. Did you mean 'D04'"),
        ({"baseline-real": ["D04", "D11", "D12", "D13", "D14"]}, "a list of 1 to 4 claims"),
        ({"baseline-real": ["D04", "D04"]}, "listed twice"),
        ({"baseline-controlled": ["D04"]}, "no criterion at level controlled"),
        ({"baseline": ["D04"]}, "must end in a level"),
    ],
)
def test_a_mistake_in_a_family_is_named(tmp_path: Path, families: dict[str, Any], words: str) -> None:
    others = [entry(f"D1{number}") for number in range(1, 5)]
    with pytest.raises(UserError) as caught:
        load_claims(write(tmp_path, entry(), *others, families=families))
    assert words in str(caught.value)


def test_broken_yaml_and_a_missing_file_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "claims.yaml").write_text("claims: [")
    with pytest.raises(UserError, match=r"claims\.yaml, line \d+: cannot be read as YAML"):
        load_claims(tmp_path / "claims.yaml")
    with pytest.raises(UserError, match=r"none\.yaml: there is no such file"):
        load_claims(tmp_path / "none.yaml")


def test_an_unknown_claim_gets_the_nearest(claims: ClaimSet) -> None:
    with pytest.raises(UserError, match="no claim 'D99'"):
        claims["D99"]


def test_the_hash_follows_the_criteria_and_nothing_else(tmp_path: Path) -> None:
    def hashed(*entries: dict[str, Any], study: str | None = None) -> str:
        return criteria_hash(load_claims(write(tmp_path, *entries)), study)

    plain = hashed(entry())
    assert hashed(entry(expectation="Much.", note="A note.")) == plain
    assert hashed(entry(criteria=[dict(reversed(DIFFERENCE.items()))])) == plain
    assert hashed(entry(criteria=[{**DIFFERENCE, "margin": 1.1}])) != plain
    assert hashed(entry(criteria=[{**DIFFERENCE, "published_effect": 3.3}])) == plain, "it decides nothing there"
    other = {**ESTIMATE, "published_effect": 3.4}
    assert hashed(entry(criteria=[ESTIMATE])) != hashed(entry(criteria=[other])), "here it does"
    assert hashed(entry(), entry("D05")) != plain


def test_a_studys_hash_ignores_claims_about_other_studies(tmp_path: Path) -> None:
    other = entry("V01", criteria=[{**DIFFERENCE, "study": "vem"}])

    def hashed(*entries: dict[str, Any]) -> str:
        families = {"baseline-real": [claim["id"] for claim in entries]}
        return criteria_hash(load_claims(write(tmp_path, *entries, families=families)), "baseline")

    assert hashed(entry(), other) == hashed(entry())
    assert hashed(entry(), entry("D05")) != hashed(entry())


def test_the_hash_of_one_claim(claims: ClaimSet) -> None:
    claim: Claim = claims["D04"]
    assert len(criteria_hash(claim)) == 64
    assert criteria_hash(claim) != criteria_hash(claims["D05"])


@pytest.mark.parametrize(
    ("change", "signs"),
    [
        ({"direction": "greater", "margin": 1.0}, "> +1"),
        ({"direction": "greater", "margin": 0.0}, "> 0"),
        ({"direction": "less", "margin": 10.0}, "< -10"),
        ({"direction": "not_less", "margin": 1.5}, "> -1.5"),
        ({"direction": "not_greater", "margin": 1.0}, "< +1"),
        ({"test": "no_difference", "margin": 2.0}, "within ±2"),
        ({"test": "threshold", "relation": "<=", "threshold": 10.0}, "<= 10"),
        ({"test": "measured", "relation": "~", "threshold": 0.7, "tolerance": 0.1}, "~ 0.7 (± 0.1)"),
        ({"test": "estimate", "direction": "greater", "published_effect": 1.7, "margin": 1.0}, "> 0 (published +1.7)"),
        ({"test": "estimate", "direction": "less", "margin": 1.0}, "< 0"),
        ({"test": "estimate", "direction": "none", "margin": 1.0}, "within ±1"),
        ({"test": "estimate", "direction": "not_less", "margin": 1.0}, "> -1"),
        ({"test": "editorial"}, ""),
    ],
)
def test_what_is_asked_for_is_stated_in_signs(change: dict[str, Any], signs: str) -> None:
    assert supported_if({"test": "difference", **change}) == signs
