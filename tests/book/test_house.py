"""The house: pins agree, documented commands exist, files are small, rooms import downwards, no registry is named."""

from __future__ import annotations

import lzma
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import reproducible
from reproducible.cli import app
from reproducible.report.build import ROOT, pages

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "book/reproduce.md")
CONDA = {"pytorch-gpu": "torch", "faiss-gpu": "faiss-cpu"}  # name of the conda package: name in requirements
SIZE_LIMIT = 70_000_000  # bytes, all tracked files; records, themselves below 16 MB, are what grows


@cache
def tracked() -> tuple[Path, ...]:
    """Files that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("not a git checkout")
    return tuple(path for name in result.stdout.split("\0") if name and (path := ROOT / name).is_file())


def read(name: str) -> str:
    """A file of the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def pins(name: str) -> dict[str, str]:
    """Package to version, of a requirements file."""
    found = re.findall(r"^([\w.-]+)==([^\s\\]+)", read(name), re.MULTILINE)
    return {canonicalize_name(package): version for package, version in found}


def wanted() -> dict[str, str]:
    """Every version that the study was run with."""
    return pins("requirements.in") | pins("requirements-torch.txt")


def project() -> dict[str, object]:
    """The project table of pyproject.toml."""
    return tomllib.loads(read("pyproject.toml"))["project"]


def test_the_lock_holds_every_pin_with_hashes() -> None:
    lock = pins("requirements.lock")
    assert {name: lock.get(name) for name in pins("requirements.in")} == pins("requirements.in")
    blocks = re.split(r"(?m)^(?=[a-z0-9])", read("requirements.lock"))[1:]
    assert len(blocks) == len(lock)
    for block in blocks:
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_the_lock_names_no_torch_no_cuda_and_no_index() -> None:
    assert not [name for name in pins("requirements.lock") if re.match(r"torch$|torchvision$|nvidia|cuda|triton", name)]
    assert not re.search(r"^\s*(--(?!hash)|-[a-z] )|://", read("requirements.lock"), re.MULTILINE)


def test_pyproject_and_requirements_name_the_same_packages() -> None:
    table = project()
    named = [*table["dependencies"], *(line for extra in table["optional-dependencies"].values() for line in extra)]
    requirements = {canonicalize_name(r.name): r for r in map(Requirement, named)}
    assert set(requirements) == set(wanted())
    for name, requirement in requirements.items():
        assert requirement.specifier.contains(wanted()[name]), f"{requirement} does not allow {wanted()[name]}"


def test_environment_yml_has_the_same_versions() -> None:
    entries = yaml.safe_load(read("environment.yml"))["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    pairs = [entry.split("=", 1) for entry in entries if isinstance(entry, str) and "=" in entry]
    pairs += [entry.split("==") for entry in pip if "==" in entry]
    found = {CONDA.get(name, name): version for name, version in pairs}
    python = found.pop("python")
    assert Requirement(f"python{project()['requires-python']}").specifier.contains(python)
    assert found == wanted()


def test_one_version_everywhere() -> None:
    assert project()["version"] == reproducible.__version__ == yaml.safe_load(read("CITATION.cff"))["version"]


def test_no_file_names_a_registry_or_a_folder_of_one_machine() -> None:
    hosts = ["pypi" + ".org", "python" + "hosted.org", "download." + "pytorch", "ana" + "conda.org", "files:" + "//"]
    paths = ["/" + "root/", "/" + "work/", "/" + "opt/", "shared" + "/data"]
    for path in tracked():
        if path.suffix in {".tar", ".safetensors", ".png", ".pt"}:
            continue
        content = path.read_bytes()
        text = (lzma.decompress(content) if path.suffix == ".xz" else content).decode()
        assert not [word for word in hosts + paths if word in text], path


def test_tracked_files_are_small() -> None:
    assert sum(path.stat().st_size for path in tracked()) < SIZE_LIMIT


def test_no_source_file_is_longer_than_350_lines() -> None:
    sources = [
        p for p in tracked() if p.suffix == ".py" or p.name in {"Makefile", "Snakefile"} or p.parent.name == ".ci"
    ]
    long = {str(p.relative_to(ROOT)): n for p in sources if (n := len(p.read_text().splitlines())) > 350}
    assert not long


def test_documented_make_verbs_exist_and_all_verbs_are_explained() -> None:
    makefile = read("Makefile")
    verbs = set(re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE).group(1).split())
    for verb in verbs:
        assert re.search(rf"^{verb}:", makefile, re.MULTILINE), verb
    explained = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {*re.findall(r"^make (\w+)", explained, re.MULTILINE), "help"} == verbs
    for document in DOCUMENTS:
        assert set(re.findall(r"[`\n]make (\w+)", read(document))) <= verbs, document


def test_documented_commands_exist() -> None:
    for document in DOCUMENTS:
        for line in re.findall(r"[`\n]reproducible ([a-z][^\n#`]*)", read(document)):
            command = typer.main.get_command(app)
            for word in line.split():
                if not hasattr(command, "commands"):
                    break
                assert word in command.commands, f"{document}: reproducible {line}"
                command = command.commands[word]


@pytest.mark.parametrize("document", ["README.md", "book/reproduce.md"])
def test_documented_code_runs(document: str) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", read(document), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(snippet, document, "exec"), names)
    assert names["output"].embedding.shape == (4, 512)
    assert all(weight.grad is not None for weight in names["output"].weights)
    assert all(parameter.grad is not None for parameter in names["trunk"].parameters())
    if "deml" in names:
        assert names["deml"](names["images"]).attention["window_2"].shape == (4, 4)


def test_relative_links_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "reproducible/assets/README.md"):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", read(name)):
            assert (ROOT / name).parent.joinpath(link).exists(), f"{name}: {link}"


def test_pages_named_in_the_code_exist() -> None:
    """Each docstring that says which page explains a symbol names a label of the book."""
    sources = [ROOT / "book" / f"{page.split('/')[1]}.md" for page in pages() if page.startswith("book/")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    text += "".join(path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.ipynb"))
    labels = set(re.findall(r"\(([a-z0-9-]+)\)=", text))
    for path in (ROOT / "reproducible").rglob("*.py"):
        for label in re.findall(r"Explained on pages?: ([a-z0-9-]+)", path.read_text(encoding="utf-8")):
            assert label in labels, f"{path.relative_to(ROOT)}: no page {label!r}; labels: {sorted(labels)}"


def test_the_import_contract_holds() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    "module", ["config", "registry", "studies", "verdicts.criteria", "verdicts.table", "records", "cli", "report.build"]
)
def test_declarations_load_without_torch(module: str) -> None:
    program = f"import sys, reproducible.{module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_an_old_python_is_told_what_is_needed(tmp_path: Path) -> None:
    old = tmp_path / "python3.8"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = [str(ROOT / ".ci" / "venv"), str(tmp_path / "venv")]
    result = subprocess.run(
        command, env={**os.environ, "PYTHON": str(old)}, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert f"Python 3.11 or newer is needed and was not found (tried: {old})" in result.stderr
    assert not (tmp_path / "venv").exists()


def test_workflows_cover_what_they_should() -> None:
    flows = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
    assert flows["ci"]["jobs"]["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12"]
    assert "make book" in str(flows["book"]["jobs"]["build"])
    assert "deploy-pages" in str(flows["book"]["jobs"]["publish"])


def test_workflows_run_what_was_looked_at() -> None:
    """Actions by commit, with the version beside; packages by hash."""
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for used in re.findall(r"uses: *(.+)", path.read_text()):
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), f"{path.name}: {used}"
        for command in re.findall(r"pip install (.+)", path.read_text()):
            assert "--require-hashes" in command, f"{path.name}: {command}"
    (pick,) = re.findall(r"- run: (awk .+) > lint.txt", (ROOT / ".github" / "workflows" / "ci.yml").read_text())
    picked = subprocess.run(pick, cwd=ROOT, shell=True, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"(?m)^([a-z]+)==\S+ \\$", picked) == ["codespell", "ruff"]
    assert picked.count("--hash=sha256:") > 10


def test_the_wheel_brings_data_network_and_records(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        f"reproducible/assets/{path.name}" for path in (ROOT / "reproducible" / "assets").iterdir() if path.is_file()
    }
    manifests = ROOT / "data_manifests"
    shipped |= {f"reproducible/_manifests/{p.relative_to(manifests)}" for p in manifests.rglob("*") if p.is_file()}
    assert shipped <= names
    assert "reproducible/assets/grocery81.tar" in names
    assert "reproducible/_manifests/claims.yaml" in names
    assert not [name for name in names if name.startswith(("tests", "book", "notebooks"))]
