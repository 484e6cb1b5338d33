"""A cluster's profile beside the real cluster: what would be refused, or fail on a node."""

from collections.abc import Iterator
from pathlib import Path

from civicbench.core.content import project_root
from civicbench.core.errors import CivicbenchError
from civicbench.core.workspace import Workspace
from civicbench.launch.slurm.cluster import (
    Node,
    Partition,
    read_associations,
    read_configuration,
    read_nodes,
    read_partitions,
)
from civicbench.launch.slurm.commands import try_slurm
from civicbench.launch.slurm.explaining import explain_refusal
from civicbench.launch.slurm.profile import ClusterProfile, Resources, memory_megabytes
from civicbench.launch.slurm.script import Job, render_script
from civicbench.launch.slurm.submitting import require_shared
from civicbench.pipeline.cluster.nodes import diagnose_nodes
from civicbench.pipeline.finding import Finding

_MEGABYTES_A_GIGABYTE = 1e9 / 2**20


def diagnose_cluster(profile: ClusterProfile, *, workspace: Workspace) -> list[Finding]:
    """Compare a profile with its cluster; starts one short job on as many nodes as it asks for.

    Args:
        profile: The profile.
        workspace: Where launches would be kept.

    Raises:
        PartAbsentError: Slurm is not here or does not answer.
    """
    partitions, nodes = read_partitions(), read_nodes()
    version = try_slurm("sinfo", "--version").stdout.strip()
    findings = [Finding(what="Slurm", found=version, state="good")]
    chosen = _partition(profile, partitions)
    findings += _of_partition(profile, chosen, partitions)
    if chosen is not None:
        findings += _of_nodes(profile, [n for n in nodes if chosen.name in n.partitions])
    findings += _of_accounts(profile)
    findings += _of_settings(profile)
    findings.append(_of_workspace(profile, workspace))
    findings += _of_jobs(profile, workspace)
    if not any(finding.state == "bad" for finding in findings):
        findings += diagnose_nodes(profile, workspace=workspace)
    return findings


def _partition(profile: ClusterProfile, partitions: list[Partition]) -> Partition | None:
    for partition in partitions:
        if partition.name == profile.partition:
            return partition
        if profile.partition is None and partition.is_default:
            return partition
    return None


def _of_partition(
    profile: ClusterProfile, chosen: Partition | None, partitions: list[Partition]
) -> Iterator[Finding]:
    if chosen is None:
        yield Finding(
            what="partition",
            found=f"there is none called {profile.partition}"
            if profile.partition
            else "the cluster has no default",
            state="bad",
            remedy="name one of: " + ", ".join(partition.name for partition in partitions),
        )
        return
    yield Finding(
        what="partition",
        found=f"{chosen.name}: {chosen.state}, {chosen.nodes} nodes, at most "
        + (f"{chosen.longest_s // 60} min" if chosen.longest_s else "any time"),
        state="good" if chosen.state == "UP" else "bad",
        remedy="" if chosen.state == "UP" else "wait until it is up, or name another",
    )
    if chosen.longest_s is not None and 60 * profile.time_minutes > chosen.longest_s:
        yield Finding(
            what="time_minutes",
            found=f"{profile.time_minutes} asked, {chosen.longest_s // 60} allowed",
            state="bad",
            remedy="lower it: a job that needs longer stops in time and is queued again",
        )
    most = min(chosen.nodes, chosen.most_nodes or chosen.nodes)
    if profile.nodes > most:
        yield Finding(
            what="nodes", found=f"{profile.nodes} asked, {most} allowed", state="bad",
            remedy="lower nodes",
        )  # fmt: skip


def _of_nodes(profile: ClusterProfile, nodes: list[Node]) -> Iterator[Finding]:
    """Yield whether enough nodes have what is asked of each, thing by thing."""
    memory = memory_megabytes(profile.memory_gb_per_node)
    asked: list[tuple[str, float, list[float], str]] = [
        ("cpus_per_node", profile.cpus_per_node, [node.cpus for node in nodes], ""),
        (
            "memory_gb_per_node",
            profile.memory_gb_per_node,
            [round(node.memory_megabytes / _MEGABYTES_A_GIGABYTE, 1) for node in nodes],
            "",
        ),
    ]
    if profile.gpus_per_node:
        kinds = sorted({kind or "(no type)" for node in nodes for kind in node.gpus})
        wanted = f" of type {profile.gpu_type}" if profile.gpu_type else ""
        asked.append(
            (
                f"gpus_per_node{wanted}",
                profile.gpus_per_node,
                [node.gpus_of(profile.gpu_type) for node in nodes],
                f"; types here: {', '.join(kinds) or 'none'}",
            )
        )
    for what, number, there, more in asked:
        enough = sum(each >= number for each in there)
        good = enough >= profile.nodes
        yield Finding(
            what=what,
            found=f"{number:g} asked; nodes have {_range(there)}{more}",
            state="good" if good else "bad",
            remedy=""
            if good
            else f"only {enough} of {len(there)} nodes have so much: lower it"
            + (" or mend gpu_type" if profile.gpu_type and what.startswith("gpus") else ""),
        )
    up = [
        node
        for node in nodes
        if node.is_up
        and node.cpus >= profile.cpus_per_node
        and node.memory_megabytes >= memory
        and node.gpus_of(profile.gpu_type) >= profile.gpus_per_node
    ]
    away = [f"{node.name} ({node.state})" for node in nodes if not node.is_up]
    yield Finding(
        what="nodes that fit and are up",
        found=f"{len(up)} of {len(nodes)}" + (f"; away: {', '.join(away[:5])}" if away else ""),
        state="good" if len(up) >= profile.nodes else "note",
        remedy="" if len(up) >= profile.nodes else "jobs will wait until more are up",
    )
    if profile.constraint:
        features = sorted({feature for node in nodes for feature in node.features if feature})
        yield Finding(
            what="constraint",
            found=f"{profile.constraint}; features here: {', '.join(features) or 'none'}",
            state="note",
        )


def _range(there: list[float]) -> str:
    if not there:
        return "none"
    low, high = min(there), max(there)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _of_accounts(profile: ClusterProfile) -> Iterator[Finding]:
    rows = read_associations()
    if rows is None:
        yield Finding(
            what="accounting", found="none answers", state="note",
            remedy="jobs that Slurm has forgotten cannot be looked up; their logs stay",
        )  # fmt: skip
        return
    accounts = sorted({row.get("account", "") for row in rows} - {""})
    qos = sorted({name for row in rows for name in row.get("qos", "").split(",")} - {""})
    for what, asked, known in (("account", profile.account, accounts), ("qos", profile.qos, qos)):
        if asked is None:
            yield Finding(what=what, found=f"yours: {', '.join(known) or 'none'}", state="note")
        else:
            listed = asked in known
            yield Finding(
                what=what,
                found=f"{asked}; yours: {', '.join(known) or 'none'}",
                state="good" if listed else "note",
                remedy="" if listed else "it is not among yours: Slurm may refuse it",
            )


def _of_settings(profile: ClusterProfile) -> Iterator[Finding]:
    settings = read_configuration()
    if not settings:
        return
    if profile.requeue.enabled and settings.get("JobRequeue") == "0":
        yield Finding(
            what="requeue", found="off for the cluster, on for these jobs", state="note",
            remedy="jobs ask for it themselves with --requeue",
        )  # fmt: skip
    if settings.get("PreemptType", "").endswith(("none", "(null)")):
        yield Finding(what="preemption", found="none", state="note")
        return
    told = "preempt_send_user_signal" in settings.get("SlurmctldParameters", "")
    how = "the script is told" if told else "only the processes are told"
    yield Finding(
        what="preemption",
        found=f"{settings.get('PreemptMode', 'unknown')}; {how}",
        state="note",
        remedy=""
        if told
        else "they save within the partition's GraceTime, or KillWait: "
        f"{settings.get('KillWait', 'unknown')}",
    )


def _of_workspace(profile: ClusterProfile, workspace: Workspace) -> Finding:
    shared = Path(profile.shared_folder)
    if not shared.is_dir():
        return Finding(
            what="shared_folder", found=f"{shared} is not here", state="bad",
            remedy="name a folder that this machine and all nodes see",
        )  # fmt: skip
    try:
        require_shared(workspace, profile)
    except CivicbenchError as error:
        return Finding(
            what="workspace", found=error.got or "", state="bad", remedy=error.remedy or ""
        )
    return Finding(what="workspace", found=f"{workspace.home}, within {shared}", state="good")


def _of_jobs(profile: ClusterProfile, workspace: Workspace) -> Iterator[Finding]:
    """Yield what Slurm itself says of each kind of job, without queueing one."""
    kinds = (
        ("training", Resources(), profile.nodes),
        ("evaluation", profile.evaluation, 1),
        ("registration", profile.registration, 1),
    )
    folder = workspace.jobs / "doctor"
    for name, changed, nodes in kinds:
        job = Job(
            step=name, title=name, command=(), resources=profile.resources_of(changed), nodes=nodes
        )
        script = render_script(job, profile, folder=folder, project=project_root())
        done = try_slurm("sbatch", "--test-only", text=script)
        words = (done.stderr.strip() or done.stdout.strip()).replace("sbatch: ", "")
        good = done.returncode == 0
        yield Finding(
            what=f"a job of {name}",
            found=words if not good else words.splitlines()[-1],
            state="good" if good else "bad",
            remedy="" if good else explain_refusal(words),
        )
