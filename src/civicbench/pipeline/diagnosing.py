"""What this machine has, and what would fail on it."""

import os
import shutil
import sys
from pathlib import Path

from civicbench.core.environment import (
    is_offline,
    memory_bytes,
    package_versions,
    processor_name,
)
from civicbench.core.errors import CivicbenchError, PartAbsentError
from civicbench.core.mirrors import mirror_folders
from civicbench.core.workspace import Workspace
from civicbench.models.catalogue import list_model_entries
from civicbench.models.prepare import find_prepared
from civicbench.pages.stylesheet import check_assets
from civicbench.pipeline.finding import Finding
from civicbench.recipes.loading import list_recipes, load_recipe

_GIGABYTE = 1e9
# The quickstart: wheel 0.1 GB, weights 0.6 GB, checkpoints and scores below 0.3 GB.
_DISK_NEEDED_GB = 2.0
_MEMORY_NEEDED_GB = 6.0


def diagnose(workspace: Workspace) -> list[Finding]:
    """Look at the machine, the installation, the workspace and the project.

    Args:
        workspace: Where work would be kept.
    """
    return [
        Finding(what="Python", found=sys.version.split()[0], state="good"),
        *_packages(),
        Finding(what="processor", found=processor_name(), state="good"),
        _devices(),
        _memory(),
        _disk(workspace),
        _stylesheet(),
        *_optional(),
        _network(),
        _mirrors(),
        _slurm(),
        _models(workspace),
        *_recipes(),
    ]


def _packages() -> list[Finding]:
    findings = []
    for name, version in package_versions().items():
        absent = version == "absent"
        findings.append(
            Finding(
                what=name,
                found=version,
                state="bad" if absent else "good",
                remedy="install Civicbench again" if absent else "",
            )
        )
    return findings


def _devices() -> Finding:
    import torch

    count = torch.cuda.device_count()
    if count == 0:
        return Finding(
            what="GPUs", found="none", state="note",
            remedy="recipes without `hardware` run on the processor",
        )  # fmt: skip
    names = [
        f"{torch.cuda.get_device_name(i)} "
        f"({torch.cuda.get_device_properties(i).total_memory / _GIGABYTE:.0f} GB)"
        for i in range(count)
    ]
    return Finding(what="GPUs", found=", ".join(names), state="good")


def _memory() -> Finding:
    total, available = memory_bytes()
    enough = available / _GIGABYTE >= _MEMORY_NEEDED_GB
    return Finding(
        what="memory",
        found=f"{available / _GIGABYTE:.1f} GB free of {total / _GIGABYTE:.1f} GB",
        state="good" if enough else "bad",
        remedy="" if enough else f"the quickstart needs about {_MEMORY_NEEDED_GB:.0f} GB",
    )


def _disk(workspace: Workspace) -> Finding:
    folder = workspace.home
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return Finding(
            what="workspace", found=f"{folder} is a file", state="bad",
            remedy="set CIVICBENCH_HOME to another folder",
        )  # fmt: skip
    free = shutil.disk_usage(folder).free / _GIGABYTE
    if not os.access(folder, os.W_OK):
        return Finding(
            what="workspace", found=f"{workspace.home}: may not be written", state="bad",
            remedy="set CIVICBENCH_HOME to a folder you may write to",
        )  # fmt: skip
    enough = free >= _DISK_NEEDED_GB
    return Finding(
        what="workspace",
        found=f"{workspace.home}, {free:.1f} GB free",
        state="good" if enough else "bad",
        remedy="" if enough else f"free {_DISK_NEEDED_GB:.0f} GB, or set CIVICBENCH_HOME",
    )


def _stylesheet() -> Finding:
    try:
        check_assets()
    except PartAbsentError as error:
        return Finding(
            what="card's stylesheet", found=error.problem, state="bad", remedy=error.remedy or ""
        )
    return Finding(what="card's stylesheet", found="built", state="good")


def _optional() -> list[Finding]:
    found = package_versions(("bitsandbytes", "wandb"))
    uses = {"bitsandbytes": ("qlora", "recipes that use qlora"), "wandb": ("wandb", "the tracker")}
    return [
        Finding(
            what=name,
            found=version,
            state="note" if version == "absent" else "good",
            remedy=f"for {uses[name][1]}: pip install 'civicbench[{uses[name][0]}]'"
            if version == "absent"
            else "",
        )
        for name, version in found.items()
    ]


def _network() -> Finding:
    if is_offline():
        return Finding(what="network", found="offline mode is on", state="note")
    key = "set: runs are sent" if os.environ.get("WANDB_API_KEY") else "not set: runs stay here"
    return Finding(
        what="network",
        found=f"W&B key {key}",
        state="note",
        remedy="--offline or CIVICBENCH_OFFLINE=1 fetches nothing",
    )


def _mirrors() -> Finding:
    folders = mirror_folders()
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        return Finding(
            what="mirrors", found=f"not there: {', '.join(missing)}", state="bad",
            remedy="mend CIVICBENCH_MIRROR",
        )  # fmt: skip
    return Finding(what="mirrors", found=", ".join(map(str, folders)) or "none named", state="note")


def _slurm() -> Finding:
    sbatch = shutil.which("sbatch")
    return Finding(what="Slurm", found=sbatch or "no sbatch here", state="note")


def _models(workspace: Workspace) -> Finding:
    ready = []
    for entry in list_model_entries():
        try:
            if find_prepared(entry, workspace=workspace) is not None:
                ready.append(entry.name)
        except CivicbenchError as error:
            return Finding(
                what="base models", found=f"{entry.name}: {error.problem}", state="bad",
                remedy=error.remedy or "",
            )  # fmt: skip
    return Finding(what="base models ready", found=", ".join(ready) or "none yet", state="note")


def _recipes() -> list[Finding]:
    findings = []
    names: dict[str, Path] = list_recipes()
    for name in names:
        try:
            load_recipe(name)
        except CivicbenchError as error:
            findings.append(
                Finding(what=f"recipe {name}", found=error.problem, state="bad",
                        remedy=error.remedy or f"mend {names[name]}")
            )  # fmt: skip
    sound = len(names) - len(findings)
    return [
        Finding(what="recipes", found=f"{sound} of {len(names)} valid", state="good"),
        *findings,
    ]
