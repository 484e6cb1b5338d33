"""Keeping a processor's training from holding memory that it has freed."""

import ctypes
import sys

# mallopt's names of its parameters (malloc.h of the GNU C library).
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def return_large_blocks() -> bool:
    """Let malloc take blocks of a megabyte or more from the system, and give them back when freed.

    By itself glibc's malloc soon serves blocks of up to 32 MB from a heap that it cuts up, since
    each freed one raises its threshold: gradient checkpointing on SmolLM2-135M then took 3.1 GB
    where its tensors need 1.0 (benchmarks/memory.py). Called before the model is loaded; the plan
    of memory counts on it.

    Returns:
        Whether this system's C library is one that can.
    """
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    try:
        adjust = library.mallopt
    except AttributeError:  # musl has no such function, and no such heap
        return False
    return bool(adjust(_MMAP_THRESHOLD, _LARGE_BYTES) and adjust(_TRIM_THRESHOLD, _LARGE_BYTES))
