"""Which device and precision a run gets, and what a record says about the machine."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from reproducible.resources import UserError, check_device


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` takes a GPU where there is one.

    Raises:
        UserError: if there is no such device, or it is not there.
    """
    check_device(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        said = str(error).splitlines()[0].removesuffix(".")
        raise UserError(f"device {name!r} cannot be used here ({said}).") from error


def choose_precision(device: torch.device) -> str:
    """``bf16`` where the device has units for it, else ``fp32``."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    units = device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return "bf16" if units else "fp32"


@contextmanager
def arithmetic(deterministic: bool) -> Iterator[None]:
    """Within it, where asked for, only algorithms that add in a fixed order: the same machine then gives the same bits
    every time. CPU runs do so anyway, at no cost (BVLC GoogLeNet, 8 images at 112 px, forward and backward: median 0.43
    s without and 0.40 s with it); an operation that has no such algorithm raises a RuntimeError."""
    if not deterministic:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.backends.cudnn.benchmark = before[1]


@contextmanager
def threads_kept() -> Iterator[None]:
    """After it, as many threads of the CPU as before."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def memory_for(what: str) -> Iterator[None]:
    """Within it, memory that is not there is said in words.

    Args:
        what: needs it, for the message.

    Raises:
        UserError: in place of what torch and NumPy raise.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if not isinstance(error, (MemoryError, torch.OutOfMemoryError)) and "allocate memory" not in text:
            raise
        asked = re.search(r"(\d+) bytes|[Aa]llocate ([\d.]+ [KMGT]iB)", text)
        size = asked and (asked[2] or f"{int(asked[1]) / 2**30:.1f} GiB")
        raise UserError(
            f"{what}: not enough memory" + (f", {size} were asked for at once" if size else "") + "; smaller batches "
            "(data.classes_per_batch, data.images_per_class), a smaller data.input_size or a smaller model need less."
        ) from error


def hardware() -> dict[str, str]:
    """CUDA, memory and the engine of the neighbour search, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = {"memory": f"{memory:.1f} GiB", "CUDA": "no GPU that this torch can use"}
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        free, whole = (size / 2**30 for size in torch.cuda.mem_get_info())
        found["CUDA"] = f"{torch.version.cuda}: {', '.join(names)}; {free:.1f} of {whole:.1f} GiB free"
    return found


def keep_freed_memory() -> None:
    """Tell glibc, where it is the C library, to keep freed blocks: a CPU training step otherwise spends 7 % of its time
    on page faults, since every activation is mapped and unmapped anew. Does nothing elsewhere."""
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-4, 0)  # M_MMAP_MAX: no block gets a mapping of its own
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: do not give the top of the heap back


def environment(device: torch.device, precision: str) -> dict[str, object]:
    """Versions, device, threads and peak resident memory (MB) of this process."""
    found: dict[str, object] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "precision": precision,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        // (1 if sys.platform == "darwin" else 1024),
    }
    if device.type == "cuda":
        found["peak_device_memory_mb"] = torch.cuda.max_memory_allocated(device) // 2**20
    return found
