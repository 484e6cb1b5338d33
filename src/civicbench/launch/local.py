"""A run on the devices of this machine, or as one of several machines that meet by name."""

import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.workspace import Workspace
from civicbench.launch.processes import Group

if TYPE_CHECKING:
    from civicbench.training.settings import TrainingSettings

_HERE = "127.0.0.1"
_MEETING = re.compile(r"(?P<address>[^\s:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
_HIGHEST_PORT = 65535


def choose_processes(
    settings: "TrainingSettings", *, asked: int | None, hardware_devices: int, machines: int = 1
) -> int:
    """Return how many processes each machine runs, or refuse what could not train.

    Args:
        settings: The training settings.
        asked: What was asked for; None for one for each GPU, as far as a step's rows go, and one
            on a processor.
        hardware_devices: GPUs that the recipe is meant for; 1 where it does not say.
        machines: How many machines there are.

    Raises:
        InvalidInputError: More processes than GPUs or than rows of a step, or a preset that one
            process has no use for.
        PartAbsentError: The preset needs a package or a GPU that is not here.
    """
    import torch

    from civicbench.training.distributed.presets import load_preset, refuse_preset

    gpus = torch.cuda.device_count()
    shares_weights = load_preset(settings.distributed).shares_weights
    if asked is not None and gpus and asked > gpus:
        raise InvalidInputError(
            "there are fewer GPUs than processes",
            where="command line: --processes",
            got=f"{asked} processes, {gpus} GPUs",
            remedy=f"start {gpus} or fewer; see CUDA_VISIBLE_DEVICES",
        )
    in_turn = hardware_devices > 1 and not shares_weights
    if asked is not None:
        count = asked
    elif in_turn:
        count = 1  # one process holds the layers on several GPUs
    elif shares_weights and hardware_devices > 1:
        count = hardware_devices
    else:
        rows = settings.batch_size_rows // (settings.gradient_accumulation_steps * machines)
        count = max(1, min(gpus, rows))
    refuse_preset(settings, processes=count * machines, spread=in_turn)
    return count


def group_here(processes: int) -> Group:
    """Return the processes of a run on this machine alone, which meet at a free port.

    Args:
        processes: How many.
    """
    with socket.create_server((_HERE, 0)) as server:
        port = int(server.getsockname()[1])
    return Group(processes, _HERE, port)


def group_among(processes: int, *, meeting: str, machines: int, machine: int) -> Group:
    """Return the processes of a run on several machines, of which this is one.

    Args:
        processes: How many run on each machine.
        meeting: "HOST:PORT" of the first machine.
        machines: How many there are.
        machine: Which of them this is, counted from 0.

    Raises:
        InvalidInputError: The numbers do not fit, or the name does not resolve.
        PartAbsentError: This is the first machine, and its port is taken.
    """
    if not 0 <= machine < machines:
        raise InvalidInputError(
            f"machines are counted from 0 to {machines - 1}",
            where="command line: --machine",
            got=str(machine),
        )
    found = _MEETING.fullmatch(meeting)
    if found is None or not 0 < int(found["port"]) <= _HIGHEST_PORT:
        raise InvalidInputError(
            "a meeting place is a machine's name and a port",
            where="command line: --meet",
            got=repr(meeting),
            remedy="write it as HOST:PORT, the same on every machine",
        )
    address, port = found["address"].strip("[]"), int(found["port"])
    try:
        socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise InvalidInputError(
            "the first machine's name does not resolve from here",
            where="command line: --meet",
            got=f"{address}: {error.strerror}",
            remedy="use the name under which the other machines know it, or its address",
        ) from None
    if machine == 0:
        _require_free(port)
    return Group(processes, address, port, machines, machine)


def logs_folder(workspace: Workspace, *, recipe: str) -> Path:
    """Return a new place for the logs of a run's processes."""
    begun = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return workspace.launches / f"{begun}-{recipe}"


def _require_free(port: int) -> None:
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise PartAbsentError(
            "the port by which the processes would meet is taken",
            where="command line: --meet",
            got=f"port {port}: {error.strerror}",
            remedy="choose another port, the same on every machine",
        ) from None
