"""Evaluation at the size of Stanford Online Products fits into 2 GB."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "evaluation_memory.py"


@pytest.mark.slow
@pytest.mark.parametrize("depth", [8, 1000])
def test_peak_memory(depth: int) -> None:
    """Of a process that evaluates 60,502 embeddings of 512 dimensions, from its start to its end."""
    spec = importlib.util.spec_from_file_location("evaluation_memory", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    _, megabytes = benchmark.measure(depth)
    assert megabytes < 2000
