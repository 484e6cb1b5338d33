"""What one node has, as a line of JSON: `python -m ... MARK`, started by `doctor --cluster`."""

import json
import os
import platform
import socket
import sys
import time
from pathlib import Path

from civicbench.core.environment import code_version, package_versions, usable_cores

PACKAGES = ("torch", "transformers", "peft", "accelerate")
_TRIES, _PAUSE_S = 10, 0.3


def probe(mark: Path) -> dict[str, object]:
    """Return what this node has.

    Args:
        mark: A file that was just written to the shared folder.
    """
    seen = False
    for _ in range(_TRIES):  # network storage may show a new file a moment later
        seen = mark.is_file()
        if seen:
            break
        time.sleep(_PAUSE_S)
    name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
    return {
        "node": name,
        "resolves": _resolves(name),
        "sees_workspace": seen,
        "writes_workspace": seen and os.access(mark.parent, os.W_OK),
        "python": platform.python_version(),
        "civicbench": code_version(),
        "packages": package_versions(PACKAGES),
        "cores": usable_cores(),
        "gpu_devices": len(list(Path("/dev").glob("nvidia[0-9]*"))),
        "visible_gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
    }


def _resolves(name: str) -> bool:
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(probe(Path(sys.argv[1]))))
