"""All that a GPU is borrowed for, in one command: does it agree with the CPU, how fast is it, and a study's runs.

    PYTHONPATH=. REPRODUCIBLE_DATA=~/data python benchmarks/on_gpu.py three_sets

Needs torch, torchvision, timm, NumPy, Pillow and PyYAML, nothing of Jupyter or of the command line; the checkout need
not be installed. Stop it as you like: finished runs are kept and interrupted ones go on. Records are added to the
checkout's; where the book is, ``reproducible record add three_sets`` takes that folder in after rescoring each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch

from reproducible import records
from reproducible.studies import study
from reproducible.studies.running import carry_out
from reproducible.training.devices import hardware
from reproducible.training.selfcheck import Side, compare_all
from reproducible.verdicts.criteria import standing


def main() -> None:
    """Check, measure and run; where there is no GPU, say so and do nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="three_sets")
    parser.add_argument("--tiers", default="AB")
    parser.add_argument("--workers", type=int, default=1, help="runs at once on the one GPU")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU that this torch can use: nothing to do")
        return
    for name, value in hardware().items():
        print(f"{name}: {value}", flush=True)
    for found in compare_all(Side(torch.device("cpu")), Side(torch.device("cuda"))):
        numbers = f"values {found.values:.1e}, gradient {found.gradient:.1e}, tolerance {found.tolerance:.0e}"
        print(f"{'agrees' if found.ok else 'DISAGREES'}: {found.component}, {numbers}", flush=True)
    subprocess.run([sys.executable, Path(__file__).parent / "training_step.py", "--device", "cuda"], check=True)
    wanted = study(given.study)
    chosen = {"tiers": given.tiers, "device": "cuda", "workers": given.workers}
    for record in carry_out(wanted, wanted.profile, standing=standing, **chosen):
        point, seconds = record["selected"]["test"], record["environment"]["seconds"]
        print(f"{record['arm']}: R@1 {point['recall_at_1']:.2f}, {seconds:.0f} s", flush=True)
    print(f"records: {records.folder_of(wanted.name)}")


if __name__ == "__main__":
    main()
