"""A claim in full: everything that decides it, of plain types, with the values of every draw."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reproducible.resources import UserError
from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.in_full import in_full
from reproducible.verdicts.table import verdict_table


@pytest.fixture(scope="module")
def found() -> dict[str, dict]:
    return {claim["id"]: claim for claim in in_full()}


def test_all_claims_are_there_and_json_holds_them(found: dict[str, dict]) -> None:
    assert [*found] == [claim.id for claim in load_claims().claims]
    assert json.loads(json.dumps(found["D04"]))["claim"] == load_claims()["D04"].claim


def test_draws_have_the_mean_and_the_number_that_the_verdict_states(found: dict[str, dict]) -> None:
    several = 0
    for claim in found.values():
        for one in claim["criteria"]:
            if len(one["draws"]) > 1:
                several += 1
                assert np.mean([*one["draws"].values()]) == pytest.approx(one["result"]["mean"])
                assert len(one["draws"]) == one["result"]["n"]
    assert several > 50


def test_verdicts_are_those_of_the_table(found: dict[str, dict]) -> None:
    for _, row in verdict_table().iterrows():
        assert found[row["claim"]]["verdicts"][row["level"]] == {"verdict": row["verdict"], "length": row["length"]}


def test_what_was_replaced_is_kept(found: dict[str, dict]) -> None:
    replaced = [claim for claim in load_claims().claims if claim.superseded]
    assert replaced
    for claim in replaced:
        assert [old["reason"] for old in found[claim.id]["superseded"]] == [old["reason"] for old in claim.superseded]


def test_an_unknown_claim_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no claim 'B4'\. Did you mean 'B.4'"):
        in_full(["B4"])
