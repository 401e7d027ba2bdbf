"""Parameters of a notebook: what its tagged cell declares, and values given for them. Imports no torch.

A notebook is executed by ``reproducible book execute``, by Papermill or by hand; the first two replace values of the
cell tagged ``parameters``. Explained on page: reproduce.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from reproducible.config import convert
from reproducible.resources import DEVICES, UserError, check_device, nearest_name
from reproducible.studies import PROFILES

TAG = "parameters"
_INJECTED = "# Parameters\n"  # how a cell begins that Papermill puts in


def declared(notebook: Path) -> dict[str, Any]:
    """Name and default of each parameter, as the tagged cell has them.

    Raises:
        UserError: if the file is no notebook, or has no such cell.
    """
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except (OSError, ValueError) as error:
        raise UserError(f"{notebook}: cannot be read as a notebook ({error}).") from error
    tagged = [cell.source for cell in cells if TAG in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise UserError(f"{notebook}: {len(tagged)} cells are tagged {TAG!r}, where one should be.")
    try:
        return {ast.unparse(node.targets[0]): ast.literal_eval(node.value) for node in ast.parse(tagged[0]).body}
    except (AttributeError, SyntaxError, ValueError) as error:
        raise UserError(
            f"{notebook}: the cell tagged {TAG!r} must hold lines of NAME = VALUE alone ({error})."
        ) from error


def parsed(notebook: Path, given: Sequence[str]) -> dict[str, Any]:
    """Values given as text, each of the type that the notebook's own default has.

    Args:
        notebook: whose parameters.
        given: ``NAME=VALUE``, the last of a name winning.

    Raises:
        UserError: for text of another form, an unknown name (with the nearest one), or a value that does not fit.
    """
    known = declared(notebook)
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set takes NAME=VALUE, as in profile=quick; got {text!r}.")
        if name not in known:
            raise UserError(f"{notebook} has no parameter {name!r}.{nearest_name(name, known)}")
        found[name] = value if isinstance(known[name], str) else _typed(value, type(known[name]), name)
    check(**{name: found[name] for name in ("profile", "device", "seeds") if name in found})
    return found


def _typed(text: str, wanted: type, name: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    return convert(wanted, value, name)


def check(profile: str = PROFILES[0], device: str = DEVICES[0], seeds: int = 1) -> None:
    """Check the values that a page is about to run with, however they came there; the first cell of every page does.

    Args:
        profile: one of :data:`reproducible.studies.PROFILES`.
        device: ``auto``, ``cpu`` or ``cuda``, the last with a number or without.
        seeds: how many class draws a page shows, 1 or more.

    Raises:
        UserError: for anything else, with the nearest name; for a name that Papermill was given by hand and the page
            does not have.
    """
    _check_names(sys._getframe(1).f_globals.get("In", ()))
    if profile not in PROFILES:
        raise UserError(f"There is no profile {profile!r}.{nearest_name(str(profile), PROFILES)}")
    check_device(device)
    if isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1:
        raise UserError(f"seeds must be a whole number, 1 or more, got {seeds!r}.")


def _check_names(cells: Sequence[str]) -> None:
    """Look for names that a page does not have among what it was given: Papermill puts all it is given into a cell of
    its own behind that of the page, and only mentions what it does not find there.

    Args:
        cells: what an interactive Python has executed so far.

    Raises:
        UserError: for the first one, with the nearest name.
    """
    known: set[str] = set()
    for cell in cells:
        try:
            names = [node.targets[0].id for node in ast.parse(cell).body if isinstance(node, ast.Assign)]
        except (AttributeError, SyntaxError):  # no cell of parameters
            continue
        for name in names if cell.startswith(_INJECTED) else ():
            if name not in known:
                raise UserError(f"This page has no parameter {name!r}.{nearest_name(name, known)}")
        known.update(names)
