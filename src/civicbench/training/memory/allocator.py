"""Keeping a processor's training from holding memory that it has freed."""

import ctypes
import sys

from civicbench.training.settings import TrainingSettings

# mallopt's names of its parameters (malloc.h of the GNU C library).
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def returns_blocks(settings: TrainingSettings, *, shares_weights: bool) -> bool:
    """Return whether a run gives large blocks back when it frees them.

    Args:
        settings: The training settings.
        shares_weights: Whether layers are fetched from other processes and let go.
    """
    return settings.gradient_checkpointing or shares_weights


def return_large_blocks(settings: TrainingSettings, *, shares_weights: bool = False) -> bool:
    """Let malloc give blocks of a megabyte or more back when freed, where that spares much.

    By itself glibc's malloc soon serves blocks of up to 32 MB from a heap that it cuts up, since
    each freed one raises its threshold: gradient checkpointing on SmolLM2-135M then took 3.1 GB
    where its tensors need 1.0 (benchmarks/memory.py), and so did layers that two processes fetched
    from each other. Other runs, whose tensors stay until the way back, would spare less and lose
    about a tenth of their speed: new blocks are new pages. Called before the model is loaded; the
    plan of memory counts on it.

    Args:
        settings: The training settings.
        shares_weights: Whether layers are fetched from other processes and let go.

    Returns:
        Whether it was done: this system's C library may be one that cannot.
    """
    spares = returns_blocks(settings, shares_weights=shares_weights)
    if not spares or not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(None)
    try:
        adjust = library.mallopt
    except AttributeError:  # musl has no such function, and no such heap
        return False
    return bool(adjust(_MMAP_THRESHOLD, _LARGE_BYTES) and adjust(_TRIM_THRESHOLD, _LARGE_BYTES))
