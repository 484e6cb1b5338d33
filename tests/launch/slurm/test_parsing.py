"""What Slurm prints, over its versions."""

import pytest

from civicbench.launch.slurm.explaining import explain_reason, explain_refusal
from civicbench.launch.slurm.parsing import (
    duration_s,
    exit_code,
    gpu_counts,
    megabytes,
    read_records,
    read_table,
    said,
    state_word,
    task_numbers,
)

# As printed by 22.05, with a name and a path that hold blanks, and by later versions.
OLD = (
    "JobId=10 JobName=my job UserId=root(0) Account=(null) JobState=RUNNING Reason=None "
    "Requeue=1 Restarts=0 ExitCode=0:0 RunTime=00:00:01 NodeList=n1 CPUs/Task=1 "
    "ReqB:S:C:T=0:0:*:* TRES=cpu=1,mem=100M,node=1 Command=/a b/c d.sh WorkDir=/w Power=\n"
)
NEW = (
    "JobId=12_3 ArrayJobId=12 ArrayTaskId=3 JobName=x JobState=PENDING "
    "Reason=ReqNodeNotAvail,_UnavailableNodes:n[1-2] NewField=a=b ExitCode=0:0 Restarts=2\n"
)


def test_records_keep_values_with_blanks_and_signs() -> None:
    [old, new] = read_records(OLD + "\n" + NEW + "No jobs in the system\n")
    assert old["JobName"] == "my job"
    assert old["Command"] == "/a b/c d.sh"
    assert old["TRES"] == "cpu=1,mem=100M,node=1"
    assert old["Power"] == ""
    assert new["ArrayTaskId"] == "3"
    assert new["NewField"] == "a=b"
    assert read_records("") == []


def test_accounting_is_read_by_the_names_of_its_columns() -> None:
    text = "JobID|State|ExitCode|Extra\n12|CANCELLED by 1000|0:15|x\n12_1|COMPLETED|0:0|\n"
    assert [row["state"] for row in read_table(text)] == ["CANCELLED by 1000", "COMPLETED"]
    assert read_table("JobID|State") == []


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("RUNNING", "RUNNING"), ("CANCELLED by 1000", "CANCELLED"), ("CANCELLED+", "CANCELLED"),
        ('["OUT_OF_MEMORY"]', "OUT_OF_MEMORY"), ("", "UNKNOWN"), (None, "UNKNOWN"),
    ],
)  # fmt: skip
def test_states(text: str | None, state: str) -> None:
    assert state_word(text) == state


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1-02:03:04", 93_784), ("02:03:04", 7384), ("3:04", 184), ("0:00", 0), ("30", 1800),
        ("2-00", 172_800), ("1-12:30", 131_400), ("UNLIMITED", None), ("N/A", None),
        ("INVALID", None), (None, None), ("Partition_Limit", None),
    ],
)  # fmt: skip
def test_durations(text: str | None, seconds: int | None) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "tasks"),
    [
        ("3", [3]), ("0-3", [0, 1, 2, 3]), ("[2,5-7]", [2, 5, 6, 7]), ("0-6:3%2", [0, 3, 6]),
        ("4-23%2", list(range(4, 24))), ("", []), (None, []), ("N/A", []), ("1,...", [1]),
    ],
)  # fmt: skip
def test_task_numbers(text: str | None, tasks: list[int]) -> None:
    assert list(task_numbers(text)) == tasks


@pytest.mark.parametrize(
    ("text", "code"), [("75:0", (75, 0)), ("0:9", (0, 9)), ("3", (3, None)), ("", (None, None))]
)
def test_exit_codes(text: str, code: tuple[int | None, int | None]) -> None:
    assert exit_code(text) == code


@pytest.mark.parametrize(
    ("text", "found"),
    [("4000", 4000), ("4000M", 4000), ("3.5G", 3584), ("2Tn", 2_097_152), ("?", None)],
)
def test_memory(text: str, found: float | None) -> None:
    assert megabytes(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("gpu:a100:4(S:0-1)", {"a100": 4}), ("gpu:2", {"": 2}), ("(null)", {}), ("", {}),
        ("gpu:h100:8,gpu:mig:2,nvme:1", {"h100": 8, "mig": 2}), ("gpu", {"": 1}),
    ],
)  # fmt: skip
def test_gpus(text: str, found: dict[str, int]) -> None:
    assert gpu_counts(text) == found


def test_what_is_said_in_place_of_nothing_is_nothing() -> None:
    assert [said(text) for text in ("(null)", "N/A", "", None, "n1")] == [None] * 4 + ["n1"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Resources", "no node is free"),
        ("Priority", "other jobs"),
        ("BeginTime", "queued again"),
        ("DependencyNeverSatisfied", "will never start"),
        ("ReqNodeNotAvail,_UnavailableNodes:n1", "down, drained or reserved"),
        ("(ReqNodeNotAvail, May be reserved)", "down, drained or reserved"),
        ("QOSMaxGRESPerUser", "one user"),
        ("AssocGrpCPUMinutesLimit", "everyone of the account"),
        ("QOSGrpNodeLimit", "everyone of the account"),
        ("AssocMaxJobsLimit", "a limit of its account"),
        ("launch_failed_requeued_held", "is held"),
        ("SomethingNew", "Slurm says: SomethingNew"),
    ],
)
def test_reasons_are_told_in_plain_words(reason: str, words: str) -> None:
    assert words in explain_reason(reason)


def test_nothing_is_said_where_there_is_no_reason() -> None:
    assert [explain_reason(text) for text in ("None", "(null)", "")] == ["", "", ""]


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("sbatch: error: invalid partition specified: x", "partition of `sinfo -s`"),
        ("Invalid qos specification", "mend qos"),
        ("Invalid account or account/partition combination specified", "mend account"),
        ("Job violates accounting/QOS policy (job submit limit)", "limits"),
        ("something nobody has seen", "Slurm's own text"),
    ],
)
def test_a_refusal_comes_with_what_to_change(said: str, remedy: str) -> None:
    assert remedy in explain_refusal(said)
