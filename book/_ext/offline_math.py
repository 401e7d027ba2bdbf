"""Ship MathJax with the pages, so that formulas render without a network.

Sphinx points its pages at a MathJax on a public host. The package ``sphinx-mathjax-offline`` holds the same program as
one file; this extension copies that file beside the pages and points them at the copy. It uses nothing else of the
package, whose own extension would copy fonts and variants of several times the size of the book.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError

PACKAGE = "sphinx-mathjax-offline"
SCRIPT = "tex-svg.js"


def _bundled() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    script = Path(spec.origin).parent / "static" / "mathjax" / SCRIPT if spec and spec.origin else None
    if script is None or not script.is_file():
        raise ExtensionError(f"Formulas need {SCRIPT} of the package {PACKAGE}, which is not installed: make env")
    return script


def _point_pages_at_copy(app: Sphinx, config: Config) -> None:
    config.mathjax_path = _bundled().name  # relative to _static


def _copy(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.format == "html":
        target = Path(app.outdir) / "_static" / SCRIPT
        target.write_bytes(_bundled().read_bytes())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("config-inited", _point_pages_at_copy)
    app.connect("build-finished", _copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
