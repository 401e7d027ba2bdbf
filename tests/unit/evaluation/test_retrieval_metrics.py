"""Metrics from neighbour ids equal literal ones, and pytorch-metric-learning's where both define the same thing."""

from __future__ import annotations

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import reproducible
from reproducible.encoding import decode_neighbours, encode_neighbours
from reproducible.evaluation import RetrievalResult, kmeans, nearest, needed_k, retrieval, retrieval_metrics, retrieve
from reproducible.resources import UserError
from tests.reference.retrieval import full_sort, metrics

KS = (1, 2, 4, 8)
NAMES = ("precision_at_1", "macro_recall_at_1", "r_precision", "map_at_r", "unanswerable")


def found_metrics(result: RetrievalResult) -> dict[str, float]:
    return {f"recall_at_{k}": v for k, v in result.recall.items()} | {name: getattr(result, name) for name in NAMES}


def make_case(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (60, 6) and labels (60,), clustered enough that metrics lie between 0 and 1."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 6, 60)
    rows = (rng.normal(size=(60, 6)) + 0.7 * np.eye(6)[labels]).astype(np.float32)
    match kind:
        case "duplicate rows":
            rows[20:40] = rows[:20]
        case "all rows equal":
            rows[:] = rows[0]
        case "zero rows":
            rows[::3] = 0
        case "single class":
            labels[:] = 4
        case "a class with one image":
            labels[[3, 50]] = [77, -5]
        case "unequal classes":
            labels[:30] = 2
    return rows, labels


CASES = (
    "random",
    "duplicate rows",
    "all rows equal",
    "zero rows",
    "single class",
    "a class with one image",
    "unequal classes",
)


@pytest.mark.parametrize("engine", ["torch", "faiss"])
@pytest.mark.parametrize("kind", CASES)
def test_each_against_all_others_equals_the_literal_metrics(kind: str, engine: str) -> None:
    rows, labels = make_case(kind)
    own = range(len(rows))
    k = max(needed_k(labels, labels, own_in_gallery=True), *KS)
    ids, _ = nearest(torch.from_numpy(rows), torch.from_numpy(rows), k, own=own, engine=engine)
    result = retrieval_metrics(ids, labels, labels, KS, own_in_gallery=True)
    wanted = metrics(full_sort(rows, rows, own), labels.tolist(), labels.tolist(), KS)
    assert found_metrics(result) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("kind", CASES)
def test_queries_against_a_gallery_equals_the_literal_metrics(kind: str) -> None:
    rows, labels = make_case(kind)
    query, gallery = slice(0, 25), slice(25, 60)
    k = max(needed_k(labels[query], labels[gallery]), *KS)
    ids, _ = nearest(torch.from_numpy(rows[query]), torch.from_numpy(rows[gallery]), k)
    result = retrieval_metrics(ids, labels[query], labels[gallery], KS)
    wanted = metrics(full_sort(rows[query], rows[gallery]), labels[query].tolist(), labels[gallery].tolist(), KS)
    assert found_metrics(result) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("average", ["queries", "classes"])
@pytest.mark.parametrize("own_in_gallery", [True, False])
@pytest.mark.parametrize("kind", ["random", "single class", "a class with one image", "unequal classes"])
def test_metrics_equal_those_of_pytorch_metric_learning(kind: str, own_in_gallery: bool, average: str) -> None:
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    rows, labels = make_case(kind)
    units = torch.nn.functional.normalize(torch.from_numpy(rows), dim=1)
    queries = slice(None) if own_in_gallery else slice(0, 25)
    gallery = slice(None) if own_in_gallery else slice(25, None)
    calculator = AccuracyCalculator(
        include=("precision_at_1", "r_precision", "mean_average_precision_at_r"),
        k="max_bin_count",
        avg_of_avgs=average == "classes",
        device=torch.device("cpu"),
    )
    theirs = calculator.get_accuracy(
        units[queries],
        torch.from_numpy(labels[queries]),
        units[gallery],
        torch.from_numpy(labels[gallery]),
        ref_includes_query=own_in_gallery,
    )
    k = needed_k(labels[queries], labels[gallery], own_in_gallery)
    own = range(len(rows)) if own_in_gallery else None
    ids, _ = nearest(units[queries], units[gallery], k, own=own)
    ours = retrieval_metrics(ids, labels[queries], labels[gallery], (1,), own_in_gallery)
    if average == "classes":
        assert ours.macro_recall_at_1 == pytest.approx(theirs["precision_at_1"], abs=1e-6)
        return
    assert ours.precision_at_1 == pytest.approx(theirs["precision_at_1"], abs=1e-6)
    assert ours.r_precision == pytest.approx(theirs["r_precision"], abs=1e-6)
    assert ours.map_at_r == pytest.approx(theirs["mean_average_precision_at_r"], abs=1e-6)


def worked_example(**changed: Any) -> RetrievalResult:
    """Three queries of classes 0, 1 and 9 in a gallery of labels 0 0 1 1 1 2."""
    ids = [[2, 0, 1, 3], [4, 0, 2, 3], [5, 4, 3, 2]]
    return retrieval_metrics(**{"ids": ids, "query_labels": [0, 1, 9], "gallery_labels": [0, 0, 1, 1, 1, 2]} | changed)


def test_a_worked_example() -> None:
    result = worked_example(ks=(1, 2, 4))
    assert result.recall == {1: 0.5, 2: 1.0, 4: 1.0}
    assert result.relevant.tolist() == [2, 3, 0]
    assert result.answerable.tolist() == [True, True, False]
    assert result.unanswerable == 1
    assert result.hit_at_1.tolist() == [False, True, False]
    assert result.ap == pytest.approx([(1 / 2) / 2, (1 + 2 / 3) / 3, np.nan], nan_ok=True)
    assert result.r_precision == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.map_at_r == pytest.approx((1 / 4 + 5 / 9) / 2)


def test_macro_recall_weighs_classes_equally() -> None:
    labels = [0, 0, 0, 1]
    result = retrieval_metrics([[0], [0], [1], [0]], labels, [0, 1], ks=(1,))
    assert result.recall[1] == 0.5
    assert result.macro_recall_at_1 == pytest.approx((2 / 3 + 0) / 2)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.uint64])
def test_stored_ids_of_any_integer_type_give_the_same(dtype: type) -> None:
    ids = np.array([[2, 0, 1, 3], [4, 0, 2, 3], [5, 4, 3, 2]], dtype)
    assert found_metrics(worked_example(ids=ids, ks=(1, 2))) == found_metrics(worked_example(ks=(1, 2)))


def test_too_few_neighbours_for_r_still_give_recall() -> None:
    result = retrieval_metrics([[0, 1], [3, 0]], [0, 1], [0, 0, 0, 1], ks=(1, 2))
    assert result.recall == {1: 1.0, 2: 1.0}
    for name in ("r_precision", "map_at_r", "ap"):
        with pytest.raises(
            ValueError, match=r"need 3 neighbours of each query \(the largest R\), 2 are given.*needed_k"
        ):
            getattr(result, name)


def test_needed_k_counts_the_query_out() -> None:
    assert needed_k([0, 1], [0, 0, 0, 1]) == 3
    assert needed_k([1, 5], [0, 0, 0, 1]) == 1
    assert needed_k([5], [0, 0, 0, 1]) == 0
    assert needed_k([0, 0, 0, 1], [0, 0, 0, 1], own_in_gallery=True) == 2


def test_places_beyond_what_is_read_may_hold_anything() -> None:
    kept = worked_example(ks=(1, 2))
    filled = worked_example(ids=[[2, 0, 0, 0], [4, 0, 2, 999], [5, 4, -1, -1]], ks=(1, 2))
    assert found_metrics(filled) == found_metrics(kept)
    assert filled.matches.tolist() == [[False, True, False, False], [True, False, True, False], [False] * 4]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ids": [[2, 0, 1, 3], [4, 6, 2, 3], [5, 4, 3, 2]]}, "ids: row 1 names an item outside the gallery of 6"),
        ({"ids": [[2, 0, 1, 3], [4, 0, 2, 3], [5, -1, 3, 2]]}, "ids: row 2 names an item outside the gallery of 6"),
        ({"ids": [[2, 2, 1, 3], [4, 0, 2, 3], [5, 4, 3, 2]]}, "ids: row 0 names a gallery item twice"),
        ({"ids": [[0.0, 1.0]] * 3}, r"ids: expected integers .*float64 \(3, 2\)"),
        ({"ids": [0, 1, 2]}, r"ids: expected integers .*\(3,\)"),
        ({"query_labels": [0, 1]}, r"query_labels: expected one for each of 3 queries, got shape \(2,\)"),
        ({"gallery_labels": []}, "gallery_labels: expected a list of labels, not empty"),
        ({"ks": (1, 5)}, "ks: Recall@5 cannot be had from 4 neighbours"),
        ({"ks": (0,)}, "ks: Recall@0 cannot be had"),
        ({"query_labels": [7, 8, 9]}, "none of the 3 queries has another item of its class"),
        ({"own_in_gallery": True}, "query 2 is said to be in the gallery, which has no item of its class 9"),
    ],
)
def test_what_does_not_fit_is_named(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        worked_example(**{"ks": (1, 2, 4)} | changed)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[list[int]], list[int], list[int]]:
    """Any full rankings of a gallery, with labels."""
    label = st.integers(0, 3)
    gallery = draw(st.lists(label, min_size=1, max_size=12))
    queries = draw(st.lists(label, min_size=1, max_size=6))
    return [draw(st.permutations(range(len(gallery)))) for _ in queries], queries, gallery


@settings(max_examples=100, deadline=None)
@given(rankings())
def test_what_holds_for_any_ranking(case: tuple[list[list[int]], list[int], list[int]]) -> None:
    ids, queries, gallery = case
    assume(set(queries) & set(gallery))
    ks = tuple(range(1, len(gallery) + 1))
    result = retrieval_metrics(ids, queries, gallery, ks)
    recalls = list(result.recall.values())
    assert recalls == sorted(recalls), "Recall@K falls somewhere as K grows"
    assert recalls[-1] == 1.0
    assert result.recall[1] == result.precision_at_1
    assert 0 <= result.map_at_r <= result.r_precision <= 1
    assert found_metrics(result) == pytest.approx(metrics(ids, queries, gallery, ks), abs=1e-12)


def test_scoring_stored_ids_loads_no_torch() -> None:
    program = (
        "import sys; from reproducible.evaluation import retrieval_metrics, t_interval\n"
        "retrieval_metrics([[0]], [1], [1], ks=(1,))\n"
        "assert not {'torch', 'sklearn', 'faiss'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=Path(reproducible.__file__).parents[1], check=True)


@pytest.mark.parametrize("kind", CASES)
@pytest.mark.parametrize("with_ids", [True, False])
def test_search_and_metrics_in_turns_give_the_same(kind: str, with_ids: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven queries at a time, against one search and one look at all of its ids."""
    monkeypatch.setattr(retrieval, "_AT_ONCE", 7 * 40)
    rows, labels = make_case(kind)
    for inside, there in ((True, rows), (False, rows[::2])):
        of = labels if inside else labels[::2]
        k = min(max(needed_k(labels, of, inside), 8), len(there) - inside)
        ids, _ = nearest(rows, there, k, own=np.arange(60) if inside else None)
        expected = retrieval_metrics(ids, labels, of, own_in_gallery=inside)
        found, kept = retrieve(torch.from_numpy(rows), torch.from_numpy(there), labels, of, KS, inside, with_ids)
        assert found_metrics(found) == found_metrics(expected)
        np.testing.assert_array_equal(found.matches, expected.matches)
        np.testing.assert_array_equal(found.ap, expected.ap)
        assert kept is None if not with_ids else (kept == ids).all() and kept.dtype == np.uint16


def test_memory_grows_with_a_byte_a_pair() -> None:
    """Six classes, so that a query has N / 6 neighbours: the peak above what is there before, and the result."""
    n = 3000
    rows = torch.randn(n, 8, generator=torch.Generator().manual_seed(0))
    labels = np.arange(n) % 6
    tracemalloc.start()
    try:
        result, _ = retrieve(rows, rows, labels, labels, own_in_gallery=True, with_ids=False)
        assert result.map_at_r < 1 and result.r_precision < 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    pairs = n * (n // 6 - 1)
    assert result.matches.nbytes == pairs
    assert peak < pairs + 80 * min(pairs, retrieval._AT_ONCE)


def test_what_no_memory_holds_is_refused_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval.os, "sysconf", lambda name: 30)  # 900 bytes
    rows, labels = torch.ones(60, 2), np.zeros(60, int)
    with pytest.raises(UserError, match=r"60 queries need 59 neighbours each .*evaluation\.keep to 'matches'"):
        retrieve(rows, rows, labels, labels, own_in_gallery=True)


def test_galleries_beyond_two_bytes_keep_four() -> None:
    """Two queries against 70,000 images, whose neighbours are the last ones; the record rescores to the same."""
    gallery = torch.zeros(70_000, 2)
    gallery[:, 0] = 1
    gallery[-9:] = torch.tensor([0.0, 1.0])
    labels = np.zeros(70_000, int)
    labels[-9:] = 1
    found, ids = retrieve(torch.tensor([[0.0, 1.0], [0.0, 2.0]]), gallery, np.array([1, 1]), labels)
    assert ids.dtype == np.uint32 and ids[0, 0] == 69_991 and found.recall[1] == 1
    packed = encode_neighbours(ids, found.relevant)
    again = retrieval_metrics(decode_neighbours(packed, found.relevant, ids.shape[1]), np.array([1, 1]), labels)
    assert again.recall[1] == 1 and again.map_at_r == 1


ROWS = arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int64]),
    st.lists(st.integers(0, 6), min_size=0, max_size=3).map(tuple),
    elements=st.sampled_from([0, 1, -2, 3]),
)


def search(data: st.DataObject) -> None:
    """Arrays of any shape and type are searched and clustered, or named."""
    queries, gallery = data.draw(ROWS), data.draw(ROWS)
    if data.draw(st.booleans()) and np.issubdtype(gallery.dtype, np.floating) and gallery.size:
        gallery[(0,) * gallery.ndim] = data.draw(st.sampled_from([np.nan, np.inf, 1.0]))
    k = data.draw(st.integers(-1, 5))
    try:
        ids, cosines = nearest(torch.from_numpy(queries), torch.from_numpy(gallery), k)
    except ValueError as error:
        assert re.match("queries|gallery|k: ", str(error))
    else:
        assert (
            ids.shape == cosines.shape == (len(queries), k) and (np.sort(ids) >= 0).all() and ids.max() < len(gallery)
        )
    try:
        assert (np.unique(kmeans(gallery, k, seed=0, restarts=1)) < k).all()
    except ValueError as error:
        assert re.match("embeddings|k: ", str(error))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_arrays_are_searched_or_named(data: st.DataObject) -> None:
    search(data)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_any_arrays_are_searched_or_named_many(data: st.DataObject) -> None:
    search(data)
