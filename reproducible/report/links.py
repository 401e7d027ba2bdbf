"""Where things stand in the book: addresses from one page of notebooks to another, as raw HTML needs them.

Markdown names a label and Sphinx finds its page; tables that are made by code write the address themselves. A test
follows every link of the built book. Explained on page: verdicts.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from pathlib import Path

from reproducible.report.answers import evidence_at
from reproducible.report.build import ROOT, pages

_LABEL = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)
_ANSWERS = re.compile(r'answers\.answers\(\s*"([\w-]+)",\s*"(\w+)"')


@cache
def _cells(root: Path) -> dict[str, list[str]]:
    """The texts of the cells of each page, one for a page of prose, by its address from a page of ``notebooks/``."""
    found = {}
    for page in pages(root):
        notebook = (root / page).with_suffix(".ipynb")
        if notebook.is_file():
            cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
            found[f"{notebook.stem}.html"] = ["".join(cell["source"]) for cell in cells]
        else:
            found[f"../{page}.html"] = [(root / page).with_suffix(".md").read_text(encoding="utf-8")]
    return found


def addresses(root: Path = ROOT) -> dict[str, str]:
    """The address of each label at the head of a page, seen from a page of ``notebooks/``: label -> address.

    Args:
        root: the checkout.
    """
    return {label: at for at, cells in _cells(root).items() for label in _LABEL.findall(cells[0])}


def answered(root: Path = ROOT) -> dict[tuple[str, str], str]:
    """The address of the page that answers the claims of a page of ``claims.yaml`` at a level. Those on the baseline,
    for one, are answered on two pages.

    Args:
        root: the checkout.
    """
    return {key: at for at, cells in _cells(root).items() for cell in cells for key in _ANSWERS.findall(cell)}


def link(address: str, text: str) -> str:
    """A link, as HTML; the text alone where there is no address."""
    return f'<a href="{escape(address)}">{escape(text)}</a>' if address else escape(text)


def claim_in_full(claim: str) -> str:
    """Address of a claim's full record."""
    return f"{addresses()['claims']}#claim-{claim}"


def evidence(page: str, claim: str, level: str) -> str:
    """Address of the evidence on a claim at a level: its row where a page answers it, else the page that discusses it;
    empty where that is not written.

    Args:
        page: name of the page in ``claims.yaml``.
        claim: its id.
        level: of evidence.
    """
    at = answered().get((page, level))
    return f"{at}#{evidence_at(claim, level)}" if at else addresses().get(page, "")
