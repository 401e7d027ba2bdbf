"""What importing the package must not do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import importlib, pkgutil, socket
def refuse(*_, **__):
    raise AssertionError("the network was touched")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import reproducible
for module in pkgutil.walk_packages(reproducible.__path__, "reproducible."):
    importlib.import_module(module.name)
print("quiet")
"""


def test_importing_every_module_touches_no_network() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "quiet\n", done.stderr
