"""What Slurm's short answers mean, in plain words, with what to do about them."""

import re

# Order matters: the first that is found speaks. Texts are those of sbatch, over its versions.
_REFUSALS = (
    (
        r"invalid partition",
        "name a partition of `sinfo -s` in the profile's partition; "
        "`civicbench doctor --cluster NAME` lists them",
    ),
    (
        r"Memory specification can not be satisfied|memory.*(exceed|not available)",
        "lower memory_gb_per_node to what a node of the partition has: "
        "`civicbench doctor --cluster NAME` shows it",
    ),
    (
        r"time limit is invalid|exceeds.*time|PartitionTimeLimit",
        "lower time_minutes to the partition's limit (`sinfo -o '%P %l'`): a job that needs longer "
        "stops in time with a checkpoint and is queued again",
    ),
    (
        r"Invalid generic resource|gres",
        "mend gpus_per_node and gpu_type: `sinfo -o '%P %G'` shows the names that this cluster has",
    ),
    (
        r"More processors requested|CPU count",
        "lower cpus_per_node to what a node of the partition has",
    ),
    (
        r"node configuration is not available",
        "no node of the partition has that many GPUs (of that type), CPUs or that much memory: "
        "lower gpus_per_node, cpus_per_node or memory_gb_per_node, or mend gpu_type",
    ),
    (
        r"Node count specification invalid|PartitionNodeLimit",
        "lower nodes to what the partition has and allows",
    ),
    (
        r"Invalid feature|Invalid job constraint",
        "mend constraint: `sinfo -o '%P %f'` shows the features that nodes have",
    ),
    (
        r"Invalid account or account/partition",
        "mend account, or the partition that it may use: `sacctmgr show assoc user=$USER "
        "format=account,partition,qos` lists yours",
    ),
    (
        r"Invalid qos|QOS",
        "mend qos, or ask for less: `sacctmgr show assoc user=$USER format=account,qos` lists "
        "yours, `sacctmgr show qos` their limits",
    ),
    (
        r"accounting/QOS policy|exceed.*limit|limit.*exceed",
        "the account's or QOS's limits are smaller than what was asked: `sacctmgr show qos` and "
        "your site's pages tell them",
    ),
    (r"[Rr]eservation", "mend reservation: `scontrol show reservation` lists them"),
    (r"User's group not permitted|Access/permission denied|not permitted", "ask your site for "
     "access to the partition, or name another"),
    (r"dependency", "the job it should follow is gone: launch again"),
    (r"Invalid job id", "`civicbench jobs` lists what was launched from here"),
    (r"already finished|already completing", "it has ended; nothing is left to do"),
    (r"Zero Bytes|too large|Pathname|Batch script", "the script was not taken: see Slurm's text"),
)  # fmt: skip

_REASONS = {
    "None": "",
    "Priority": "other jobs in the partition come first",
    "Resources": "no node is free that has what it asks for; it comes first when one is",
    "Dependency": "it waits for the job before it to end well",
    "DependencyNeverSatisfied": "the job that it waits for failed, so it will never start: cancel "
    "it, mend the cause and launch again",
    "BeginTime": "it was queued again, and Slurm waits a while before it may start",
    "JobHeldUser": "you hold it: `scontrol release` lets it go",
    "JobHeldAdmin": "the site's staff hold it: ask them",
    "JobArrayTaskLimit": "as many tasks of its array run as may at the same time",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition takes jobs and starts none now",
    "PartitionTimeLimit": "it asks for more time than the partition allows, so it will never "
    "start: lower time_minutes and launch again",
    "PartitionNodeLimit": "it asks for more nodes than the partition allows, so it will never "
    "start: lower nodes and launch again",
    "PartitionConfig": "it asks for what the partition does not have, so it will not start",
    "ReqNodeNotAvail": "a node that it needs is down, drained or reserved",
    "NodeDown": "a node that it needs is down",
    "BadConstraints": "no node can have what it asks for together: mend the profile and launch "
    "again",
    "Licenses": "a licence that it asks for is in use",
    "Reservation": "it waits for its reservation to begin",
    "InvalidAccount": "its account is not known: mend account and launch again",
    "InvalidQOS": "its QOS is not known: mend qos and launch again",
    "Cleaning": "it was queued again, and its last attempt is being cleared away",
    "NonZeroExitCode": "it ended with an exit code other than 0",
    "TimeLimit": "its time was over",
    "OutOfMemory": "it used more memory than it asked for: raise memory_gb_per_node",
    "NodeFail": "a node failed",
    "JobLaunchFailure": "it could not be started on a node",
    "launch_failed_requeued_held": "it could not be started on a node and is held: look at the "
    "node with your site's staff, then `scontrol release`",
    "job_requeued_in_held_state": "it was queued again and is held: `scontrol release` lets it go",
    "RaisedSignal": "a signal ended it",
    "SystemFailure": "Slurm itself failed",
    "InactiveLimit": "it did nothing for too long",
    "Prolog": "the site's prologue runs on its node",
}
_LIMITS = (
    (r"^(Assoc|QOS)?Max.*(PerUser|PerAccount|PerJob|PerNode)", "it would exceed a limit on what "
     "one user, account or job may have; it starts when others of yours have ended, or never, "
     "where it alone exceeds it"),
    (r"^(Assoc)?(Grp|QOSGrp)|^QOSGrp", "everyone of the account or QOS together uses what they "
     "may; it starts when some have ended"),
    (r"^(Assoc|QOS)", "a limit of its account or QOS holds it back"),
)  # fmt: skip
_REQUIRED_UNAVAILABLE = "ReqNodeNotAvail"


def explain_refusal(said: str) -> str:
    """Return what to change where Slurm refused a request with such a text."""
    for pattern, remedy in _REFUSALS:
        if re.search(pattern, said):
            return remedy
    return "see Slurm's own text; `civicbench doctor --cluster NAME` compares the profile with it"


def explain_reason(reason: str) -> str:
    """Return in plain words why a job waits, or why it ended; Slurm's own word where unknown."""
    if not reason or reason == "(null)":
        return ""
    # Some versions name nodes behind the word: "ReqNodeNotAvail, UnavailableNodes:n1".
    word = re.split(r"[,( ]", reason.strip("()"), maxsplit=1)[0]
    if word in _REASONS:
        return _REASONS[word]
    for pattern, words in _LIMITS:
        if re.search(pattern, word):
            return f"{words} ({word})"
    return f"Slurm says: {reason.strip('()')}"
