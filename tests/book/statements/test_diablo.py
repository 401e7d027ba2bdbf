"""What the pages on DIABLO and ABE say in prose, held against counts, printed numbers and the checked cells."""

from __future__ import annotations

import re

import nbformat
import pytest

from reproducible import records
from reproducible.attention.dictionary import DictionaryGates
from reproducible.report.build import ROOT
from reproducible.studies import STUDIES
from reproducible.studies.diablo import TRIED
from reproducible.verdicts.published import load_published


def printed(page: str) -> str:
    """All that the code of a page prints."""
    cells = nbformat.read(ROOT / "notebooks" / f"{page}.ipynb", as_version=4).cells
    outputs = (output for cell in cells if cell.cell_type == "code" for output in cell.outputs)
    return "".join(output.get("text", "") for output in outputs)


def prose(page: str) -> str:
    cells = nbformat.read(ROOT / "notebooks" / f"{page}.ipynb", as_version=4).cells
    return " ".join("".join(cell.source for cell in cells if cell.cell_type == "markdown").split())


def row(*key: str) -> float:
    return load_published()[("DIABLO", *key, "CUB-200-2011", "R@K", "1")]


def test_alpha_as_the_page_says() -> None:
    assert TRIED == (10.0, 30.0, 100.0) and "among 10, 30 and 100" in prose("diablo")
    assert pytest.approx(0.035, abs=1e-3) == 832**-0.5
    entropies = re.findall(r"^(?:groceries|glyphs) .*-wise \w+ +(.*)$", printed("diablo"), re.MULTILINE)
    assert len(entropies) == 4
    for line in entropies:
        values = [int(value) for value in line.split()]
        assert values[0] == 100 and values == sorted(values, reverse=True) and values[-1] < 40


def test_parameters_and_operations_as_the_page_says() -> None:
    measured = {r["quantity"]: float(r["value"]) for r in records.measurements() if r["study"] == "diablo"}
    assert measured["extra_parameters_millions_n8"] == pytest.approx(6.0, abs=0.01)
    assert measured["gflop_googlenet"] == pytest.approx(1.6, abs=0.05)
    assert measured["gflop_inception_4_and_5"] == pytest.approx(0.7, abs=0.05)
    eight = measured["gflop_googlenet"] + 7 * measured["gflop_inception_4_and_5"] + measured["gflop_inception_4"]
    assert 3.9 < eight / measured["gflop_googlenet"] < 4.5, "about four times"
    assert f"N =  8: about {eight:4.1f} G, {eight / measured['gflop_googlenet']:3.1f} times" in printed("entries")
    size = {n: sum(p.numel() for p in DictionaryGates(832, 480, n, "dimension").parameters()) for n in (4, 8)}
    assert size[4] < 2.81e6 < size[8], "more than phi itself from eight entries on"
    assert round((2 * 480 * 832 + 2.81e6) / 1e6, 1) == 3.6


def test_printed_numbers_as_the_pages_say() -> None:
    base = row("3", "Baseline (binomial)")
    assert round(row("3", "Dimension-wise, pre-attention, N=8") - base, 1) == 5.4
    assert row("4", "Feature-wise, post-attention, N=16") < base
    abe = [load_published()[("DIABLO", "4.4", f"ABE paper: ABE-8{end}", "Cars-196", "R@K", "1")]
           for end in (" without divergence loss", "")]  # fmt: skip
    assert abe == [69.7, 85.2] and "69.7 to 85.2" in prose("three_losses_and_abe")


def test_the_divergence_is_silent_where_learners_have_matrices_of_their_own() -> None:
    found = dict(re.findall(r"^(\w+, \w+) matrix +(-?[\d.]+ +[\d.]+)$", printed("three_losses_and_abe"), re.MULTILINE))
    assert len(found) == 4
    for name, numbers in found.items():
        cosine, loss = map(float, numbers.split())
        assert (loss == 0 and abs(cosine) < 0.2) if "separate" in name else (loss > 5 and cosine > 0.8), name


def test_costs_as_the_pages_say() -> None:
    glyphs, photos = STUDIES["glyph_diablo"], STUDIES["diablo"]
    minutes = [arm.minutes for arm in glyphs.arms if arm.draws == 10 and arm.name != "dimension-pre-16"]
    assert min(minutes) > 1.5 and max(minutes) < 9
    assert glyphs.arm("dimension-pre-16").minutes == 13 and "13 minutes of a core" in prose("entries")
    assert photos.arm("dimension-pre-8").minutes > 4 * photos.arm("dimension-post-8").minutes
    heads = STUDIES["glyph_heads"]
    cells = [arm for arm in heads.arms if arm.draws == 3]
    assert len(cells) == 32 and "all of them on three draws" in prose("one_head")
