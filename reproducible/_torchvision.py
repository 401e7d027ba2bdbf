"""Import torchvision beside a build of torch that its compiled operators were not made for.

The torchvision on PyPI is a CUDA build. Beside a CPU build of torch its operator library cannot load, and the import
fails ("operator torchvision::nms does not exist"), because torchvision registers shape rules for operators that were
never defined. Its models, transforms and data sets need none of them, so in that case alone the missing operators are
declared, without an implementation, and the import is tried again. Calling one of them still fails clearly.

:func:`watch`, called when the package is imported, arranges this for whoever imports torchvision first (timm,
pytorch-metric-learning, the reader) and imports neither torch nor torchvision itself.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.library import Library

_MISSING = "operator torchvision::nms does not exist"
_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def ensure_torchvision() -> ModuleType:
    """Import torchvision, declaring its missing operators only where the import fails for want of them.

    Returns:
        The module torchvision.

    Raises:
        RuntimeError: whatever else the import fails with.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if _MISSING not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    _declare_operators()
    return importlib.import_module("torchvision")


class _Watch(MetaPathFinder, Loader):
    """Stands in for the import of torchvision once, and hands out what :func:`ensure_torchvision` imported."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != "torchvision":
            return None
        sys.meta_path.remove(self)
        self._module = ensure_torchvision()
        self._spec = self._module.__spec__
        return ModuleSpec(name, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def watch() -> None:
    """From now on, whoever imports torchvision first gets it by way of :func:`ensure_torchvision`."""
    if "torchvision" not in sys.modules:
        sys.meta_path.insert(0, _Watch())


@functools.cache  # declarations last as long as the object that made them
def _declare_operators() -> Library:
    from torch.library import Library

    library = Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + _ARGUMENTS)
    return library
