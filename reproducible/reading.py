"""Text files that people write: YAML and tables of comma-separated values, read so that nothing is lost in silence.

PyYAML takes the last of two equal keys, and a table that was cut off at a line's end is a shorter table. Here the one
is an error, and so is the other for the tables that ``rows.csv`` beside them counts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from reproducible.resources import UserError

COUNTS = "rows.csv"


def read_text(path: Path) -> str:
    """The text of a file, UTF-8.

    Raises:
        UserError: if it is not there, cannot be read, or is no such text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path}: there is no such file.") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 text, at byte {error.start}.") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        UserError: as of :func:`read_text`; if it is not YAML, with the line; for a key that is there twice, with both.
    """
    return parse_yaml(read_text(path), path)


def parse_yaml(text: str, path: Path) -> Any:
    """What text from a YAML file says; the arguments and errors are those of :func:`read_yaml`."""
    import yaml

    try:
        return yaml.load(text, Loader=_strict())
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: cannot be read as YAML ({error.problem}).") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: cannot be read as YAML ({said}).") from error


@cache
def _strict() -> Any:
    """A safe loader to which two equal keys are an error."""
    import yaml

    class Strict(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: dict[tuple[str, str], int] = {}
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode):
                    if (name := (key.tag, key.value)) in seen:
                        said = f"the key {key.value!r} is there twice, first in line {seen[name]}"
                        raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
                    seen[name] = key.start_mark.line + 1
            return super().construct_mapping(node, deep)

    return Strict


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table with a header, by column.

    Raises:
        UserError: as of :func:`read_text`; for a line of another number of fields than the header has, or one that
            does not end; if ``rows.csv`` beside it says another number of rows.
    """
    return parse_rows(read_text(path), path)


def parse_rows(text: str, path: Path) -> list[dict[str, str]]:
    """The rows of the text of a table; the arguments and errors are those of :func:`read_rows`."""
    if text and not text.endswith("\n"):
        raise UserError(f"{path}: its last line does not end; the file was cut short.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        rows = []
        for fields in reader:
            if len(fields) != len(header):
                raise UserError(f"{path}, line {reader.line_num}: has {len(fields)} fields, not {len(header)}.")
            rows.append(dict(zip(header, fields, strict=True)))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: cannot be read as a table ({error}).") from error
    wanted = counts(path.parent).get(path.name, len(rows))
    if len(rows) != wanted:
        raise UserError(
            f"{path}: has {len(rows)} rows, {wanted} are expected; it was cut short, or {path.parent / COUNTS} has to "
            "say otherwise."
        )
    return rows


def counted(rows: Mapping[str, int]) -> str:
    """The text of ``rows.csv``, from the number of rows of each table."""
    return "file,rows\n" + "".join(f"{name},{number}\n" for name, number in sorted(rows.items()))


def counts(folder: Path) -> dict[str, int]:
    """How many rows the tables of a folder have, by file, as far as its ``rows.csv`` says.

    Raises:
        UserError: if that cannot be read.
    """
    path = folder / COUNTS
    if not path.is_file():
        return {}
    try:
        return {name: int(rows) for name, rows in csv.reader(read_text(path).splitlines()[1:])}
    except ValueError as error:
        raise UserError(f"{path}: must have a name and a number of rows in each line.") from error
