"""Workers end with the process that started them: real processes, whose parent is killed or told to end."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from reproducible import processes
from reproducible.data.manifest import load_manifest
from reproducible.data.photographs.decode import Fitting, Job, decode
from reproducible.data.store import open_store, store_folder
from reproducible.resources import UserError

PATIENCE = 90
"""Seconds that a loaded machine may need to start an interpreter; work that a test kills takes longer."""

INTERPRETERS = """
from reproducible import processes
with processes.start("timeit", "-n1", "-r1", "__import__('time').sleep(600)") as one:
    with processes.start("timeit", "-n1", "-r1", "__import__('time').sleep(600)") as two:
        two.wait()
"""
POOL = """
import multiprocessing, time
from concurrent.futures import ProcessPoolExecutor
from reproducible.processes import end_with_parent
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context, initializer=end_with_parent) as pool:
        list(pool.map(time.sleep, [600, 600, 600]))
"""
GLYPHS = """
from reproducible.data.glyphs import source
from reproducible.data.store import prepare
source._AT_ONCE = 6000
prepare("glyphs", workers=2)
"""
DECODE = """
import time
from reproducible.data.photographs.decode import Fitting, Job, decode
def jobs():
    for place in range(1000):
        yield Job(place, "a photograph", (float("nan"),) * 4), b"none"
        time.sleep(place // 128)
list(decode(jobs(), 1000, Fitting(8), None, workers=2))
"""
STUDY = """
import sys
from reproducible.cli import main
if __name__ == "__main__":
    sys.argv = ["reproducible", "study", "run", "glyph_baseline", "--profile", "smoke", "--workers", "2"]
    main()
"""


def children(pid: int) -> set[int]:
    """Processes whose parent is this one and that have not ended."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it has ended since
            continue
        if int(parent) == pid and state not in "ZX":
            found.add(int(path.parent.name))
    return found


def running(pid: int) -> bool:
    """Whether a process is there and is not a corpse that nobody has looked at."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(what: Callable[[], object]) -> None:
    ends = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < ends, "nothing happened"
        time.sleep(0.05)


def workers_of(pid: int) -> set[int]:
    """Children that run Python, without the one that keeps the list of what multiprocessing shares."""
    commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children(pid)}
    return {child for child, command in commands.items() if b"resource_tracker" not in command}


def kill(program: str, path: Path, how: int, started: Callable[[], object] = lambda: True) -> None:
    """Runs a program until it has two workers and has started their work, ends it, and sees its workers end."""
    path.write_text(program)
    with subprocess.Popen([sys.executable, str(path)]) as parent:
        wait_for(lambda: len(workers_of(parent.pid)) == 2 and started())
        workers = workers_of(parent.pid)
        parent.send_signal(how)
        assert parent.wait() == -how
    try:
        wait_for(lambda: not any(map(running, workers)))
    finally:
        for pid in filter(running, workers):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("program", [INTERPRETERS, POOL, DECODE])
def test_workers_end_with_their_parent(program: str, how: int, tmp_path: Path) -> None:
    kill(program, tmp_path / "program.py", how)


def test_renderers_end_with_their_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of their work: neither part is rendered to its end."""
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(tmp_path / "cache"))
    folder = store_folder(load_manifest("glyphs"))
    partial = folder.with_name(folder.name + ".partial")
    ends = [5999, 11999]

    def started() -> bool:
        return (partial / "attributes.npy").is_file() and np.load(partial / "images.npy", mmap_mode="r")[0].any()

    kill(GLYPHS, tmp_path / "program.py", signal.SIGKILL, started)
    assert not np.load(partial / "images.npy", mmap_mode="r")[ends].any()
    assert not folder.exists()


def test_runs_of_a_study_end_with_their_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_store("glyphs")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "stores").symlink_to(store_folder(load_manifest("glyphs")).parent)
    monkeypatch.setenv("REPRODUCIBLE_CACHE", str(cache))
    kill(STUDY, tmp_path / "program.py", signal.SIGTERM, lambda: len([*cache.glob("runs/*/lock")]) == 2)
    for lock in cache.glob("runs/*/lock"):
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds a run


def test_worker_that_does_not_come_from_multiprocessing() -> None:
    with pytest.raises(RuntimeError, match="not started by multiprocessing"):
        processes.end_with_parent()


def test_process_that_is_left_is_ended() -> None:
    with processes.start("timeit", "-n1", "-r1", "__import__('time').sleep(600)") as process:
        assert process.poll() is None
    assert process.returncode == 1


def test_module_sees_its_own_arguments() -> None:
    with processes.start("calendar", "2024", "2", stdout=subprocess.PIPE, text=True) as process:
        shown, _ = process.communicate()
    assert shown.split()[:2] == ["February", "2024"] and shown.split()[-1] == "29"


def test_photograph_whose_process_died_is_named() -> None:
    """The process is killed between two photographs, of which the second is larger than a pipe holds."""

    def jobs() -> Iterator[tuple[Job, bytes]]:
        yield Job(0, "first.jpg", (0.0, 0.0, 1.0, 1.0)), b"none"
        wait_for(lambda: workers_of(os.getpid()))
        for pid in workers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        yield Job(1, "second.jpg", (0.0, 0.0, 1.0, 1.0)), bytes(10**6)

    with pytest.raises(UserError, match=r"\.jpg: the process that decoded it died"):
        list(decode(jobs(), 1000, Fitting(8), None, workers=1))
