"""A table of attributes that a reader's own photographs bring: ``attributes.csv`` beside the folders of the classes.

Its first column is ``class`` or ``image`` (a path in the folder, as ``mushrooms/0.jpg``), each further one an attribute
with values from 0 to 1; every class, or every image, has a row. Explained on page: data-card.
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Sequence

import numpy as np

from reproducible.data.photographs.index import Entry
from reproducible.resources import UserError

TABLE = "attributes.csv"
KEYS = ("class", "image")


def read_table(content: bytes, entries: Sequence[Entry], where: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the attributes and their values for each image.

    Args:
        content: of the file.
        entries: the images.
        where: names the file in errors.

    Returns:
        A names and (N, A) float32.

    Raises:
        UserError: with file, line and column: a heading that is missing or there twice; a class or an image that is
            unknown, there twice or missing; a value that is no number from 0 to 1.
    """
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{where}: cannot be read as CSV in UTF-8: {error}.") from error
    key, *names = lines[0] if lines else [""]
    if key not in KEYS or not names:
        found = ",".join(lines[0]) if lines else ""
        raise UserError(f"{where}, line 1: must be 'class' or 'image', then names of attributes, found {found!r}.")
    for column, name in enumerate(names, start=2):
        if not name.strip() or name in names[: column - 2]:
            raise UserError(f"{where}, line 1, column {column}: attribute {name!r} has no name or is there twice.")
    keys = [entry.name if key == "class" else entry.path for entry in entries]
    known, rows, first = set(keys), {}, {}
    for number, (of, *values) in ((n, line) for n, line in enumerate(lines[1:], start=2) if line):
        if of not in known:
            raise UserError(f"{where}, line {number}: there is no {key} {of!r}.{_nearest(of, known)}")
        if of in first:
            raise UserError(f"{where}, line {number}: {key} {of!r} is there twice, first in line {first[of]}.")
        if len(values) != len(names):
            raise UserError(f"{where}, line {number}: has {len(values)} values for {len(names)} attributes.")
        first[of] = number
        places = (f"{where}, line {number}, column {name!r}" for name in names)
        rows[of] = [_value(value, place) for value, place in zip(values, places, strict=True)]
    absent = [of for of in dict.fromkeys(keys) if of not in rows]
    if absent:
        raise UserError(f"{where}: {len(absent)} of {len(known)} rows are missing, the first of {key} {absent[0]!r}.")
    return tuple(names), np.array([rows[of] for of in keys], np.float32)


def _value(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0 <= value <= 1:
        raise UserError(f"{where}: must be a number from 0 to 1, found {text!r}.")
    return value


def _nearest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
