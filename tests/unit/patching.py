"""Changes to the library that a test makes on purpose."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest


def everywhere(patch: pytest.MonkeyPatch, original: Callable[..., Any], changed: Callable[..., Any]) -> None:
    """A function of the library is another one, under every name that it was imported as."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "reproducible"]
    found = [(module, name) for module in modules for name, value in vars(module).items() if value is original]
    assert found, f"{original} is nowhere"
    for module, name in found:
        patch.setattr(module, name, changed)
