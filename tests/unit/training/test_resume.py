"""A run that is killed at any moment goes on to the same weights and the same record, bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import run_server
import torch
from tiny_runs import without_machine

from reproducible.resources import UserError
from reproducible.training import checkpoint

HERE = Path(run_server.__file__)


@dataclass
class Server:
    """The process that forks a child for every job."""

    process: subprocess.Popen[str]

    def start(self, cache: Path, save_every: float, die: str = "") -> int:
        """Begin a job; returns the child's process id."""
        job = {"cache": str(cache), "save_every": save_every, "die": die}
        print(json.dumps(job), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def status(self) -> int:
        """Wait for the end of the job begun last: 0, or minus the signal that ended it."""
        print(file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def run(self, cache: Path, save_every: float, die: str = "") -> int:
        self.start(cache, save_every, die)
        return self.status()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    paths = os.pathsep.join([str(HERE.parent), str(HERE.parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen([sys.executable, str(HERE)], **pipes) as process:
        yield Server(process)
        process.stdin.close()


def folder(cache: Path) -> Path:
    """The one run's folder in a cache."""
    found = [path for path in (cache / "runs").iterdir() if path.is_dir()]
    assert len(found) == 1
    return found[0]


def outcome(cache: Path) -> tuple[dict[str, Any], str]:
    """The record without what the machine adds, and the hash of the last weights."""
    record = json.loads((folder(cache) / "record.json").read_text())
    return without_machine(record), (cache / "runs" / run_server.WITNESS).read_text()


@dataclass(frozen=True)
class Whole:
    """A run that nobody disturbed, and how long it took."""

    outcome: tuple[dict[str, Any], str]
    seconds: float


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    cache = tmp_path_factory.mktemp("whole")
    assert server.run(cache, 0.0) == 0
    started = time.monotonic()
    assert server.run(tmp_path_factory.mktemp("timed"), 0.0) == 0
    return Whole(outcome(cache), time.monotonic() - started)


def steps_done(cache: Path) -> int:
    """The step of the checkpoint; 0 where there is none yet."""
    found = list(cache.glob("runs/*/checkpoint.pt"))
    return checkpoint.load(found[0], torch.device("cpu"))["step"] if found else 0


@pytest.mark.parametrize("save_every", [0.0, 1e9], ids=["checkpoint every step", "checkpoint at evaluations"])
def test_killed_at_random_moments(server: Server, whole: Whole, tmp_path: Path, save_every: float) -> None:
    """Six kills, spread over the length of a run; where one comes too late, the next run begins anew."""
    chance, kills, number, reached = random.Random(0), 0, 0, 0
    while kills < 6:
        cache = tmp_path / str(number)
        child = server.start(cache, save_every)
        time.sleep(chance.uniform(0.05, 0.9) * whole.seconds)
        os.kill(child, signal.SIGKILL)  # its own id, even if it has ended: nobody has waited for it yet
        ended = server.status()
        kills += ended != 0
        if ended == 0 or list(cache.glob("runs/*/record.json")):  # behind the record it only clears up
            assert outcome(cache) == whole.outcome
            number, reached = number + 1, 0
        else:
            assert steps_done(cache) >= reached
            reached = steps_done(cache)
    assert server.run(cache, save_every) == 0
    assert outcome(cache) == whole.outcome


@pytest.mark.parametrize("number", [1, 4, 15])
@pytest.mark.parametrize("where", ["write", "rename"])
def test_killed_while_a_checkpoint_is_written(
    server: Server, whole: Whole, tmp_path: Path, where: str, number: int
) -> None:
    """The first one, where there is nothing to go back to; the weights of the first look; the last one."""
    assert server.run(tmp_path, 0.0, f"{where} {number}") == -signal.SIGKILL
    torn = list(folder(tmp_path).glob("*.partial"))
    assert [p.name for p in torn] == ["weights_000004.pt.partial" if number == 4 else "checkpoint.pt.partial"]
    if where == "write":
        with pytest.raises(UserError):
            checkpoint.load(torn[0], torch.device("cpu"))
    assert steps_done(tmp_path) == {1: 0, 4: 3, 15: 11}[number]
    assert server.run(tmp_path, 0.0) == 0
    assert outcome(tmp_path) == whole.outcome
    assert sorted(p.name for p in folder(tmp_path).iterdir()) == ["record.json", "record.sha256"]


@pytest.mark.parametrize("where", ["record", "hash", "cleanup"])
def test_killed_when_the_record_is_written(server: Server, whole: Whole, tmp_path: Path, where: str) -> None:
    assert server.run(tmp_path, 0.0, f"{where} 1") == -signal.SIGKILL
    assert (folder(tmp_path) / "checkpoint.pt").is_file()
    assert server.run(tmp_path, 0.0) == 0
    assert outcome(tmp_path) == whole.outcome
    assert sorted(p.name for p in folder(tmp_path).iterdir()) == ["record.json", "record.sha256"]


def test_killed_again_and_again_at_the_same_place(server: Server, whole: Whole, tmp_path: Path) -> None:
    """Each attempt dies at its third checkpoint file and still gets a step further."""
    reached = []
    while server.run(tmp_path, 0.0, "write 3") != 0:
        reached.append(steps_done(tmp_path))
        assert len(reached) < 20
    assert reached == [2, 3, 4, 6, 7, 8, 10, 11]
    assert outcome(tmp_path) == whole.outcome


def test_truncated_checkpoint_is_named(server: Server, tmp_path: Path) -> None:
    assert server.run(tmp_path, 0.0, "write 8") == -signal.SIGKILL
    path = folder(tmp_path) / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:1000])
    assert server.run(tmp_path, 0.0) == 1
    assert f"{path}: unreadable checkpoint" in (tmp_path / run_server.ERROR).read_text()


def test_second_process_is_turned_away(server: Server, whole: Whole, tmp_path: Path) -> None:
    """The run's folder is held by this process while another one wants it, and free when that one is done."""
    assert server.run(tmp_path, 0.0, "write 8") == -signal.SIGKILL
    with checkpoint.lock(folder(tmp_path)):
        assert server.run(tmp_path, 0.0) == 1
    assert "another process works on this run" in (tmp_path / run_server.ERROR).read_text()
    assert server.run(tmp_path, 0.0) == 0
    assert outcome(tmp_path) == whole.outcome
