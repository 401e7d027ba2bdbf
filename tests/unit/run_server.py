"""Runs small trainings in processes that may be killed: ``python run_server.py``, one job a line of JSON on stdin.

For every job it forks and answers with the child's process id; after a further line, with the child's exit status once
it has ended (negative: the signal that ended it). A message of the library goes to ``error.txt`` in the job's cache.
Forking costs nothing; a new interpreter would spend seconds on importing torch.

A job is ``{"cache": folder, "save_every": seconds, "die": how}``; ``how`` is "" or ``where number``: the child kills
itself with SIGKILL in the middle of writing its ``number``-th checkpoint file (``write``), when it is written but not
in its place (``rename``), or before (``record``) or after (``cleanup``) the record is written, or its hash (``hash``).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import make_store, register, tiny_config

from reproducible.records import cache
from reproducible.resources import UserError
from reproducible.training import checkpoint, runner
from reproducible.training.loop import Training

WITNESS = "last_weights.sha256"
ERROR = "error.txt"


class Witnessed(Training):
    """A run that leaves a hash of its last weights and of its optimiser's state behind."""

    def finish(self) -> dict[str, Any]:
        state = {"model": self.model.state_dict(), "optimiser": self.optimiser.state_dict()["state"]}
        tensors = [*state["model"].values(), *(v for s in state["optimiser"].values() for v in s.values())]
        content = b"".join(t.detach().contiguous().numpy().tobytes() for t in tensors)
        (self.folder.parent / WITNESS).write_text(hashlib.sha256(content).hexdigest())
        return super().finish()


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def prepare_death(patch: pytest.MonkeyPatch, where: str, number: int) -> None:
    """See the head of this file."""
    save, sync, write_text, calls = torch.save, os.fsync, cache.write_text, iter(range(1, 10_000))

    def write(state: object, file: Any) -> None:
        if next(calls) < number:
            return save(state, file)
        whole = io.BytesIO()
        save(state, whole)
        file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        file.flush()
        return die()

    def rename(descriptor: int) -> None:
        sync(descriptor)
        if next(calls) == number:
            die()

    def text(path: Path, content: str, last: str) -> None:
        write_text(path, content)
        if path.name == last:
            die()

    patches = {
        "write": (checkpoint.torch, "save", write),
        "rename": (checkpoint.os, "fsync", rename),
        "record": (runner, "check", die),
        "hash": (cache, "write_text", partial(text, last="record.sha256")),
        "cleanup": (cache, "write_text", partial(text, last="record.json")),
    }
    patch.setattr(*patches[where])


def work(job: dict[str, Any], store: object) -> None:
    """One job, in the child."""
    with pytest.MonkeyPatch.context() as patch:
        register(patch)
        patch.setenv("REPRODUCIBLE_CACHE", job["cache"])
        patch.setenv("REPRODUCIBLE_PROGRESS", "0")
        patch.setattr(runner, "open_store", lambda name: store)
        patch.setattr(runner, "Training", partial(Witnessed, save_every=job["save_every"]))
        if job["die"]:
            where, number = job["die"].split()
            prepare_death(patch, where, int(number))
        runner.execute(tiny_config(), profile="standard", criteria="c" * 64, device="cpu")


def serve() -> None:
    torch.set_num_threads(1)
    store = make_store()
    with tempfile.TemporaryDirectory() as folder:  # so that no child has to import what is imported on first use
        work({"cache": folder, "save_every": 1e9, "die": ""}, store)
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            status, job = 1, json.loads(line)
            try:
                work(job, store)
                status = 0
            except UserError as error:
                Path(job["cache"], ERROR).write_text(str(error))
            finally:
                os._exit(status)
        print(child, flush=True)
        sys.stdin.readline()  # until then an ended child keeps its process id
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
