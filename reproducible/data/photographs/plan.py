"""What a manifest says of photographs that a reader brings. Explained on page: data-card."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reproducible.resources import UserError, nearest_name

FITS = ("squash", "centre")
CROPS = ("none", "box")
LAYOUTS = ("csv", "cub", "cars", "products", "inshop", "folder")
RULES = ("given", "first_half", "up_to", "list", "random")


@dataclass(frozen=True)
class Download:
    """A file of a source: its name; what it should be, as far as that is known; and where it can be had.

    Attributes:
        asset: file name.
        url: empty where it cannot be downloaded without a form or a login.
        bytes: 0 where unknown.
        md5, sha256: empty where unknown.
        how: what a reader does who must fetch it by hand.
    """

    asset: str
    url: str = ""
    bytes: int = 0
    md5: str = ""
    sha256: str = ""
    how: str = ""


@dataclass(frozen=True)
class Source:
    """One way to have a data set: files, a folder, or both.

    Attributes:
        name: as "official".
        files: archives and single files; all of them are needed.
        folder: an extracted folder beside them, or its full path; empty: none.
        rename: a regular expression and what it is replaced by: from a path of the index to the path in this source.
        note: what a reader should know of it, for example what is not verified.
    """

    name: str
    files: tuple[Download, ...] = ()
    folder: str = ""
    rename: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Halves:
    """Which classes are trained on; all others are tested on.

    Attributes:
        rule: "given" by the source's own lists; "first_half" of the classes in their order; "up_to" a class number of
            the source; a "list" of class names; "random", half of them drawn with a seed.
        up_to: the last class number that is trained on, for the rule of that name.
        classes: names, for the rule "list".
        seed: for the rule "random".
    """

    rule: str
    up_to: int = 0
    classes: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise UserError(f"train: rule: there is no rule {self.rule!r}.{nearest_name(self.rule, RULES)}")

    def trained(self, classes: Mapping[int, str]) -> set[int]:
        """Numbers of the classes that are trained on, of all class numbers with their names.

        Raises:
            UserError: a listed class does not exist, with the nearest name.
        """
        if self.rule == "up_to":
            return {number for number in classes if number <= self.up_to}
        if self.rule == "list":
            by_name = {name: number for number, name in classes.items()}
            asked = [unicodedata.normalize("NFC", name) for name in self.classes]
            for name in asked:
                if name not in by_name:
                    raise UserError(f"train: classes: there is no class {name!r}.{nearest_name(name, by_name)}")
            return {by_name[name] for name in asked}
        numbers = sorted(classes)
        if self.rule == "random":
            return set(random.Random(f"train {self.seed}").sample(numbers, len(numbers) // 2))
        return set(numbers[: len(numbers) // 2])


@dataclass(frozen=True)
class HeldOut:
    """V: how many of the training classes, drawn uniformly with which seed, are held out for validation."""

    classes: int
    seed: int = 0


SHOWN = 10
"""Names that a message shows; it counts the rest."""


def counted(what: str, names: Sequence[str]) -> str:
    """``12 what: a, b, ...``: how many there are, and the first of them."""
    return f"{len(names)} {what}: {', '.join(names[:SHOWN])}" + (", ..." if len(names) > SHOWN else "")


def few(problems: list[str]) -> list[str]:
    """The first of many lines, and how many there are."""
    more = len(problems) - SHOWN
    return problems if more <= 0 else [*problems[:SHOWN], f"... and {more:,} more, {len(problems):,} in all."]


def safe(name: str) -> bool:
    """True for a relative path that stays inside its folder."""
    return bool(name) and name[0] != "/" and ".." not in name.split("/") and "\\" not in name and "\0" not in name
