"""Keeping a processor's training from holding memory that it has freed."""

import ctypes
import sys

from civicbench.training.settings import TrainingSettings

# mallopt's names of its parameters (malloc.h of the GNU C library).
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def return_large_blocks(settings: TrainingSettings) -> bool:
    """Let malloc give blocks of a megabyte or more back when freed, where that spares much.

    By itself glibc's malloc soon serves blocks of up to 32 MB from a heap that it cuts up, since
    each freed one raises its threshold: gradient checkpointing on SmolLM2-135M then took 3.1 GB
    where its tensors need 1.0 (benchmarks/memory.py). Other runs, whose tensors stay until the way
    back, would only lose about a tenth of their speed by it. Called before the model is loaded; the
    plan of memory counts on it.

    Args:
        settings: The training settings.

    Returns:
        Whether it was done: this system's C library may be one that cannot.
    """
    if not settings.gradient_checkpointing or not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    try:
        adjust = library.mallopt
    except AttributeError:  # musl has no such function, and no such heap
        return False
    return bool(adjust(_MMAP_THRESHOLD, _LARGE_BYTES) and adjust(_TRIM_THRESHOLD, _LARGE_BYTES))
