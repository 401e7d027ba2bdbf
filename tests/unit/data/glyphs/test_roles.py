"""Splits of the glyphs: class-disjoint, V apart, every script on every side, and the staged pair."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from reproducible.config import SPLITS
from reproducible.data.glyphs.alphabet import BASES, PRETRAINING, script_of
from reproducible.data.glyphs.plan import DRAWN, glyphs_of
from reproducible.data.manifest import load_manifest, manifest_names, read_classes
from reproducible.data.splits import protocol, split
from reproducible.data.store import Store
from reproducible.resources import UserError

GLYPHS = glyphs_of(load_manifest("glyphs").variant)
DRAWS = range(30)


def bases(ids: tuple[int, ...]) -> set[str]:
    return {GLYPHS[i].base for i in ids}


@pytest.mark.parametrize("kind", ["half", "staged", "staged_control"])
def test_every_draw(kind: str) -> None:
    v = split("glyphs", "half").validation
    assert len(v) == 50 and {script_of(b) for b in bases(v)} == set(BASES)
    for draw in DRAWS:
        drawn = split("glyphs", kind, draw)
        assert drawn.validation == v
        groups = [bases(ids) for ids in (drawn.train, drawn.validation, drawn.test)]
        assert sum(map(len, groups)) == len(set.union(*groups))  # by base, and so by class
        assert len(drawn.test) == 100 and len(groups[2]) == 20
        assert drawn.test == split("glyphs", "half", draw).test
        for ids in (drawn.train, drawn.validation, drawn.test):
            assert list(ids) == sorted(set(ids))


def test_halves() -> None:
    seen = Counter()
    for draw in DRAWS:
        drawn = split("glyphs", "half", draw)
        assert len(drawn.train) == 100 and len(bases(drawn.train)) == 20
        counts = [Counter(script_of(b) for b in bases(ids)) for ids in (drawn.train, drawn.test)]
        for script in BASES:
            assert min(c[script] for c in counts) >= 1 and abs(counts[0][script] - counts[1][script]) <= 4
        seen.update(bases(drawn.test))
    assert len({split("glyphs", "half", draw).train for draw in DRAWS}) == len(DRAWS)
    others = set("".join(BASES.values())) - bases(split("glyphs", "half").validation)
    assert set(seen) == others  # each base is tested on in some draw


def test_staged_and_its_control() -> None:
    marks = list(dict.fromkeys(g[1:] for g in GLYPHS))
    for draw in DRAWS:
        staged, control = (split("glyphs", kind, draw) for kind in ("staged", "staged_control"))
        assert len(staged.train) == len(control.train) == 50
        assert len(bases(staged.train)) == 50 and len(bases(control.train)) == 10
        assert bases(control.train) < bases(staged.train)
        assert bases(staged.train) | bases(staged.validation) | bases(staged.test) == set("".join(BASES.values()))
        assert Counter(GLYPHS[i][1:] for i in staged.train) == dict.fromkeys(marks, 10)
        assert Counter(GLYPHS[i][1:] for i in control.train) == dict.fromkeys(marks, 10)


def test_marks_are_shared_and_no_single_part_tells_combinations_apart() -> None:
    marks = {g[1:] for g in GLYPHS}
    assert len(GLYPHS) == 400 and len(marks) == 5 and ("", "") not in marks
    assert len({(g.base, *g[1:]) for g in GLYPHS}) == 400
    for part in (0, 1):
        values = Counter(m[part] for m in marks)
        assert max(values.values()) >= 2
        assert len(values) < 5


def test_instance_variant() -> None:
    manifest = load_manifest("glyphs-instance")
    glyphs = glyphs_of(manifest.variant)
    assert len(glyphs) == len(set(glyphs)) == 80 * DRAWN
    of = [g.base for g in glyphs]
    reserved = bases(split("glyphs", "half").validation)
    for draw in range(5):
        drawn = split("glyphs-instance", "half", draw)
        roles = [{of[i] for i in ids} for ids in (drawn.train, drawn.validation, drawn.test)]
        assert [len(ids) for ids in (drawn.train, drawn.validation, drawn.test)] == [1050, 300, 1050]
        assert sum(map(len, roles)) == len(set.union(*roles)) and roles[1] == reserved
    assert manifest.counts == {"query": 4800, "gallery": 9600}


def test_pretraining_shares_no_character_with_any_other_variant() -> None:
    pretraining = {g.base for g in glyphs_of(load_manifest("glyphs-pretraining").variant)}
    assert pretraining == set(PRETRAINING)
    for name in manifest_names():
        if name.startswith("glyphs") and name != "glyphs-pretraining":
            assert not pretraining & {g.base for g in glyphs_of(load_manifest(name).variant)}


def test_classes_are_grouped_by_base_and_script() -> None:
    manifest = load_manifest("glyphs")
    classes = read_classes(manifest)
    for c, glyph in zip(classes, GLYPHS, strict=True):
        assert (c.name, manifest.coarse[c.coarse_id], c.kind) == (glyph.label, glyph.base, script_of(glyph.base))


def test_all_to_all(mini: Store) -> None:
    queries, gallery = protocol(mini, [3, 7])
    assert queries.tolist() == gallery.tolist() == np.flatnonzero(np.isin(mini.labels, [3, 7])).tolist()
    with pytest.raises(UserError, match=r"No protocol 'all_to_al'\. Did you mean 'all_to_all'"):
        protocol(mini, [3], "all_to_al")


def test_bad_arguments() -> None:
    with pytest.raises(UserError, match=r"'glyphs' has no split 'stage'\. Did you mean 'staged'"):
        split("glyphs", "stage")
    with pytest.raises(UserError, match="has no split 'canonical'"):
        split("glyphs", "canonical")
    with pytest.raises(UserError, match="draw must be 0 or more, found -1"):
        split("glyphs", "half", -1)
    with pytest.raises(UserError, match="is not split: it is for pretraining"):
        split("glyphs-pretraining", "half")
    with pytest.raises(UserError, match="needs the same combinations on all bases"):
        split("glyphs-instance", "staged")
    with pytest.raises(UserError, match="No split 'staged'"):
        split("groceries", "staged")
    assert {"half", "staged", "staged_control"} < set(SPLITS)
