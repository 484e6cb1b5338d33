"""A free port of this node, for the processes of a job to meet at: `python -m ... JOB`."""

import socket
import sys

_LOWEST, _HIGHEST = 20_000, 32_000


def free_port(job: int) -> int:
    """Return a free port: the same for a job wherever that is free, else the next.

    Below the ports that the system gives to clients, so that no connection takes it meanwhile.

    Args:
        job: The job's number; jobs that run side by side begin at different ports.

    Raises:
        OSError: None is free.
    """
    count = _HIGHEST - _LOWEST
    for place in range(count):
        port = _LOWEST + (job + place) % count
        try:
            # Bound with SO_REUSEADDR, as the processes will: a port that rests counts as free.
            socket.create_server(("", port)).close()
        except OSError:
            continue
        return port
    raise OSError(f"no port from {_LOWEST} to {_HIGHEST} is free")


if __name__ == "__main__":
    print(free_port(int(sys.argv[1])))
