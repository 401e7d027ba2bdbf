"""What a run measures beyond retrieval where its configuration asks for it (``evaluation.measures``).

Each measure is a file of this folder and an entry of the registry. Arithmetic:
:mod:`reproducible.evaluation.clustering`, :mod:`reproducible.evaluation.features` and
:mod:`reproducible.evaluation.probes`. Explained on pages: vem, channel-attention.
"""

from __future__ import annotations

from typing import Any

from reproducible import registry
from reproducible.config import RunConfig
from reproducible.training.evaluate import EMBEDDING, Embedder, parts_of
from reproducible.training.measures.base import Measure, output_of, pass_over
from reproducible.training.sets import Sets


def asked_for(config: RunConfig) -> tuple[Measure, ...]:
    """The measures of a configuration.

    Raises:
        UserError: if there is none of a name, with the nearest one.
    """
    return tuple(registry.build("measure", name) for name in config.evaluation.measures)


def check(embedder: Embedder, sets: Sets) -> tuple[str, ...]:
    """Ask for everything that the looks of a run will ask for, of one image, before anything is trained.

    Args:
        embedder: the model and the images.
        sets: of the run.

    Returns:
        The features that a pass over images has to keep for all looks.

    Raises:
        UserError: if the model or the data set has not what is asked for.
    """
    config, measures = embedder.config, asked_for(embedder.config)
    if config.evaluation.parts:
        parts_of(embedder.store, "evaluation.parts to false")
    output = output_of(embedder, sets)
    for measure in measures:
        measure.check(embedder, output)
    kept = (EMBEDDING, *config.evaluation.features, *(name for m in measures for name in m.keeps(output)))
    pass_over(embedder, sets.train[:1], (*kept, *(name for m in measures for name in m.asks(output))))
    return kept


def at_look(embedder: Embedder, sets: Sets) -> tuple[dict[str, float], dict[str, str]]:
    """The measures of one look at the test classes.

    Args:
        embedder: the model and the images, which keeps what :func:`check` returned.
        sets: of the run.

    Returns:
        Numbers for the look's metrics, and what else its point keeps, packed.
    """
    found: dict[str, float] = {}
    kept: dict[str, str] = {}
    for measure in asked_for(embedder.config):
        numbers, packed = measure.at_look(embedder, sets)
        found, kept = found | numbers, kept | packed
    return {name: round(value, 4) for name, value in found.items()}, kept


def at_end(embedder: Embedder, sets: Sets) -> dict[str, Any]:
    """The measures of the selected or the last checkpoint; the arguments are those of :func:`at_look`."""
    found: dict[str, Any] = {}
    for measure in asked_for(embedder.config):
        found |= measure.at_end(embedder, sets)
    return found
