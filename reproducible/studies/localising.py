"""Where attention looks: which networks and images are measured, and the file that keeps it (page: object-attention).

``reproducible measure attention [VIEW ...]`` measures all views, or those named, anew.

Photographs take minutes of a core, glyphs a minute. Fine-tuned networks are trained first, on three class draws: the
compact one on glyphs, as arm u512 of the study ``glyph_baseline``, a minute each; GoogLeNet on groceries, as arm u512
of the study ``deml``, five minutes each, to look at photographs of other things.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reproducible.evaluation import localised
from reproducible.records import write_bytes
from reproducible.resources import UserError, manifests, nearest_name
from reproducible.studies import baseline, deml
from reproducible.studies.running import Standing
from reproducible.training.localise import View, measure

DRAWS = 3  # of class draws of groceries and of glyphs, with a fine-tuned network each
OTHER_LAYERS = ("blocks_4", "conv_head")  # of EfficientNet-Lite0, with as many positions as 4e and 5b
PHOTOGRAPHS, GLYPHS = 5, 5  # of each class of groceries and of glyphs; of Caltech-101 all


def views() -> dict[str, View]:
    """All views by name: photographs with boxes (two networks, and one of them fine-tuned), photographs without,
    glyphs, glyphs with fine-tuned networks."""
    found = [
        *(View(f"caltech-{size}", "caltech101_boxes24", "bvlc_googlenet", size) for size in (160, 224)),
        View("caltech-224-efficientnet", "caltech101_boxes24", "efficientnet_lite0", 224, layers=OTHER_LAYERS),
        *(
            View(f"caltech-224-tuned-{draw}", "caltech101_boxes24", "bvlc_googlenet", 224, trained=run)
            for draw in range(DRAWS)
            for run in (deml.ON_GROCERIES.config("u512", draw),)
        ),
        View("groceries-160", "groceries", "bvlc_googlenet", 160, each=PHOTOGRAPHS),
        View("glyphs", "glyphs", "compact_googlenet", 56, each=GLYPHS),
        *(
            View(f"glyphs-tuned-{draw}-{images}", "glyphs", "compact_googlenet", 56, images, GLYPHS, run)
            for draw in range(DRAWS)
            for run in (baseline.ON_GLYPHS.config("u512", draw),)
            for images in ("seen", "unseen")
        ),
    ]
    return {view.name: view for view in found}


def localise(
    names: tuple[str, ...] = (), *, standing: Standing, device: str = "auto", path: Path | None = None
) -> Iterator[localised.Look]:
    """Measure views anew and write each down as soon as it is there.

    Args:
        names: which; none: all.
        standing: what the claims ask of a study, whose hash a look keeps.
        device: ``auto``, ``cpu``, ``cuda``, ...
        path: of the file; None: ``data_manifests/localisation.jsonl.xz``.

    Raises:
        UserError: for an unknown name, with the nearest one; if a data set is not there.
    """
    known, path = views(), path or manifests() / localised.FILE
    for name in names:
        if name not in known:
            raise UserError(f"There is no view {name!r}.{nearest_name(name, known)}")
    for name in names or tuple(known):
        study, *_ = localised.FROZEN.get(name, ("object_attention",))
        look = measure(known[name], standing(study).criteria, device)
        write_bytes(path, localised.content({**localised.load(path), name: look}.values()))
        yield look
