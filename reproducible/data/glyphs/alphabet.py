"""The characters and marks of the benchmark, their names, and the characters left out because they look alike.

A class is a grapheme cluster that we compose ourselves, base x mark above x mark below, so that every combination
exists, also those that Unicode has no code point for. Explained on page: glyphs.
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

from reproducible.resources import UserError, nearest_name

BASES: dict[str, str] = {
    "latin": "ABDEFGHJLMNQRTYabcdefghkmnopqrstuvwxyzæ",
    "digit": "23456789",
    "greek": "αβγδεζθλμξπσφψωΔΞΣΩ",
    "cyrillic": "ДЖЛЦЧШЪЫЭЮЯЂЉЊ",
}
"""Script -> its base characters, after the removal of look-alikes."""

ABOVE: dict[str, str] = {
    "grave": "\u0300",
    "acute": "\u0301",
    "circumflex": "\u0302",
    "tilde": "\u0303",
    "macron": "\u0304",
    "dot above": "\u0307",
    "diaeresis": "\u0308",
    "ring above": "\u030a",
    "double acute": "\u030b",
    "caron": "\u030c",
}
"""Name -> combining character of the marks above."""

BELOW: dict[str, str] = {
    "dot below": "\u0323",
    "cedilla": "\u0327",
    "circumflex below": "\u032d",
    "macron below": "\u0331",
}
"""Name -> combining character of the marks below."""

DISTRACTORS = "?!&%@#$§¶+=<>*∞∫≈≠¿«»†‡¤"
"""Small characters in the background; none is a base, a mark or a pretraining character, or looks like one."""

LEFT_OUT: dict[str, str] = {
    "IlO01ij": "strokes and circles that are each other's twins; i and j bring marks of their own",
    "CKOPSUVWXZ": "the same shape as their small letters, told apart by size alone, which is drawn at random",
    "ВЕКМНОРСТУХАЅІЈΑΒΕΖΗΙΚΜΝΟΡΤΥΧ": "drawn like a Latin letter, most from the same outline",
    "ЗЄФικνορτυχςΦ": "З is 3, Є is C, Ф and Φ are φ in many fonts, the small letters are i, k, v, o, p, t, u, x, s",
    "η": "n with a tail, which a mark below hides",
    "ΓΘΛΨ": "F without a bar, θ, A without a bar, ψ",
    "ΠИ": "H with its bar moved",
    "БЬ": "B with its upper bowl open, and that without its roof",
    "ЏЩЋ": "Ц, Ш and Ђ but for a tail",
    "ßðþøœŋ": "β, δ, p, o, æ and n to a reader of 64 pixels",
}
"""Reviewed: characters that are not bases -> why. ``lookalikes.pairs`` finds the first ones of these by itself."""


PRETRAINING = (
    "\\¢£©±Ø÷ĸƄƇƊƎƑƖƗƘƝƞƢƤƥƦƨƪƫƮƱƸƺƾƿǁǶȜȥȴȸȹȻȼȾȿɀɁɄɔɕɖɘɚɞɟɠɣɤɧɨɫɬɯ"
    "ɱɲɼɾɿʁʂʆʊʐʓʔʗʚʞʤʧʨʩʫϗϘϞϠϡ϶ϻϾщџѴѵҒғҕҗқңҤҬұҳӃӋԱԴԵԶԸԾԿՀՃՄՆՈՋՌՍՐ"
    "ՓՖգդթժիծկմչվտքაგდმოსუფღჩცხჯჱჲჴჵჺᶅ‖‱⁄←→↓↙↤↧↩↫↭↯↲↳↵↶↷↸⇂⇄⇉⇊⇑⇔⇖⇙"
    "⇚⇛⇝⇣⇩⇭⇵⇶⇷⇸⇹⇿∂∋∏∓√∛∟∨∹∻≐≓≥⊆⊇⊍⊑⊒⊓⊕⊗⊚⊛⊡⊣⊥⋄⌑⌘⌨⎞⎡⎣⎦⎩⎫⎬⎭▢▣▦▧▨▩▮▯▲▶"
    "▹▻▼▽▿◄◅◆◇◉○◌◍◐◑◓◔◖◗◙◚◣◤◥◧◩◭◮◹◿☀☸☼☿♀♆♇♠♥♦♩♬⟶⬆⬈⬊⬋⬒⬓⬗⬘⬚ⱤⱮⱵⱶⱹⱾ⸮Ɦ"
)
"""Characters that only the backbone's pretraining uses: 300 of ``lookalikes.candidates()``, drawn once, fixed here."""


class Glyph(NamedTuple):
    """A base character with the names of its marks; the empty name is no mark."""

    base: str
    above: str = ""
    below: str = ""

    @property
    def label(self) -> str:
        """The name of the class, as in ``Я + acute + dot below``."""
        return " + ".join(part for part in self if part)


def script_of(base: str) -> str:
    """Script of a base character: a key of :data:`BASES`.

    Raises:
        UserError: a character that is not a base of the benchmark.
    """
    for script, bases in BASES.items():
        if base in bases:
            return script
    raise UserError(f"{base!r} is not a base character of the benchmark.{nearest_name(base, ''.join(BASES.values()))}")


def attributes(glyph: Glyph) -> dict[str, str]:
    """What is known of a class: ``script``, ``case`` (capital, small or none), ``letter``, ``above``, ``below``."""
    name = unicodedata.name(glyph.base)
    case = next((word.lower() for word in ("CAPITAL", "SMALL") if f" {word} " in name), "none")
    return {
        "script": script_of(glyph.base),
        "case": case,
        "letter": name.rpartition(" ")[2].lower(),
        "above": glyph.above or "none",
        "below": glyph.below or "none",
    }


def mark(name: str, known: dict[str, str]) -> str:
    """The combining character of a mark by name.

    Raises:
        UserError: an unknown name, with the nearest known one.
    """
    if name not in known:
        raise UserError(f"There is no mark {name!r} in this place.{nearest_name(name, known)}")
    return known[name]
