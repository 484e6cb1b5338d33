"""What this machine and installation are: versions, processor, memory, offline state."""

import functools
import importlib.metadata
import os
import platform
import resource
from pathlib import Path

from civicbench import __version__
from civicbench.core.digests import digest_files, digest_listing, short

_SHAPING_PACKAGES = (
    "accelerate",
    "datasets",
    "lm-eval",
    "numpy",
    "peft",
    "safetensors",
    "tokenizers",
    "torch",
    "transformers",
)


def package_versions(names: tuple[str, ...] = _SHAPING_PACKAGES) -> dict[str, str]:
    """Return the installed version of each package; "absent" where it is not installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


@functools.cache
def code_version() -> str:
    """Return Civicbench's version with a digest of its own source."""
    package = Path(__file__).resolve().parent.parent
    files = {n: d for n, d in digest_files(package).items() if n.endswith(".py")}
    return f"{__version__}+{short(digest_listing(files))}"


def processor_name() -> str:
    """Return the processor's name and number of usable cores, in words."""
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {usable_cores()} cores"


def multiplies_bfloat16() -> bool:
    """Return whether the processor has instructions for matrix products in bfloat16.

    Linux names them avx512_bf16 or amx_bf16 on x86, and bf16 on Arm.
    """
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return False
    named = (line for line in info.read_text().splitlines() if line.startswith(("flags", "Featur")))
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(next(named, "").split())


def usable_cores() -> int:
    """Return how many cores this process may use, beside those that torchrun started with it."""
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, len(os.sched_getaffinity(0)) // beside)


def memory_bytes() -> tuple[int, int]:
    """Return (total, available) memory of the machine in bytes, from /proc/meminfo."""
    figures = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, rest = line.partition(":")
        figures[key] = int(rest.split()[0]) * 1024
    return figures["MemTotal"], figures["MemAvailable"]


def peak_memory_bytes() -> int:
    """Return the peak resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def is_offline() -> bool:
    """Return whether nothing may be fetched: `--offline`, or `CIVICBENCH_OFFLINE=1`."""
    return os.environ.get("CIVICBENCH_OFFLINE", "0") not in {"", "0"}


def yield_waiting_threads() -> None:
    """Let threads that wait for each other sleep after a short while; before torch is imported.

    On a machine that others use too, spinning threads keep the very core that they wait for. Small
    products (those of one written token) on 2 cores, in ms by how often a thread looks before it
    sleeps, on a quiet machine and beside one busy process: never 35 and 52, 500 times 31 and 57,
    2,000 times 29 and 76, 100,000 times (libgomp's default is more) 29 and 334.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def keep_hub_offline() -> None:
    """Tell the ecosystem's libraries to send nothing: hub offline, no telemetry.

    Called before they are imported; fetching a hub model is the one place that lifts it.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("DISABLE_MULTIPROC", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
