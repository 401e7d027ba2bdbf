"""The graph: data -> notebooks -> book, and, on request, the studies' records.

Modification times trigger notebooks and the book only. A training run is named by its digest and never repeated, so the
rules that run studies have no outputs here: they run what is missing and end at once where nothing is.

`make` calls this file; by hand: snakemake --directory _build --cores 2 --config profile=quick device=auto -- book
"""

import sys
from pathlib import Path

sys.path.insert(0, workflow.basedir)
from reproducible.report.build import CONFIGURATION, pages
from reproducible.resources import UserError, check_device, nearest_name
from reproducible.studies import PROFILES, STUDIES
from reproducible.studies.base import TIERS as KNOWN_TIERS

ROOT = Path(workflow.basedir)
BUILD = ROOT / "_build"
REPRODUCIBLE = Path(sys.executable).parent / "reproducible"
PROFILE = str(config.get("profile", "quick"))
DEVICE = str(config.get("device", "auto"))
TIERS = str(config.get("tiers", "A"))
EXECUTED = BUILD / "notebooks" / PROFILE
SOURCE = BUILD / "src" / PROFILE
BOOK = BUILD / "book" / PROFILE
PREPARED = ["groceries", "glyphs"]  # further sets are prepared by the first run that needs them
NOTEBOOKS = [Path(page).name for page in pages(ROOT) if page.startswith("notebooks/")]

try:
    check_device(DEVICE)
    for name, value, known in (("profile", PROFILE, PROFILES), ("tiers", TIERS, KNOWN_TIERS)):
        if value not in known:
            raise UserError(f"There is no {name} {value!r}.{nearest_name(value, known)}")
except UserError as error:
    sys.exit(str(error))

# A notebook depends on the device it is asked to use: this file changes only when the device does.
ASKED = BUILD / "stamps" / f"{PROFILE}-device"
if not ASKED.is_file() or ASKED.read_text() != DEVICE:
    ASKED.parent.mkdir(parents=True, exist_ok=True)
    ASKED.write_text(DEVICE)


def files(folder: str, *patterns: str) -> list[Path]:
    """The files under a folder of the checkout that match one of the patterns."""
    return sorted(path for pattern in patterns for path in (ROOT / folder).rglob(pattern))


rule book:
    input:
        expand(EXECUTED / "{name}.ipynb", name=NOTEBOOKS),
        [ROOT / name for name in CONFIGURATION],
        files("book", "*.md", "*.bib", "*.py", "*.css", "*.svg", "*.png"),
    output:
        BOOK / "_build" / "html" / "index.html",
    shell:
        "echo 'Building the book ...'; "
        "{REPRODUCIBLE:q} book build {EXECUTED:q} {SOURCE:q} {BOOK:q}"


rule notebook:
    input:
        notebook=ROOT / "notebooks" / "{name}.ipynb",
        library=files("reproducible", "*.py"),
        manifests=files("data_manifests", "*.yaml", "*.csv", "*.xz"),
        data=expand(BUILD / "stamps" / "{name}", name=PREPARED),
        device=ASKED,
    output:
        EXECUTED / "{name}.ipynb",
    shell:
        "echo 'Running notebook {wildcards.name} at profile {PROFILE} ...'; "
        "{REPRODUCIBLE:q} book execute {input.notebook:q} {output:q}"
        " --set profile={PROFILE:q} --set device={DEVICE:q}"


def source_files(wildcards) -> list[Path]:
    """What the store of a data set is made from."""
    if wildcards.name == "groceries":
        return [*files("reproducible/assets", "grocery81.*"), ROOT / "data_manifests" / "groceries.yaml"]
    return [*files("reproducible/data/glyphs", "*.py"), ROOT / "data_manifests" / "glyphs.yaml"]


rule data:
    input:
        source_files,
    output:
        touch(BUILD / "stamps" / "{name}"),
    wildcard_constraints:
        name="|".join(PREPARED),
    threads: workflow.cores
    shell:
        "echo 'Preparing {wildcards.name} ...'; {REPRODUCIBLE:q} data prepare {wildcards.name}"


rule records:
    threads: workflow.cores
    params:
        studies=[name for name, one in STUDIES.items() if one.profile == ("large" if PROFILE == "large" else "standard")],
    shell:
        "for study in {params.studies}; do"
        " {REPRODUCIBLE:q} study tune $study --device {DEVICE:q}"
        " && {REPRODUCIBLE:q} study run $study --tiers {TIERS:q} --device {DEVICE:q} || exit 1; done"
