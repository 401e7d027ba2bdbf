"""Published effects against the printed tables: differences of two rows, of several data sets the smallest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from reproducible.verdicts.criteria import load_claims
from reproducible.verdicts.published import load_published

SETS = ("CUB-200-2011", "Cars-196", "SOP", "In-Shop", "CUB-200-2011 (bbox-cropped)")
Row = tuple[str, str, str]  # source, table, method


def deml() -> dict[str, list[Row]]:
    """Arm to rows of DeML; Table 3 holds data sets that Table 2 has not."""
    plain = {"u512": "U512", "u64": "U64"}
    plain |= {f"u{d}-lact-{how}": f"U{d}+Lact" for d in (64, 384, 512) for how in ("tuned", "printed")}
    rows = {arm: [("DeML", "1", method)] for arm, method in plain.items()}
    grid = [(i, j) for i in (1, 2, 3) for j in (1, 3, 4, 8)]
    rows |= {f"deml-{i}-{j}": [("DeML", table, f"DeML(I={i},J={j})") for table in "23"] for i, j in grid}
    for i in (2, 3):
        for scale in range(1, i + 1):
            rows[f"deml-{i}-1/scale_{scale}"] = [("DeML", "2", f"DeML(I={i},J=1) root-learner {scale}")]
    rows["deml-1-8-no-adversary"] = [("DeML", "4", "DeML(I=1,J=8) without Ladv")]
    return rows | {"abe-8": [("DeML", "3", "ABE")]}


def strategies() -> dict[str, list[Row]]:
    """Arm to rows of DIABLO's ablations."""
    rows = {"binomial": [("DIABLO", "3", "Baseline (binomial)")]}
    for kind in ("feature", "dimension"):
        for place in ("pre", "post"):
            method = f"{kind.capitalize()}-wise, {place}-attention, N="
            rows[f"{kind}-{place}-8"] = rows[f"{kind}-{place}-8-capacity"] = [("DIABLO", "3", f"{method}8")]
    return rows | {"feature-post-16": [("DIABLO", "4", "Feature-wise, post-attention, N=16")]}


def losses() -> dict[str, list[Row]]:
    """Arm to rows of DIABLO on whole training sets, beside ABE as it is quoted."""
    rows: dict[str, list[Row]] = {"abe-8": [("DIABLO", table, "ABE") for table in "12"]}
    for loss in ("Binomial", "Contrastive", "Triplet"):
        arm = loss.lower()
        rows[arm] = [("DIABLO", "1", f"{loss} (Ours)")]
        rows[f"{arm}-diablo-8"] = [("DIABLO", "1", f"{loss} + DIABLO (N=8)")]
    rows["dimension-pre-16"] = [("DIABLO", "1", "Binomial + DIABLO (N=16)")]
    best = [("1", "Binomial"), ("2", "Contrastive")]  # Table 2 prints no binomial row
    return rows | {"dimension-pre-8": [("DIABLO", table, f"{loss} + DIABLO (N=8)") for table, loss in best]}


def sgml(**rows: tuple[str, str]) -> dict[str, list[Row]]:
    """Arm to row of SGML, from table and method; underscores stand for hyphens."""
    return {arm.replace("_", "-"): [("SGML", *row)] for arm, row in rows.items()}


ABLATIONS = {
    "multitask": [("SGML", table, "Multitask Learning") for table in ("IV", "VIII")],
    "metric-only": [("SGML", table, "Metric Learning") for table in ("IV", "VIII")],
    "metric-only-c-25": [("SGML", table, "Metric Learning") for table in ("IV", "VIII")],
    "attribute-only": [("SGML", table, "Attribute Learning") for table in ("IV", "VIII")],
}
BOTH = sgml(sgml=("IV", "Proposed SGML"), multitask=("IV", "Multitask Learning"))
CROPPED = {f"sgml{tail}": [("SGML", "VIII", "Proposed SGML")] for tail in ("", "-conv")}
CROPPED |= {f"multitask{tail}": [("SGML", "VIII", "Multitask Learning")] for tail in ("", "-conv")}
SAMPLING = "Batch-wise sampling (Emb feature)", "Image-wise sampling (Emb feature)"
ROWS: Mapping[str, Mapping[str, list[Row]]] = {
    **dict.fromkeys(("B01", "B10", "B14"), losses()),
    **dict.fromkeys(("B02", "B03", "B04", "B05", "B07", "B20"), strategies()),
    "G01": sgml(sgml=("I", "Proposed SGML"), fastap=("I", "FastAP")),
    "G02": sgml(sgml_conv=("V", "Proposed SGML"), abe_8=("V", "ABE")),
    "G03": ABLATIONS,
    "G04": BOTH,
    "G05": CROPPED,
    "G06": sgml(sgml=("II", "SGML, feature=Emb"), sgml_conv=("II", "SGML, feature=Conv")),
    "G07": sgml(sgml=("VI", "SGML, feature=Emb"), sgml_conv=("VI", "SGML, feature=Conv")),
    "G08": {
        **{
            f"sgml-batch-wise{tail}": [("SGML", "III", f"SGML, {SAMPLING[0]}")]
            for tail in ("", "-small-classes", "-small-classes-equal-pairs")
        },
        **{f"sgml-image-wise{tail}": [("SGML", "III", f"SGML, {SAMPLING[1]}")] for tail in ("", "-small-classes")},
    },
    "G09": sgml(
        sgml_image_wise=("VII", "SGML, Image-wise sampling"),
        **dict.fromkeys(("sgml", "sgml_batch_wise"), ("VII", "SGML, Batch-wise sampling")),
    ),
    "X01": {
        "u512-settings-of-diablo": [("DIABLO", "1", "Binomial (Ours)")],
        "u512-settings-of-deml": [("DeML", "3", "baseline(U512)")],
    },
    "X02": {
        "u512-all-classes": [("DIABLO", "1", "Binomial (Ours)")],
        "u512-half-classes": [("DIABLO", "3", "Baseline (binomial)")],
    },
}
IN_PROSE = {"B08": 4.9, "B23": 8.9, "X04": 7.1, "X06": 15.5}  # not rows of one table
LEFT_OUT = {"B14": ("Cars-196",)}  # where the claim says something else


def stated() -> Iterator[tuple[str, dict[str, Any]]]:
    """Claim and criterion for every published effect."""
    for claim in load_claims().claims:
        yield from ((claim.id, dict(c)) for c in claim.criteria if "published_effect" in c)


def printed(rows: Mapping[str, list[Row]], pairs: list[list[str]], data: str, interaction: bool) -> float | None:
    """What the tables print for a comparison on a data set, or None."""
    values = load_published()

    def value(arm: str) -> float | None:
        found = (values.get((*row[:3], data, "R@K", "1")) for row in rows[arm])
        return next((v for v in found if v is not None), None)

    found = [[value(arm) for arm in pair] for pair in pairs]
    if any(v is None for pair in found for v in pair):
        return None
    first, *others = [a - b for a, b in found]
    return round(first - sum(others) if interaction else (first + sum(others)) / len(found), 1)


@pytest.mark.parametrize("claim_id", sorted({claim_id for claim_id, _ in stated()}))
def test_published_effects_are_differences_of_printed_rows(claim_id: str) -> None:
    for criterion in (c for found, c in stated() if found == claim_id):
        effect = criterion["published_effect"]
        if claim_id in IN_PROSE:
            assert effect == IN_PROSE[claim_id]
            continue
        pairs = criterion.get("pairs") or criterion.get("pool") or [criterion["arms"]]
        rows = ROWS.get(claim_id) or deml()
        by_set = [
            value
            for data in SETS
            if data not in LEFT_OUT.get(claim_id, ())
            and (value := printed(rows, pairs, data, "pairs" in criterion)) is not None
        ]
        if claim_id == "G03":  # In-Shop and cropped birds, each where it belongs
            assert effect in by_set
        else:
            assert effect == min(by_set, key=abs), criterion


def test_a_margin_beside_a_published_effect_is_no_larger_than_half_of_it() -> None:
    """Inside it, what is published is not there."""
    for claim_id, criterion in stated():
        if criterion["test"] == "estimate" and criterion["direction"] in ("greater", "less"):
            assert criterion["margin"] == min(1.0, round(abs(criterion["published_effect"]) / 2, 2)), claim_id
