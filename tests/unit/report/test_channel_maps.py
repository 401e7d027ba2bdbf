"""Table and figure of channel maps, on made-up maps whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_runs import make_store

from reproducible.config import DataConfig
from reproducible.encoding import run_lengths
from reproducible.evaluation import channel_maps as measured
from reproducible.report import channel_maps, figures

NETWORKS = {"with": "one", "without": "other"}


@pytest.fixture(scope="module")
def found() -> measured.Maps:
    """Two branches: of the first network the second map is the first one mirrored, of the other network doubled."""
    store = make_store()
    indices = measured.photographs(store, (0, 1))
    ramp = np.tile(np.arange(4.0), (len(indices), 1, 4, 1))
    maps = {"one": np.concatenate([2 * ramp, ramp, ramp[..., ::-1]], 1), "other": np.repeat(ramp, 3, 1)}
    maps["other"][:, 2] *= 2
    factors = np.ones((len(indices), 2, 5))
    rows = [[measured.DRAWN, int(indices[0])], [measured.ALIKE, int(indices[4])]]
    about = {"classes": run_lengths(store.labels[indices], store.coarse[indices]), "rows": rows}
    quantities = {name: measured.alike(of[:, 1:], factors) for name, of in maps.items()}
    return measured.pack(about, {name: of[:2] for name, of in maps.items()}, quantities)


def test_table_has_means_and_intervals(found: measured.Maps) -> None:
    one, other = channel_maps.alike_table(found, NETWORKS).to_dict("records")
    assert one["correlation of two maps, %"] == "-100.0 [-100.0, -100.0]"
    assert other["correlation of two maps, %"] == "100.0 [100.0, 100.0]"
    assert one["cosine of two gates, %"].startswith("100.0 [")


def test_maps_of_a_row_share_one_scale(found: measured.Maps) -> None:
    figure = channel_maps.map_rows(found, make_store(), DataConfig(), NETWORKS)
    figures.show(figure, photographs=True)
    first = figure.axes[: 2 + 4]
    titles = [axes.get_title(loc="center") for axes in first]
    assert titles == ["photograph", "no gate", "with, 1", "with, 2", "without, 1", "without, 2"]
    drawn = [axes.images[1].get_array() for axes in first[1:]]
    assert all(axes.images[1].get_clim() == (0, 1) for axes in first[1:])
    assert [heat.max() for heat in drawn] == pytest.approx([1, 0.5, 0.5, 0.5, 1], abs=0.002)
    assert [heat.argmax() for heat in drawn] == [3, 3, 0, 3, 3]
    assert [axes.texts[0].get_text() for axes in first[2:]] == ["-1.00", "", "1.00", ""]
