"""What a cluster's nodes say of themselves, asked through a short job."""

import os
from collections.abc import Iterator

from civicbench.core.content import project_root
from civicbench.core.environment import code_version, package_versions
from civicbench.core.workspace import Workspace
from civicbench.launch.slurm.cluster import ask_nodes
from civicbench.launch.slurm.probe import PACKAGES
from civicbench.launch.slurm.profile import ClusterProfile
from civicbench.launch.slurm.script import render_probe, srun_container
from civicbench.pipeline.finding import Finding


def diagnose_nodes(profile: ClusterProfile, *, workspace: Workspace) -> Iterator[Finding]:
    """Yield what nodes see and have; starts one short job on as many as the profile asks for.

    Args:
        profile: The profile.
        workspace: Where launches would be kept.
    """
    workspace.jobs.mkdir(parents=True, exist_ok=True)
    mark = workspace.jobs / f".doctor-{os.getpid()}"
    mark.touch()
    project = project_root()
    try:
        script = render_probe(profile, home=workspace.home, project=project, mark=mark)
        options = [f"--nodes={profile.nodes}", "--cpus-per-task=1", "--mem=1000M"]
        named = (("partition", profile.partition), ("account", profile.account),
                 ("qos", profile.qos), ("reservation", profile.reservation),
                 ("constraint", profile.constraint))  # fmt: skip
        options += [f"--{name}={value}" for name, value in named if value]
        options += srun_container(profile, home=workspace.home, project=project)
        answers, words = ask_nodes(options, script=script)
    finally:
        mark.unlink(missing_ok=True)
    if len(answers) < profile.nodes:
        busy = "Unable to allocate" in words or "immediate" in words
        yield Finding(
            what="nodes, asked through srun",
            found=f"{len(answers)} of {profile.nodes} answered: {words or 'nothing was said'}",
            state="note" if busy else "bad",
            remedy="no node was free in a minute: try again later"
            if busy
            else "mend what the node says: project, python, modules, source or container",
        )
    for answer in answers:
        yield from _of_answer(answer, several=profile.nodes > 1)


def _of_answer(answer: dict[str, object], *, several: bool) -> Iterator[Finding]:
    node = f"node {answer.get('node')}"
    sees = bool(answer.get("sees_workspace"))
    writes = bool(answer.get("writes_workspace"))
    yield Finding(
        what=f"{node}: workspace",
        found="seen" + (" and may be written" if writes else ", may not be written")
        if sees
        else "not seen",
        state="good" if writes else "bad",
        remedy="" if writes else "put shared_folder on storage that all nodes share",
    )
    same = answer.get("civicbench") == code_version()
    yield Finding(
        what=f"{node}: Civicbench",
        found=f"{answer.get('civicbench')}, Python {answer.get('python')}",
        state="good" if same else "bad",
        remedy="" if same else f"here it is {code_version()}: install the same on both",
    )
    here = package_versions(PACKAGES)
    there = answer.get("packages")
    other = [
        f"{name} {version}, here {here.get(name)}"
        for name, version in (there if isinstance(there, dict) else {}).items()
        if version != here.get(name)
    ]
    yield Finding(
        what=f"{node}: packages",
        found="; ".join(other) or ", ".join(f"{name} {version}" for name, version in here.items()),
        state="note" if other else "good",
        remedy="results may differ between the machines" if other else "",
    )
    if several and not answer.get("resolves"):
        yield Finding(
            what=f"{node}: name", found="does not resolve", state="note",
            remedy="processes meet by Slurm's NodeAddr instead",
        )  # fmt: skip
