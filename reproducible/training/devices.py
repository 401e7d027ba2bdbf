"""Which device and precision a run gets, and what a record says about the machine."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys

import torch

from reproducible.resources import UserError


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name; ``auto`` takes a GPU where there is one.

    Raises:
        UserError: if the device is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {name!r} cannot be used here: {error}") from error


def choose_precision(device: torch.device) -> str:
    """``bf16`` where the device has units for it, else ``fp32``."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    units = device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return "bf16" if units else "fp32"


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
