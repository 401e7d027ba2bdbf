"""Criteria and records in, verdicts out. Nothing here trains, and no verdict is typed.

:mod:`reproducible.criteria` reads the criteria, :mod:`reproducible.contrasts` measures them on records. Here
:func:`evaluate` turns one claim into one row a criterion, :func:`verdict_table` joins the rows of a claim at each level
of evidence and lets Holm's method decide within families, and :func:`headline` counts. Explained on page: how-to-read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reproducible import contrasts
from reproducible.criteria import SOURCES, Claim, ClaimSet, Criterion, criteria_hash, decisive, load_claims
from reproducible.records import load
from reproducible.resources import UserError, manifests, nearest_name
from reproducible.types import RunRecord

if TYPE_CHECKING:
    import pandas as pd

Records = Mapping[str, Sequence[RunRecord]]
ALPHA = 0.05
SMALLER = "supported, smaller than claimed"
DECIDED = ("supported", SMALLER, "contradicted")
_KEY = ("source", "table", "method", "dataset", "metric", "k")


@dataclass(frozen=True)
class Row:
    """The verdict of one criterion. Differences, margins and intervals are in points.

    Attributes:
        criterion: its place in the claim's list, from 0.
        word: the verdict, with what it rests on in brackets.
        comparison: what was compared, in words.
        n: draws used; ``n_wanted``: draws the criterion asks for.
        p: two-sided, of the decision (against zero, or against the margin for claims of no difference), unadjusted.
        p_holm: adjusted within the family, where the criterion decides in one.
        seeds_needed: draws that would settle an inconclusive verdict if mean and spread stayed as they are.
        fails_here: arms that are not better than the untouched network.
        not_converged: runs whose selected checkpoint is their last one.
        criteria_changed: some record ran under other criteria for its study than those in the file now.
    """

    claim: str
    source: str
    kind: str
    page: str
    level: str
    criterion: int
    decides: bool
    test: str
    word: str
    comparison: str = ""
    data: str = ""
    study: str = ""
    n: int = 0
    n_wanted: int = 0
    mean: float | None = None
    sd: float | None = None
    t_low: float | None = None
    t_high: float | None = None
    b_low: float | None = None
    b_high: float | None = None
    margin: float | None = None
    p: float | None = None
    p_holm: float | None = None
    p_sign: float | None = None
    detectable: float | None = None
    seeds_needed: int | None = None
    fails_here: tuple[str, ...] = ()
    not_converged: int = 0
    criteria_changed: bool = False


def evaluate(
    claim: Claim,
    records_by_study: Records,
    published: Mapping[tuple[str, ...], float | None] | None = None,
    root: Path | None = None,
) -> list[Row]:
    """One row a criterion of a claim, p-values unadjusted.

    Args:
        claim: from :func:`reproducible.criteria.load_claims`.
        records_by_study: the records of each study; a study without any may be left out.
        published: from :func:`load_published`; None reads the file.
        root: folder that holds the project's ``tests``; None: beside ``data_manifests``.
    """
    published = load_published() if published is None else published
    root = root or manifests().parent
    rows = []
    for number, criterion in enumerate(claim.criteria):
        row = Row(
            claim.id,
            claim.source,
            claim.kind,
            claim.page,
            criterion["level"],
            number,
            "role" not in criterion,
            criterion["test"],
            "",
            study=criterion.get("study", ""),
        )
        if criterion["test"] == "editorial":
            found: dict[str, Any] = {"word": "not an empirical claim", "comparison": criterion["reason"]}
        elif criterion["test"] == "analytic":
            found = _analytic(criterion, root)
        elif criterion["test"] == "published":
            found = _published(criterion, published, f"{claim.id}, criterion {number + 1}")
        else:
            found = contrasts.measure(criterion, records_by_study.get(criterion["study"], ()))
        rows.append(replace(row, **found))
    return rows


def all_rows(claims: ClaimSet, records_by_study: Records) -> list[Row]:
    """The rows of all claims, with Holm's method applied in each family.

    A decided word whose adjusted p-value is above 0.05 becomes *inconclusive*. Members of a family that have not been
    run count with p = 1, so that a family does not get easier by being run in part.
    """
    from reproducible.evaluation import holm

    published = load_published()
    rows = {row_id(row): row for claim in claims.claims for row in evaluate(claim, records_by_study, published)}
    for name, members in claims.families.items():
        level = name.rsplit("-", 1)[1]
        places = [(member, decisive(claims[member], level)) for member in members]
        family = [rows[place] for place in places]
        for place, row, adjusted in zip(places, family, holm([_family_p(row) for row in family]), strict=True):
            if _bare(row.word) in (*DECIDED, "inconclusive"):
                word = row.word
                if _bare(word) in DECIDED and adjusted > ALPHA:
                    word = f"inconclusive ({word} before Holm's adjustment)"
                rows[place] = replace(row, p_holm=float(adjusted), word=word)
    changed = {
        study: any(record["criteria"] != criteria_hash(claims, study) for record in records)
        for study, records in records_by_study.items()
    }
    return [replace(row, criteria_changed=changed.get(row.study, False)) for row in rows.values()]


def row_id(row: Row) -> tuple[str, int]:
    """Claim and place of a row."""
    return row.claim, row.criterion


def verdict_table(
    source: str | None = None, *, detail: bool = False, records_by_study: Records | None = None
) -> pd.DataFrame:
    """The verdicts, computed from the committed records: one row a claim and level of evidence.

    Numbers are those of the first deciding criterion; all deciding criteria make the verdict (:func:`combine`).

    Args:
        source: only the claims of one document (DeML, Review, VEM, DIABLO, SGML, Cross-paper).
        detail: one row a criterion instead, those that only give context included.
        records_by_study: other records than the committed ones.

    Raises:
        UserError: for an unknown source, or damaged claims or records.
    """
    import pandas as pd

    if source is not None and source not in SOURCES:
        raise UserError(f"There are no claims of a document {source!r}.{nearest_name(source, SOURCES)}")
    claims = load_claims()
    if records_by_study is None:
        records_by_study = committed(claims)
    rows = [row for row in all_rows(claims, records_by_study) if source in (None, row.source)]
    if not detail:
        rows = _by_level(rows)
    columns = [name for name in Row.__dataclass_fields__ if detail or name not in ("criterion", "decides")]
    table = pd.DataFrame([asdict(row) for row in rows], columns=columns).rename(columns={"word": "verdict"})
    texts = {claim.id: claim for claim in claims.claims}
    for name in ("claim", "published", "expectation"):
        table[f"{name}_text" if name == "claim" else name] = [getattr(texts[i], name) for i in table["claim"]]
    return table


def headline(table: pd.DataFrame) -> pd.DataFrame:
    """How many of the authors' claims got which verdict, one row a level of evidence.

    Args:
        table: from :func:`verdict_table`, one row a claim and level.
    """
    import pandas as pd

    own = table[table["kind"] == "author"]
    return pd.crosstab(own["level"], own["verdict"].map(_bare), rownames=["level"], colnames=["verdict"])


def committed(claims: ClaimSet) -> dict[str, list[RunRecord]]:
    """The committed records of every study that a criterion reads, and what was measured on frozen networks."""
    from reproducible.evaluation.localised import frozen_records

    studies = {criterion["study"] for claim in claims.claims for criterion in claim.criteria if "study" in criterion}
    found = {study: load(study) for study in sorted(studies)}
    for record in frozen_records():
        found[record["study"]].append(record)
    return found


def combine(words: Sequence[str]) -> str:
    """The verdict on a claim at one level from the words of its deciding criteria, all of which must hold.

    Not all run: the first word that says so. All supported: supported, or supported, smaller than claimed, if one is.
    Some supported and others not: partly. None supported: contradicted if one is, else inconclusive.
    """
    bare = [_bare(word) for word in words]
    for kind in ("not testable here", "not run"):
        if kind in bare:
            return words[bare.index(kind)]
    if len(set(bare)) == 1:
        return words[0]
    good = [word in ("supported", SMALLER, "proved") for word in bare]
    if all(good):
        return SMALLER if SMALLER in bare else "supported"
    if any(good) or "partly" in bare:
        return f"partly ({sum(good)} of {len(good)} criteria)"
    for kind in ("contradicted", "refuted by analysis"):
        if kind in bare:
            return words[bare.index(kind)]
    return "inconclusive"


@cache
def load_published(path: Path | None = None) -> Mapping[tuple[str, ...], float | None]:
    """The printed numbers by (source, table, method, dataset, metric, k); None where a document prints a dash.

    Raises:
        UserError: for a row that is there twice or a value that is not a number (file and line).
    """
    import csv

    path = path or manifests() / "published_results.csv"
    values: dict[tuple[str, ...], float | None] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for number, line in enumerate(csv.DictReader(file), start=2):
            key = tuple(line[name] for name in _KEY)
            if key in values and line["value"]:
                raise UserError(f"{path}, line {number}: {' | '.join(key)} is there twice.")
            try:
                values[key] = float(line["value"]) if line["value"] else None
            except ValueError as error:
                raise UserError(f"{path}, line {number}: value {line['value']!r} is not a number.") from error
    return values


def _published(criterion: Criterion, values: Mapping[tuple[str, ...], float | None], where: str) -> dict[str, Any]:
    def value(term: Any) -> float:
        if isinstance(term, (int, float)):
            return float(term)
        if "difference" in term:
            return value(term["difference"][0]) - value(term["difference"][1])
        if "sum" in term:
            return sum(map(value, term["sum"]))
        key = tuple(str(term.get(name, "")) for name in _KEY)
        if values.get(key) is None:
            raise UserError(f"{where}: published_results.csv gives no value for {' | '.join(key)}.")
        return values[key]  # type: ignore[return-value]

    pairs = [(value(c["left"]), c["relation"], value(c["right"]), c["margin"]) for c in criterion["comparisons"]]
    held = [contrasts.holds(left, relation, right, margin) for left, relation, right, margin in pairs]
    word = "supported" if all(held) else "partly" if any(held) else "contradicted"
    shown = "; ".join(f"{left:g} {relation} {right:g}" for left, relation, right, _ in pairs)
    return {"word": f"{word} ({sum(held)} of {len(held)} hold)", "comparison": shown, "data": "published tables"}


def _analytic(criterion: Criterion, root: Path) -> dict[str, Any]:
    def exists(node: str) -> bool:
        file, _, function = node.partition("::")
        path = root / file
        return path.is_file() and f"def {function.split('[')[0].split('::')[-1]}(" in path.read_text(encoding="utf-8")

    missing = [node for node in criterion["tests"] if not exists(node)]
    word = {"proved": "proved", "refuted": "refuted by analysis"}[criterion["shows"]]
    return {"word": f"not run (no test {missing[0]})" if missing else word, "comparison": criterion["statement"]}


def _by_level(rows: Sequence[Row]) -> list[Row]:
    """One row a claim and level: the first deciding one, with the verdict and the flags of all."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.decides:
            groups.setdefault((row.claim, row.level), []).append(row)
    joined = []
    for group in groups.values():
        failing = tuple(dict.fromkeys(arm for row in group for arm in row.fails_here))
        verdict = combine([row.word for row in group])
        joined.append(replace(group[0], word=verdict, fails_here=failing))
    return joined


def _family_p(row: Row) -> float:
    return row.p if row.p is not None and _bare(row.word) in (*DECIDED, "inconclusive") else 1.0


def _bare(word: str) -> str:
    """A verdict without what stands in brackets."""
    return word.split(" (")[0]
