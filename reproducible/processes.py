"""Worker processes, which end with the process that started them, however that ends.

Each waits in a thread for the end of a pipe whose other end its parent alone holds: the system closes it with the
parent, which may be killed. Every pool of the project starts its workers by :func:`start`, or lets each call
:func:`end_with_parent`.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def start(module: str, *arguments: str, **options: Any) -> Iterator[subprocess.Popen]:
    """An interpreter of its own that runs a module, ``python -m module arguments``, so that the caller may be any
    script, guarded or not, in any state.

    Args:
        module: its full name; found where this process finds modules.
        arguments: its ``sys.argv[1:]``.
        options: of ``subprocess.Popen``.

    Yields:
        The process; it is ended, if it still runs, when the context is left.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    theirs, ours = os.pipe()
    try:
        command = [sys.executable, "-m", "reproducible.processes", str(theirs), module, *arguments]
        process = subprocess.Popen(command, env=environment, pass_fds=(theirs,), **options)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    with process:
        try:
            yield process
        finally:
            os.close(ours)
            if process.stdin:
                with suppress(BrokenPipeError):  # of a process that died before it had read all
                    process.stdin.close()


def end_with_parent() -> None:
    """Let this process, a worker of ``multiprocessing``, end as soon as its parent has ended.

    Raises:
        RuntimeError: it is no such worker.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("This process was not started by multiprocessing, so there is no parent to end with.")
    _end_after(parent.join)


def _end_after(wait: Callable[[], object]) -> None:
    def end() -> None:
        wait()
        os._exit(1)

    threading.Thread(target=end, name="end with parent", daemon=True).start()


if __name__ == "__main__":
    pipe = int(sys.argv[1])
    _end_after(lambda: os.read(pipe, 1))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
