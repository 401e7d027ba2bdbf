"""Import torchvision beside a build of torch that its compiled operators were not made for.

The torchvision on PyPI is a CUDA build. Beside a CPU build of torch its operator library cannot load, and the import
fails ("operator torchvision::nms does not exist"), because torchvision registers shape rules for operators that were
never defined. Its models, transforms and data sets need none of them, so in that case alone the missing operators are
declared, without an implementation, and the import is tried again. Calling one of them still fails clearly.
"""

from __future__ import annotations

import functools
import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.library import Library

_MISSING = "operator torchvision::nms does not exist"
_ARGUMENTS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def ensure_torchvision() -> ModuleType:
    """Import torchvision, declaring its missing operators only where the import fails for want of them.

    To be called before anything that imports torchvision itself (timm, pytorch-metric-learning).

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


@functools.cache  # declarations last as long as the object that made them
def _declare_operators() -> Library:
    from torch.library import Library

    library = Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(operator + _ARGUMENTS)
    return library
