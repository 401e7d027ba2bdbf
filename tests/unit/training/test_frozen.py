"""Trunks that are frozen below a stage: cached maps are what the images would have given, and nothing else moves."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from miniatures import picture
from tiny_runs import TinyTrunk, kept_state, tiny_config, training, without_machine

from reproducible.config import Component, DataConfig, RunConfig, digest, override
from reproducible.data import maps
from reproducible.data.maps import CHUNK, MapFile
from reproducible.data.photographs.folder import describe
from reproducible.data.photographs.plan import Halves
from reproducible.data.store import Store, prepare
from reproducible.data.transforms import crop_resize
from reproducible.resources import UserError, cache_dir
from reproducible.training import frozen
from reproducible.training.elsewhere import elsewhere
from reproducible.training.loop import Training
from reproducible.training.runner import execute, untouched
from reproducible.training.sets import fixed_windows

FORK = multiprocessing.get_context("fork")
CPU = torch.device("cpu")
DATA = DataConfig(input_size=32, limit_classes=6, classes_per_batch=4, images_per_class=2, windows=3)
LOW: dict[str, Any] = {"data": DATA, "frozen": "low"}
Make = Callable[..., Training]


def computed(patch: pytest.MonkeyPatch) -> list[int]:
    """Rows that are computed from now on by runs that are made from now on."""
    found: list[int] = []
    original = frozen.CachedMaps._compute

    def compute(self: Any, rows: np.ndarray) -> np.ndarray:
        found.extend(set(rows.tolist()))
        return original(self, rows)

    patch.setattr(frozen.CachedMaps, "_compute", compute)
    return found


def same(one: Any, other: Any) -> bool:
    """Equal to the bit, through dictionaries and lists."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def below(pixels: torch.Tensor) -> torch.Tensor:
    """What the frozen stage makes of one image, rounded: by the trunk's parts, one by one."""
    trunk = TinyTrunk()
    with torch.no_grad():
        return trunk.stages["low"](trunk.preprocess(pixels[None]))[0].half().float()


def test_a_batch_is_the_maps_of_fixed_windows(make: Make, store: Store) -> None:
    """Against the stage itself, window by window."""
    run = make(**LOW)
    boxes = fixed_windows(run.config, store)
    for step in (1, 2, 3):
        drawn, batch = run.drawn(step), run.batch(step)
        assert set(drawn.numbers.tolist()) <= {0, 1, 2}
        assert torch.equal(drawn.boxes, boxes[drawn.numbers, drawn.indices])
        assert batch.labels.tolist() == store.labels[drawn.indices.numpy()].tolist()
        assert batch.images.shape == (8, 8, 8, 8) and batch.images.dtype == torch.float32
        assert batch.images.is_contiguous(memory_format=torch.channels_last) and batch.maps is None
        for place, index in enumerate(drawn.indices.tolist()):
            image = torch.from_numpy(store.images[index : index + 1])
            flip = drawn.flip[place : place + 1]
            expected = below(crop_resize(image, drawn.boxes[place : place + 1], 32, flip)[0])
            torch.testing.assert_close(batch.images[place], expected, atol=1e-3, rtol=1e-3)


def test_windows_hang_on_the_image_and_their_number_alone(store: Store) -> None:
    plain = fixed_windows(tiny_config(**LOW), store)
    assert plain.shape == (3, len(store.images), 4)
    assert torch.equal(plain, fixed_windows(tiny_config(**LOW, seed=5), store))
    assert torch.equal(plain, fixed_windows(tiny_config(data=replace(DATA, draw=7)), store))
    assert torch.equal(plain, fixed_windows(tiny_config(data=replace(DATA, windows=5)), store)[:3])
    corners = plain[:, :, :2].flatten(0, 1).unique(dim=0)
    assert len(corners) == 36  # 35 of 40 pixels: six places each way, all of them drawn


def test_the_same_as_without_a_cache(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle: maps computed on the fly, in other company, and rounded to half precision."""
    cached = make("cached", **LOW)
    result = cached.run()

    def read(self: MapFile, rows: np.ndarray) -> np.ndarray:
        padded = np.concatenate([rows[::-1], np.zeros(-len(rows) % CHUNK, np.int64)])
        found = [self.compute(part) for part in padded.reshape(-1, CHUNK)]
        return np.concatenate(found)[: len(rows)][::-1].copy()

    monkeypatch.setattr(MapFile, "read", read)
    monkeypatch.setattr(MapFile, "fill", lambda *_: None)
    without = make("without", **LOW)
    assert without_machine(without.run()) == without_machine(result)
    assert same(kept_state(without), kept_state(cached))


def test_a_second_run_computes_nothing_and_is_the_same(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make("first", **LOW)
    result = first.run()
    rows = computed(monkeypatch)
    second = make("second", **LOW)
    assert without_machine(second.run()) == without_machine(result) and not rows
    assert same(kept_state(first), kept_state(second))


def test_only_what_is_drawn_is_computed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 3 windows of 2 mirror images of each image, those of the steps; the views that validation has."""
    rows = computed(monkeypatch)
    run = make(**LOW, steps=4)
    drawn = {row for step in (1, 2, 3, 4) for row in run.maps.rows(run.drawn(step)).tolist()}
    run.run()
    assert {row for row in rows if row >= len(run.images)} == drawn and len(drawn) <= 32
    assert sorted(rows) == run.needed().tolist() and len(rows) < 0.5 * len(run.images)


def test_order_and_initial_values_are_those_of_a_run_without(make: Make) -> None:
    data = replace(DATA, flip=False)
    held, free = make("a", data=data, frozen="low"), make("b", data=data)
    assert torch.equal(held.model.learner.weight, free.model.learner.weight)
    for step in (1, 2):
        one, other = held.drawn(step), free.drawn(step)
        assert torch.equal(one.indices, other.indices) and torch.equal(one.boxes, other.boxes)
        assert not one.flip.any()
        expected = torch.stack([below(image) for image in free.batch(step).images])
        torch.testing.assert_close(held.batch(step).images, expected, atol=1e-3, rtol=1e-3)
    assert torch.equal(make("c").drawn(1).indices, held.drawn(1).indices)


def test_what_is_frozen_does_not_move(make: Make) -> None:
    run = make(**LOW)
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    trained = {id(p) for group in run.optimiser.param_groups for p in group["params"]}
    run.run()
    for name, parameter in run.model.named_parameters():
        frozen_one = ".low." in name
        assert (id(parameter) in trained) != frozen_one
        assert torch.equal(run.model.state_dict()[name], before[name]) == frozen_one
    assert not run.model.train().backbone.stages["low"].training and run.model.backbone.stages["high"].training


def test_frozen_with_fresh_windows_and_whole_with_fixed_ones(make: Make, store: Store) -> None:
    fresh = make("fresh", frozen="low")
    assert fresh.batch(1).images.shape == (8, 3, 32, 32) and np.isfinite(fresh.run()["curve"][-1]["loss"])
    whole = make("whole", data=DATA)
    drawn = whole.drawn(1)
    images = torch.from_numpy(store.images)[drawn.indices]
    assert torch.equal(whole.batch(1).images, crop_resize(images, drawn.boxes, 32, drawn.flip))
    assert not list((cache_dir() / "maps").glob("*/maps")) or np.isfinite(whole.run()["curve"][-1]["loss"])


def test_untouched_network_through_the_maps(store: Store) -> None:
    found = untouched(tiny_config(**LOW), store, CPU)
    assert found.keys() == {"validation", "test", "seen"}
    whole = untouched(tiny_config(), store, CPU)
    for role, point in found.items():
        assert point["recall_at_1"] == pytest.approx(whole[role]["recall_at_1"], abs=2)


def test_record_of_a_frozen_run(store: Store) -> None:
    record = execute(tiny_config(**LOW), profile="standard", criteria="", device="cpu")
    assert record["config"]["frozen"] == "low" and record["config"]["data"]["windows"] == 3
    assert record["versions"]["maps"] == 1 and record["untouched"]["test"]["recall_at_1"] > 0


def test_digest_of_other_runs_stays() -> None:
    def name(config: RunConfig) -> str:
        return digest(config, data="d", weights="w", versions={})

    plain = tiny_config()
    assert name(replace(plain, frozen="", data=replace(plain.data, windows=0))) == name(plain)
    others = {name(override(plain, "frozen", "low")), name(override(plain, "data.windows", 8)), name(plain)}
    assert len(others) == 3


def test_too_small_a_disk_is_said_before_anything_is_written(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make(**LOW)
    monkeypatch.setattr(maps.shutil, "disk_usage", lambda path: SimpleNamespace(free=10_000))
    with pytest.raises(UserError, match="MB of maps are still to be made, 0 MB are free"):
        run.run()
    assert not (cache_dir() / "maps").exists()


@pytest.mark.parametrize("write", [1, 40, 150])
def test_a_run_that_is_killed_while_maps_are_made(
    tmp_path: Path, store: Store, make: Make, monkeypatch: pytest.MonkeyPatch, write: int
) -> None:
    """SIGKILL in the middle of a map; the run goes on to the same record, and computes no map again."""
    whole = make("whole", **LOW).run()
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "other"))

    def die() -> None:
        original, calls = os.pwrite, iter(range(1, 10_000))

        def pwrite(file: int, content: memoryview, place: int) -> int:
            if next(calls) < write:
                return original(file, content, place)
            original(file, content[:5], place)
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        maps.os.pwrite = pwrite
        training(tmp_path / "killed", store, **LOW).run()

    child = FORK.Process(target=die)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    rows = computed(monkeypatch)
    again = training(tmp_path / "killed", store, **LOW)
    left = again.maps.file.missing(again.needed())
    assert len(left) == len(again.needed()) - (write - 1) // CHUNK * CHUNK
    assert without_machine(again.run()) == without_machine(whole)
    assert sorted(rows) == left.tolist()


def test_two_runs_at_once(tmp_path: Path, store: Store, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make("whole", **LOW).run()
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "other"))

    def work(name: str) -> None:
        assert without_machine(training(tmp_path / name, store, **LOW).run()) == without_machine(whole)

    children = [FORK.Process(target=work, args=(name,)) for name in ("a", "b")]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]


def test_other_data_other_size_other_weights_other_file(make: Make, store: Store, tmp_path: Path) -> None:
    plain = make("a", **LOW).maps.file.folder
    assert make("b", **LOW, seed=3).maps.file.folder == plain
    assert make("c", frozen="low", data=replace(DATA, draw=2, windows=8)).maps.file.folder == plain
    others = [{"input_size": 48}, {"crop": 0.5}, {"augmentation": "sgml"}]
    folders = {make(str(n), frozen="low", data=replace(DATA, **o)).maps.file.folder for n, o in enumerate(others)}
    folders.add(training(tmp_path / "d", replace(store, fingerprint="other"), **LOW).maps.file.folder)
    run = make("e", **LOW)
    with torch.no_grad():
        run.model.backbone.stages["low"][0].bias += 1
    folders.add(frozen.CachedMaps(run.model, run.images, store, run.config).file.folder)
    assert len(folders | {plain}) == 6


def test_memory_of_a_run_does_not_grow_with_its_maps() -> None:
    """Read through the file's mapping: 200 MB of maps leave less than a tenth of it in memory of the process's own."""
    side, rows = 100, 500
    file = MapFile("toys", {}, (side, side, 20), rows, lambda some: np.ones((CHUNK, side, side, 20), np.float16))
    file.read(np.arange(CHUNK))
    before = anonymous()
    for start in range(0, rows, CHUNK):
        file.read(np.arange(start, min(start + CHUNK, rows)))
    assert anonymous() - before < 0.1 * rows * file.bytes


def anonymous() -> int:
    """Bytes of anonymous memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def test_own_photographs_train_from_a_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPRODUCIBLE_DATA", raising=False)
    for c in "abcdefgh":
        (tmp_path / "mine" / c).mkdir(parents=True)
        for i in range(3):
            (tmp_path / "mine" / c / f"{i}.jpg").write_bytes(picture(10 * ord(c) + i))
    describe(tmp_path / "mine", Halves("first_half"), side=40)
    data = replace(DATA, name="mine", split="canonical", classes_per_batch=2, limit_classes=0)
    run = training(tmp_path / "run", prepare("mine"), data=data, frozen="low")
    assert np.isfinite(run.run()["curve"][-1]["loss"])
    assert run.maps.file.folder.name.startswith("mine-low-")


@pytest.mark.parametrize(
    "backbone, stage, windows", [("bvlc_googlenet", "pool3", 8), ("compact_googlenet", "pool3", 8), ("tiny", "", 0)]
)
def test_another_data_set_is_trained_on_from_a_stage_where_that_is(backbone: str, stage: str, windows: int) -> None:
    found = elsewhere(tiny_config(backbone=Component(backbone), data=DataConfig(draw=3)), "cub200")
    assert (found.frozen, found.data.windows) == (stage, windows)
    assert (found.data.name, found.data.split, found.data.draw, found.data.input_size) == (
        "cub200",
        "canonical",
        0,
        224,
    )
    assert elsewhere(tiny_config(), "cub200", small=True).data.input_size == 32


@pytest.mark.parametrize("augmentation", ["sgml", "deml_letterbox"])
def test_other_recipes(make: Make, augmentation: str) -> None:
    run = make(frozen="low", data=replace(DATA, augmentation=augmentation))
    drawn = run.drawn(1)
    images = torch.from_numpy(run.store.images)[drawn.indices]
    pixels = crop_resize(images, drawn.boxes, 32, drawn.flip, black_outside=True)
    expected = torch.stack([below(image) for image in pixels])
    torch.testing.assert_close(run.batch(1).images, expected, atol=1e-3, rtol=1e-3)
