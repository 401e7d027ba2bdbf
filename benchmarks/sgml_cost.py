"""What SGML computes for an image beside the ensembles that it calls more complex (claim G16).

    python benchmarks/sgml_cost.py               writes the SGML studies of data_manifests/measurements.csv

Operations of embedding one image, counted and not timed, on the network and at the input size of each study.
"""

from __future__ import annotations

from reproducible.records import save_measurements
from reproducible.report.branches import cost_of
from reproducible.studies import study

ENSEMBLES = {"glyph_sgml": ("abe-8", "diablo-8"), "sgml": ("abe-8",)}


def main() -> None:
    """Count, write and print."""
    for name, ensembles in ENSEMBLES.items():
        one = study(name)
        own, *others = (cost_of(one.build(one.params(one.arm(arm), untuned=True)))[1] for arm in ("sgml", *ensembles))
        ratios = {
            f"gflop_ratio_to_{arm.replace('-', '_')}_same_backbone": own / other
            for arm, other in zip(ensembles, others, strict=True)
        }
        path = save_measurements(name, ratios, "counted")
    print(path.read_text(), end="")


if __name__ == "__main__":
    main()
