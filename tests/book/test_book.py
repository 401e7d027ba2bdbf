"""The book builds without a warning from the committed notebooks, is complete, and needs no network to be read."""

from __future__ import annotations

import html as entities
import re
import shutil
from pathlib import Path

import nbformat
import pytest

from reproducible.report.build import ROOT, assemble, build, pages
from reproducible.resources import UserError

PAGES = pages()


def prose(page: str) -> str:
    """The Markdown of a page, code blocks left out."""
    if page.startswith("notebooks/"):
        cells = nbformat.read(ROOT / f"{page}.ipynb", as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def words(text: str) -> str:
    """Letters and digits only: what Markdown and HTML have in common."""
    return re.sub(r"[\W_]+", " ", text).strip().lower()


def test_every_page_of_the_contents_is_built_and_no_other(html: Path) -> None:
    built = {str(path.relative_to(html).with_suffix("")) for path in html.glob("*/*.html")}
    assert {page for page in built if not page.startswith("_")} == set(PAGES)
    assert len(PAGES) >= 7


@pytest.mark.parametrize("page", PAGES)
def test_each_page_holds_what_its_source_holds(html: Path, page: str) -> None:
    """Every heading is there, and the last long sentence: a page that broke off half way has neither."""
    text = (html / f"{page}.html").read_text(encoding="utf-8")
    article = re.search(r"<article.*</article>", text, re.DOTALL).group()
    found = [
        words(entities.unescape(re.sub(r"<[^>]+>", " ", h))) for h in re.findall(r"<h[1-4]>(.*?)</h[1-4]>", article)
    ]
    headings = [words(re.sub(r"\$[^$]*\$", "", h)) for h in re.findall(r"^#{1,4} (.+)$", prose(page), re.MULTILINE)]
    assert headings
    for heading in headings:
        assert any(heading in one for one in found), heading
    visible = words(entities.unescape(re.sub(r"<[^>]+>", " ", article)))
    plain = [line for line in prose(page).splitlines() if len(line) > 40 and re.fullmatch(r"[\w ,;:.()'-]+", line)]
    assert plain
    assert words(plain[-1]) in visible


def test_pages_load_nothing_from_elsewhere(html: Path) -> None:
    loaded = re.compile(
        r"""<(?:script|img|iframe)\b[^>]*\bsrc=["'](?:https?:)?//[^"']+|<link\b[^>]*\bhref=["'](?:https?:)?//[^"']+"""
    )
    for path in html.rglob("*.html"):
        assert not loaded.findall(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("page", ["notebooks/verdicts", "notebooks/claims", "notebooks/review"])
def test_links_that_tables_write_themselves_lead_somewhere(html: Path, page: str) -> None:
    """Sphinx checks the links of Markdown only."""
    text = (html / f"{page}.html").read_text(encoding="utf-8")
    links = set(re.findall(r'<a href="([\w./-]+\.html)#((?:claim|evidence)-[\w-]+)"', text))
    assert len(links) > 20
    for file, anchor in links:
        target = (html / page).parent / file
        assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), (file, anchor)


def test_formulas_are_set_by_a_program_that_lies_beside_the_pages(html: Path) -> None:
    page = (html / "book" / "notation.html").read_text(encoding="utf-8")
    assert re.search(r'<script[^>]+src="\.\./_static/tex-svg\.js', page)
    assert (html / "_static" / "tex-svg.js").stat().st_size > 1_000_000
    assert page.count('class="math') > 50


def test_no_page_shows_a_failure(html: Path) -> None:
    for page in PAGES:
        text = (html / f"{page}.html").read_text(encoding="utf-8")
        for mark in ("Traceback (most recent call last)", "papermill-error", "An Exception was encountered"):
            assert mark not in text, (page, mark)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A checkout with a book of one page, configured as this one."""
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "book" / "_ext", root / "book" / "_ext", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "book" / "references.bib", root / "book" / "references.bib")
    shutil.copyfile(ROOT / "_config.yml", root / "_config.yml")
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/index\n")
    (root / "book" / "index.md").write_text("# Small\n\nA page.\n")
    return root


DEAD = {
    "{ref}`nowhere`": "undefined label: 'nowhere'",
    "{cite:p}`nobody`": 'could not find bibtex key "nobody"',
    "[a page](gone.md)": "gone.md",
    "![](gone.png)": "image file not readable: book/gone.png",
}


def test_a_dead_reference_stops_the_build(small: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = small / "book" / "index.md"
    page.write_text("\n\n".join([page.read_text(), *DEAD]) + "\n")
    assemble(tmp_path, tmp_path / "src", small)
    for _ in range(2):  # and does so again where nothing has changed
        with pytest.raises(UserError, match="was not built"):
            build(tmp_path / "src", tmp_path / "out")
        warnings = capfd.readouterr().err
        for warning in DEAD.values():
            assert warning in warnings


def test_assembling_keeps_what_is_right_and_removes_what_is_surplus(small: Path, tmp_path: Path) -> None:
    out = tmp_path / "src"
    assert assemble(tmp_path, out, small) == ["book/index"]
    before = (out / "book" / "index.md").stat().st_mtime_ns
    (out / "book" / "old").mkdir()
    (out / "book" / "old" / "page.md").write_text("# Old\n")
    (out / "_config.yml").write_text("changed")
    assemble(tmp_path, out, small)
    assert (out / "book" / "index.md").stat().st_mtime_ns == before
    assert not (out / "book" / "old").exists()
    assert (out / "_config.yml").read_text() == (small / "_config.yml").read_text()


def test_a_folder_that_holds_anything_else_is_left_as_it_is(small: Path, tmp_path: Path) -> None:
    """Named by mistake, such as a checkout, it would be emptied."""
    (small / "pyproject.toml").write_text("[project]\n")
    before = sorted(small.rglob("*"))
    with pytest.raises(UserError, match=r"holds more than the source of a book, which would be lost"):
        assemble(tmp_path, small, small)
    assert sorted(small.rglob("*")) == before


def test_a_page_without_a_source_is_named(small: Path, tmp_path: Path) -> None:
    (small / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n- file: book/gone\n")
    with pytest.raises(UserError, match="names the page 'book/gone'"):
        assemble(tmp_path, tmp_path / "src", small)
    (small / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/gone\n")
    with pytest.raises(UserError, match=r"needs the executed notebook .*gone\.ipynb"):
        assemble(tmp_path, tmp_path / "src", small)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (nbformat.v4.new_code_cell("1 + 1"), "cell 1 was not executed"),
        (
            nbformat.v4.new_code_cell(
                "x", execution_count=1, outputs=[nbformat.v4.new_output("error", ename="NameError")]
            ),
            "cell 1 failed with NameError",
        ),
        (
            nbformat.v4.new_markdown_cell("!", metadata={"tags": ["papermill-error-cell-tag"]}),
            "error mark of Papermill",
        ),
    ],
)
def test_a_failed_notebook_is_no_page(small: Path, tmp_path: Path, cell: nbformat.NotebookNode, message: str) -> None:
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "study.ipynb")
    (small / "_toc.yml").write_text("format: jb-book\nroot: book/index\nchapters:\n- file: notebooks/study\n")
    with pytest.raises(UserError, match=message):
        assemble(tmp_path, tmp_path / "src", small)
