"""V, the canonical split, the random halves and the retrieval protocols."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter

import numpy as np
import pytest

from reproducible.data.manifest import load_manifest, read_classes
from reproducible.data.splits import Split, protocol, split
from reproducible.data.store import Store, prepare
from reproducible.resources import UserError

CLASSES = read_classes(load_manifest("groceries"))
DRAWS = range(10)
V = (17, 25, 27, *range(28, 38))


def coarse(ids: tuple[int, ...]) -> set[int]:
    return {CLASSES[i].coarse_id for i in ids}


def kinds(ids: tuple[int, ...]) -> Counter[str]:
    return Counter(CLASSES[i].kind for i in ids)


def test_validation_classes_follow_the_rule() -> None:
    """13 of the ids 0 to 40; whole coarse classes; every kind that has whole coarse classes there."""
    v = split("groceries", "canonical").validation
    assert v == V  # fixed: records depend on it
    assert len(v) == 13 and max(v) <= 40
    assert all(c.id in v for c in CLASSES if c.coarse_id in coarse(v))
    assert set(kinds(v)) == {"fruit", "carton"}


def test_validation_rule_draws_every_union_of_the_right_size(fake) -> None:
    """Against all unions listed one by one: coarse classes of 1, 2, 1, 3 and 1 classes, of which 4 are wanted."""
    made = fake(coarse_of_class=(0, 1, 1, 2, 3, 3, 3, 4, 5, 6))
    made.write()
    made.manifest["kinds"] = {"a": [0, 3], "b": [4, 9]}
    groups = [(0,), (1, 2), (3,), (4, 5, 6), (7,)]
    unions = [sum(some, ()) for n in range(6) for some in itertools.combinations(groups, n)]
    allowed = {u for u in unions if len(u) == 4 and any(i <= 3 for i in u) and any(i > 3 for i in u)}
    drawn = set()
    for seed in range(60):
        made.manifest["validation"] = {"ids": [0, 7], "classes": 4, "seed": seed}
        drawn.add(split(load_manifest(made.save_manifest()), "canonical").validation)
    assert drawn == allowed


def test_coarse_class_across_the_border_is_not_drawn(fake) -> None:
    """Coarse class 2 has a class above the ids of the rule, so only 0 and 1 can be drawn."""
    made = fake(coarse_of_class=(0, 0, 1, 1, 2, 2, 3, 3))
    made.write()
    made.manifest["kinds"] = {"a": [0, 1], "b": [2, 7]}
    made.manifest["validation"] = {"ids": [0, 4], "classes": 4, "seed": 0}
    drawn = split(load_manifest(made.save_manifest()), "canonical")
    assert drawn == Split(train=(4,), validation=(0, 1, 2, 3), test=(5, 6, 7))
    made.manifest["validation"]["classes"] = 3
    with pytest.raises(UserError, match=r"no 3 validation classes of kinds \['a', 'b'\] can be drawn"):
        split(load_manifest(made.save_manifest()), "canonical")


def test_canonical() -> None:
    drawn = split("groceries", "canonical")
    assert drawn.test == tuple(range(41, 81))
    assert sorted(drawn.train + drawn.validation) == list(range(41))
    assert len(drawn.train) == 28
    assert coarse(drawn.train) & coarse(drawn.test) == {20}  # milk, which halves of the ids cut


def test_validation_kind_tests_on_v() -> None:
    drawn = split("groceries", "validation")
    assert drawn.test == drawn.validation == V
    assert drawn.train == split("groceries", "canonical").train


@pytest.mark.parametrize("draw", DRAWS)
def test_halves(draw: int) -> None:
    drawn = split("groceries", "half", draw)
    assert sorted(drawn.train + drawn.validation + drawn.test) == list(range(81))
    assert drawn.validation == V
    assert len(drawn.train) == len(drawn.test) == 34
    groups = [coarse(ids) for ids in (drawn.train, drawn.validation, drawn.test)]
    assert sum(map(len, groups)) == 43 and set.union(*groups) == set(range(43))
    for kind in ("fruit", "carton", "vegetable"):
        assert abs(kinds(drawn.train)[kind] - kinds(drawn.test)[kind]) <= 1
    assert drawn == split("groceries", "half", draw)


def test_draws_differ_and_each_class_is_on_both_sides() -> None:
    trained = [set(split("groceries", "half", draw).train) for draw in range(24)]
    assert len({frozenset(t) for t in trained}) == 24
    for c in set(range(81)) - set(V):
        assert 3 <= sum(c in t for t in trained) <= 21


def test_draws_are_fixed() -> None:
    """Committed records name draws by number: these divisions may never change."""
    text = repr([split("groceries", "half", draw) for draw in DRAWS])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "fa3ad5d2995948ae"


def test_uneven_groups_are_divided_as_evenly_as_they_allow(fake) -> None:
    """Kind a: coarse classes of 3 and 1 can only be divided 3 to 1; kind b: 2 and 2; V takes classes 0 and 1."""
    made = fake(coarse_of_class=(0, 1, 2, 2, 2, 3, 4, 4, 5, 5))
    made.write()
    made.manifest["kinds"] = {"a": [0, 5], "b": [6, 9]}
    made.manifest["validation"] = {"ids": [0, 1], "classes": 2, "seed": 0}
    manifest = load_manifest(made.save_manifest())
    seen = {split(manifest, "half", draw).train for draw in range(40)}
    assert seen == {a + b for a in ((2, 3, 4), (5,)) for b in ((6, 7), (8, 9))}


def test_bad_arguments(groceries: Store) -> None:
    with pytest.raises(UserError, match=r"No split 'halves'\. Did you mean 'half'"):
        split("groceries", "halves")
    with pytest.raises(UserError, match="draw must be 0 or more, found -1"):
        split("groceries", "half", -1)
    with pytest.raises(UserError, match="Split 'canonical': draw must be 0, found 1"):
        split("groceries", "canonical", 1)
    with pytest.raises(UserError, match=r"No protocol 'photo_to_icon'\. Did you mean 'photo_to_iconic'"):
        protocol(groceries, [1], "photo_to_icon")


def test_store_and_name_give_the_same_split(groceries: Store) -> None:
    assert split(groceries, "half", 3) == split("groceries", "half", 3)


@pytest.mark.parametrize("name", ["test_to_trainval", "photo_to_photo", "photo_to_iconic"])
def test_protocols_against_a_loop(fake, name: str) -> None:
    store = prepare(fake().write())
    queries, gallery = [], []
    for i, (label, part) in enumerate(zip(store.labels, store.parts, strict=True)):
        if label not in (0, 2):
            continue
        if part == "test" or (name != "test_to_trainval" and part != "iconic"):
            queries.append(i)
        if name == "test_to_trainval":
            wanted = part in ("train", "val")
        else:
            wanted = (part == "iconic") == (name == "photo_to_iconic")
        if wanted:
            gallery.append(i)
    found = protocol(store, [0, 2], name)
    np.testing.assert_array_equal(found[0], queries)
    np.testing.assert_array_equal(found[1], gallery)
    assert found[0].dtype == found[1].dtype == np.int64


@pytest.mark.parametrize(
    ("name", "queries", "gallery"),
    [("test_to_trainval", 1061, 1309), ("photo_to_photo", 2370, 2370), ("photo_to_iconic", 2370, 40)],
)
def test_canonical_counts(groceries: Store, name: str, queries: int, gallery: int) -> None:
    found = protocol(groceries, split(groceries, "canonical").test, name)
    assert (len(found[0]), len(found[1])) == (queries, gallery)


def test_a_hundred_neighbours_hold_every_relevant_photograph(groceries: Store) -> None:
    """MAP@R of the primary protocol needs R neighbours; records keep 100."""
    _, gallery = protocol(groceries, range(81))
    assert np.bincount(groceries.labels[gallery]).max() == 75
