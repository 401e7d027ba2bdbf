"""torchvision imports beside a CPU torch, and nothing is touched where it imports anyway."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from reproducible import _torchvision


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A list that grows when operators are declared; torchvision counts as not imported yet."""
    calls: list[bool] = []
    monkeypatch.setattr(_torchvision, "_declare_operators", lambda: calls.append(True))
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    return calls


def write_module(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "torchvision.py").write_text(body)
    monkeypatch.syspath_prepend(folder)


def test_nothing_is_declared_where_torchvision_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: list[bool]
) -> None:
    write_module(tmp_path, "marker = 'the real one'", monkeypatch)
    assert _torchvision.ensure_torchvision().marker == "the real one"
    assert not declared


def test_another_error_is_raised_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: list[bool]) -> None:
    write_module(tmp_path, "raise RuntimeError('no space left')", monkeypatch)
    with pytest.raises(RuntimeError, match="no space left"):
        _torchvision.ensure_torchvision()
    assert not declared


def test_missing_operators_are_declared_once_and_the_import_repeated(
    monkeypatch: pytest.MonkeyPatch, declared: list[bool]
) -> None:
    stale, whole = ModuleType("torchvision.ops"), ModuleType("torchvision")
    monkeypatch.setitem(sys.modules, "torchvision.ops", stale)

    def import_module(name: str) -> ModuleType:
        if not declared:
            raise RuntimeError("operator torchvision::nms does not exist")
        assert "torchvision.ops" not in sys.modules, "half of the failed import was kept"
        return whole

    monkeypatch.setattr(importlib, "import_module", import_module)
    assert _torchvision.ensure_torchvision() is whole
    assert declared == [True]


def test_a_fresh_interpreter_gets_a_working_torchvision_without_warnings() -> None:
    program = (
        "from reproducible._torchvision import ensure_torchvision\n"
        "assert ensure_torchvision() is ensure_torchvision()\n"
        "import torch, torchvision\n"
        "from torchvision.models import googlenet\n"
        "from torchvision.transforms import v2\n"
        "assert v2.functional.resize(torch.zeros(3, 8, 8), [4, 4]).shape == (3, 4, 4)\n"
        "print('works')\n"
    )
    root = Path(_torchvision.__file__).parents[1]
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=root, capture_output=True, text=True)
    assert done.stdout == "works\n", done.stderr


@pytest.mark.parametrize(
    "first",
    ["timm", *(pytest.param(name, marks=pytest.mark.slow) for name in ("torchvision", "torch, torchvision.ops"))],
)
def test_importing_the_package_is_enough(first: str) -> None:
    """Whoever imports torchvision after the package gets it, as the module it would be, and no torch before that."""
    program = (
        "import sys, reproducible\n"
        "assert 'torch' not in sys.modules and 'torchvision' not in sys.modules\n"
        f"import {first}\n"
        "import torchvision, torchvision.models as models\n"
        "assert sys.modules['torchvision'] is torchvision and torchvision.models is models\n"
        "assert torchvision.__spec__.origin.endswith('__init__.py')\n"
        "print('works')\n"
    )
    root = Path(_torchvision.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert done.stdout == "works\n", done.stderr
