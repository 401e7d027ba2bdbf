"""Plain values from a YAML file as typed dataclasses, with errors that name the file and the field."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from reproducible.resources import UserError, check_keys


def convert(value: Any, kind: Any, where: str) -> Any:
    """``value`` from YAML as the type ``kind``; ``where`` names file and field in errors."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return build(value, kind, where)
    if origin is dict and isinstance(value, dict):
        return {convert(k, arguments[0], where): convert(v, arguments[1], f"{where}: {k}") for k, v in value.items()}
    if origin is tuple and isinstance(value, list):
        kinds = arguments[:1] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(convert(v, k, f"{where}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True)))
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and type(value) is kind:
        return value
    wanted = kind.__name__ if origin is None else str(kind)
    raise UserError(f"{where}: must be {wanted}, found {value!r}.")


def build(value: Any, kind: Any, where: str) -> Any:
    """A dataclass from a YAML mapping of its fields; those with a default may be missing.

    A field whose metadata call it private is no key: the code that reads the file fills it in.
    """
    public = {f.name: f for f in dataclasses.fields(kind) if not f.metadata.get("private")}
    hints = {name: hint for name, hint in typing.get_type_hints(kind).items() if name in public}
    check_keys(value, public, [name for name, f in public.items() if _required(f)], where)
    return kind(**{key: convert(value[key], hint, f"{where}: {key}") for key, hint in hints.items() if key in value})


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
