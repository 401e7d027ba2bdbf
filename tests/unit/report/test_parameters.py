"""Values given for the parameters of a notebook: their type is the notebook's, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reproducible.report.parameters import check, declared, parsed
from reproducible.resources import UserError

CELL = 'profile = "smoke"\ndevice = "auto"  # auto, cpu or cuda\nseeds = 10\nshare = 0.5\nfast = False\nfolder = ""'


def notebook(path: Path, *tagged: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]}) for source in tagged]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return notebook(tmp_path / "page.ipynb", CELL)


def test_defaults_are_those_of_the_cell(page: Path) -> None:
    values = {"profile": "smoke", "device": "auto", "seeds": 10, "share": 0.5, "fast": False, "folder": ""}
    assert declared(page) == values


def test_values_have_the_type_of_the_default(page: Path) -> None:
    found = parsed(page, ["profile=quick", "seeds=3", "share=1", "fast=true", "folder=12", "device=cuda:1"])
    wanted = {"profile": "quick", "seeds": 3, "share": 1.0, "fast": True, "folder": "12", "device": "cuda:1"}
    assert found == wanted
    assert {name: type(value) for name, value in found.items()} == {n: type(v) for n, v in wanted.items()}
    assert parsed(page, ["seeds=3", "seeds=4"]) == {"seeds": 4}
    assert parsed(page, ["folder=a=b"]) == {"folder": "a=b"}
    assert parsed(page, []) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile", "--set takes NAME=VALUE, as in profile=quick; got 'profile'"),
        ("profil=quick", r"page.ipynb has no parameter 'profil'. Did you mean 'profile'\?"),
        ("Seeds=3", r"has no parameter 'Seeds'. Did you mean 'seeds'\?"),
        ("profile=Quick", r"There is no profile 'Quick'. Did you mean 'quick'\?"),
        ("profile=None", "There is no profile 'None'"),
        ("device=gpu", "There is no device 'gpu'. .*Known: auto, cpu, cuda"),
        ("seeds=three", "seeds must be of type int, got 'three'"),
        ("seeds=1.5", "seeds must be of type int, got 1.5"),
        ("seeds=true", "seeds must be of type int, got True"),
        ("seeds=[", r"seeds must be of type int, got '\['"),
        ("seeds=0", "seeds must be a whole number, 1 or more, got 0"),
        ("fast=2", "fast must be of type bool, got 2"),
    ],
)
def test_what_is_wrong_is_named(page: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        parsed(page, [text])


@pytest.mark.parametrize("values", [{"profile": "standrad"}, {"profile": None}, {"device": "mps"}, {"seeds": -1}])
def test_a_page_checks_what_it_was_given(values: dict[str, object]) -> None:
    with pytest.raises(UserError, match=str(next(iter(values.values())))):
        check(**values)
    check("quick", "cuda:0", 3)


@pytest.mark.parametrize("tagged", [(), (CELL, CELL), ("seeds = profile",), ("seeds += 1",), ("seeds =",)])
def test_a_notebook_without_plain_parameters_is_named(tmp_path: Path, tagged: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"odd\.ipynb: .*parameters"):
        declared(notebook(tmp_path / "odd.ipynb", *tagged))


def test_what_is_no_notebook_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.ipynb").write_text("no notebook")
    for path in (tmp_path / "text.ipynb", tmp_path / "none.ipynb"):
        with pytest.raises(UserError, match=f"{path.name}: cannot be read as a notebook"):
            declared(path)


@pytest.mark.parametrize("given", ["Seeds = 3", 'profil = "quick"', 'profile = "quick"\nsedes = 3'])
def test_a_name_that_papermill_was_given_by_hand_is_an_error(given: str) -> None:
    """Papermill puts what it is given into a cell behind the page's own, whatever it is."""
    page = {"In": ["", CELL, f"# Parameters\n{given}\n", "%matplotlib inline", "check(profile)"], "check": check}
    wrong = given.rpartition("\n")[2].partition(" ")[0]
    with pytest.raises(UserError, match=f"This page has no parameter '{wrong}'. Did you mean '(seeds|profile)'"):
        exec("check()", page)
    page["In"][2] = '# Parameters\nprofile = "quick"\nseeds = 3\n'
    exec("check()", page)


def test_papermill_begins_its_cell_as_we_expect() -> None:
    from papermill.translators import PythonTranslator

    assert PythonTranslator.codify({"seeds": 3}, "Parameters") == "# Parameters\nseeds = 3\n"


NAMES = st.sampled_from(["profile", "device", "seeds", "share", "fast", "folder", "Seeds", "profil", ""])
TEXTS = st.text(max_size=8) | st.sampled_from(
    ["quick", "3", "0", "1e3", "[1]", "null", "{a: 1}", "cuda:1", "- x", "&a *a"]
)
fixed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def give(page: Path, name: str, equals: str, value: str) -> None:
    """Any text is a value of the type of the page's own, or an error."""
    try:
        found = parsed(page, [name + equals + value])
    except UserError as error:
        assert str(error)
    else:
        assert {k: type(v) for k, v in found.items()} == {k: type(declared(page)[k]) for k in found}


@settings(fixed, max_examples=40)
@given(name=NAMES, equals=st.sampled_from(["=", "=", ""]), value=TEXTS)
def test_any_text_is_a_value_or_named(page: Path, name: str, equals: str, value: str) -> None:
    give(page, name, equals, value)


@pytest.mark.slow
@settings(fixed, max_examples=2000)
@given(name=NAMES, equals=st.sampled_from(["=", "=", ""]), value=TEXTS)
def test_any_text_is_a_value_or_named_many(page: Path, name: str, equals: str, value: str) -> None:
    give(page, name, equals, value)
