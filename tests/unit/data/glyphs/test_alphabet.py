"""Characters: no look-alikes, nothing of pretraining in the benchmark, attributes from Unicode."""

from __future__ import annotations

import itertools
import unicodedata

import pytest

from reproducible.data.glyphs import fonts, lookalikes
from reproducible.data.glyphs.alphabet import (
    ABOVE,
    BASES,
    BELOW,
    DISTRACTORS,
    LEFT_OUT,
    PRETRAINING,
    Glyph,
    attributes,
    mark,
    script_of,
)
from reproducible.resources import UserError

BENCHMARK = "".join(BASES.values())


def test_sets_of_characters_are_disjoint() -> None:
    sets = [BENCHMARK, PRETRAINING, DISTRACTORS, "".join(LEFT_OUT)]
    assert (len(BENCHMARK), len(PRETRAINING)) == (80, 300)
    assert all(len(set(s)) == len(s) for s in sets[:3])
    for one, other in itertools.combinations(sets, 2):
        assert not set(one) & set(other)


def test_scripts_are_what_unicode_says() -> None:
    for script, bases in BASES.items():
        for base in bases:
            assert unicodedata.name(base).lower().startswith(script), base
            assert script_of(base) == script


def test_bases_and_pretraining_have_no_marks_of_their_own() -> None:
    for character in BENCHMARK + PRETRAINING:
        assert not unicodedata.decomposition(character) and not unicodedata.combining(character)


def test_marks_are_the_combining_characters_of_their_names() -> None:
    for known in (ABOVE, BELOW):
        for name, character in known.items():
            words = unicodedata.name(character).lower().removeprefix("combining ").replace(" accent", "")
            assert words == name
            assert unicodedata.combining(character) == (230 if known is ABOVE else 202 if name == "cedilla" else 220)


def test_no_two_bases_look_alike() -> None:
    assert lookalikes.pairs(BENCHMARK) == []


def test_the_check_finds_look_alikes() -> None:
    """Those that were left out beside the ones that they were left out for."""
    found = {frozenset(pair[:2]) for pair in lookalikes.pairs("3ЗAΛθΘHΠFΓEx")}
    assert found == {frozenset(pair) for pair in ("3З", "AΛ", "θΘ", "HΠ", "FΓ")}


def test_pretraining_characters_are_unlike_the_benchmark() -> None:
    inks = lookalikes.Inks(BENCHMARK + PRETRAINING)
    for i in range(len(BENCHMARK), len(BENCHMARK) + len(PRETRAINING)):
        assert inks.likeness(i, range(len(BENCHMARK))).max() < 0.75, (BENCHMARK + PRETRAINING)[i]


@pytest.mark.slow
def test_pretraining_characters_are_candidates() -> None:
    assert set(PRETRAINING) <= set(lookalikes.candidates())


def test_attributes() -> None:
    assert attributes(Glyph("Я", "acute")) == {
        "script": "cyrillic",
        "case": "capital",
        "letter": "ya",
        "above": "acute",
        "below": "none",
    }
    assert attributes(Glyph("7", "", "cedilla"))["case"] == "none"
    assert Glyph("Я", "acute", "cedilla").label == "Я + acute + cedilla"


def test_unknown_names() -> None:
    with pytest.raises(UserError, match=r"no mark 'acut' in this place\. Did you mean 'acute'"):
        mark("acut", ABOVE)
    with pytest.raises(UserError, match="'I' is not a base character of the benchmark"):
        script_of("I")


def test_fonts_are_the_pinned_ones() -> None:
    assert len(fonts.FONTS) == len({f.name for f in fonts.FONTS}) == 21
    assert fonts.versions()["fonts"] == fonts.AS_PINNED


def test_font_that_differs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = (fonts.Font("cmr10", "0" * 64), *fonts.FONTS[1:])
    monkeypatch.setattr(fonts, "FONTS", changed)
    assert fonts.versions.__wrapped__()["fonts"] == "different: cmr10"


def test_missing_font_is_named() -> None:
    with pytest.raises(UserError, match=r"Nowhere\.ttf: missing"):
        fonts.font_file("Nowhere")


def test_every_font_that_is_used_has_its_characters_and_marks() -> None:
    """By its character map: what a font lacks it would draw as an empty box."""
    for base in BENCHMARK:
        used = fonts.fonts_for(base)
        assert len(used) == (21 if base.isascii() else 16), base
        assert all(ord(base) in fonts.characters(font.name) for font in used)
    for font in fonts.FONTS:
        for character in (*ABOVE.values(), *BELOW.values()):
            assert ord(character) in fonts.characters(font.marks or font.name), (font.name, character)
    assert not any(font.basic for font in fonts.fonts_for("é"))
    with pytest.raises(UserError, match="None of the 21 fonts has the character"):
        fonts.fonts_for("\U0010fffd")


def test_blank_characters_are_refused() -> None:
    with pytest.raises(UserError, match=r"Font DejaVuSans draws nothing for U\+0020"):
        fonts.raster("DejaVuSans", " ", 40)
