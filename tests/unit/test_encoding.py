"""Arrays that records keep come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reproducible import encoding
from reproducible.resources import UserError


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_hits_round_trip(hits: list[bool]) -> None:
    packed = encoding.encode_hits(np.array(hits))
    assert encoding.decode_hits(packed, len(hits)).tolist() == hits
    assert len(packed) == 2 * -(-len(hits) // 8)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_neighbours_round_trip(data: st.DataObject) -> None:
    gallery = data.draw(st.one_of(st.integers(8, 65_535), st.integers(65_537, 2**32)))
    relevant = np.array(data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=10)))
    width = max(8, int(relevant.max()), data.draw(st.integers(8, 40)))
    stream = np.random.default_rng(data.draw(st.integers(0, 9)))
    ids = stream.integers(0, gallery, (len(relevant), width))
    found = encoding.decode_neighbours(encoding.encode_neighbours(ids, relevant), relevant, width)
    for row, expected, count in zip(found, ids, np.maximum(relevant, 8), strict=True):
        assert row[:count].tolist() == expected[:count].tolist()
        assert not row[count:].any()


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_matches_round_trip(data: st.DataObject) -> None:
    """What is read comes back: the first R, or eight, of each query."""
    queries, columns = data.draw(st.integers(1, 20)), data.draw(st.integers(8, 30))
    relevant = np.array(data.draw(st.lists(st.integers(0, columns), min_size=queries, max_size=queries)))
    matches = np.random.default_rng(data.draw(st.integers(0, 99))).random((queries, columns)) < 0.4
    found = encoding.decode_matches(encoding.encode_matches(matches, relevant), relevant, columns)
    read = np.arange(columns) < np.maximum(relevant, 8)[:, None]
    np.testing.assert_array_equal(found, matches & read)


def test_matches_of_another_record_are_noticed() -> None:
    packed = encoding.encode_matches(np.ones((3, 9), bool), np.array([9, 9, 9]))
    with pytest.raises(UserError, match=r"hold 32 bits, 36 are needed"):
        encoding.decode_matches(packed, np.array([9, 9, 18]), 18)


def test_neighbours_of_another_record_are_noticed() -> None:
    ids = np.arange(20)[None, :].repeat(3, 0)
    packed = encoding.encode_neighbours(ids, np.array([9, 9, 9]))
    with pytest.raises(UserError, match="neighbours are 54 bytes, 28 of them are needed: the record is damaged"):
        encoding.decode_neighbours(packed, np.array([9, 9, 10]), 20)


@pytest.mark.parametrize("largest", [65_535, 65_536, 69_999, 2**32 - 1])
def test_large_numbers_come_back(largest: int) -> None:
    """A gallery of Stanford Online Products has more images than two bytes can number."""
    ids = np.array([[0, largest, 4_463, 65_535, 1, 2, 3, 4], [largest, 5, 6, 7, 8, 9, 10, 11]])
    relevant = np.array([1, 1])
    assert (encoding.decode_neighbours(encoding.encode_neighbours(ids, relevant), relevant, 8) == ids).all()
    assert (encoding.decode_clusters(encoding.encode_clusters(ids[0]), 8) == ids[0]).all()


@pytest.mark.parametrize("wrong", [-1, 2**32])
def test_numbers_that_do_not_fit_are_refused(wrong: int) -> None:
    ids = np.array([[0, wrong, 1, 2, 3, 4, 5, 6]])
    with pytest.raises(UserError, match=rf"neighbours: must be from 0 to 4294967295, found .*{wrong}"):
        encoding.encode_neighbours(ids, np.array([1]))
    with pytest.raises(UserError, match="clusters: must be from 0"):
        encoding.encode_clusters(ids[0])


@pytest.mark.parametrize(
    "decode",
    [
        lambda packed: encoding.decode_hits(packed, 3),
        lambda packed: encoding.decode_first(packed, 3),
        lambda packed: encoding.decode_clusters(packed, 3),
        lambda packed: encoding.decode_matches(packed, np.array([1, 1, 1]), 8),
        lambda packed: encoding.decode_neighbours(packed, np.array([1, 1, 1]), 8),
    ],
)
@pytest.mark.parametrize("packed", ["", "x", "ü", "0" * 40, None, 3, ["a"], encoding.encode_first(np.ones((9, 9)) > 0)])
def test_what_cannot_be_unpacked_is_an_error_of_the_record(decode: Callable[[Any], Any], packed: Any) -> None:
    with pytest.raises(UserError, match="the record is damaged"):
        decode(packed)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), min_size=1, max_size=30))
def test_run_lengths_round_trip(pairs: list[tuple[int, int]]) -> None:
    labels = np.array([label for label, _ in pairs])
    coarse = labels // 2  # a class lies in one coarse class
    lengths = encoding.run_lengths(labels, coarse)
    assert encoding.expand(lengths).tolist() == labels.tolist()
    assert encoding.expand(lengths, column=1).tolist() == coarse.tolist()
    assert sum(count for *_, count in lengths) == len(pairs)
    assert all(a[0] != b[0] for a, b in pairwise(lengths))


@settings(deadline=None)
@given(st.data())
def test_rank_of_the_first_match_gives_recall(data: st.DataObject) -> None:
    """Against a loop over queries: the same queries have a match among their k nearest."""
    rows, columns = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    matches = data.draw(arrays(bool, (rows, columns)))
    found = encoding.decode_first(encoding.encode_first(matches), rows)
    assert found.sum(axis=1).max() <= 1
    for k in (1, 2, 4, 8):
        assert [bool(row[:k].any()) for row in found] == [any(row[:k]) for row in matches.tolist()]


def test_ranks_of_another_record_are_noticed() -> None:
    packed = encoding.encode_first(np.ones((3, 9), bool))
    with pytest.raises(UserError, match="of 3 queries, not of 4"):
        encoding.decode_first(packed, 4)


@pytest.mark.parametrize("steps", [200, 10_000])
def test_fractions_come_back_to_the_step(steps: int) -> None:
    values = np.r_[np.random.default_rng(0).uniform(-1, 1, 500), -1, 0, 1]
    found = encoding.decode_fractions(encoding.encode_fractions(values, steps, "made"), steps, "made")
    assert np.abs(found - values).max() <= 0.5 / steps + 1e-12
    assert found[-3:].tolist() == [-1, 0, 1]
