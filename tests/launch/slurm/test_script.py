"""Batch scripts: what they say, and that nothing in a value can be read as anything else."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.launch.slurm.test_profile import SMALL

from civicbench.launch.slurm.profile import ClusterProfile, Resources
from civicbench.launch.slurm.script import Job, render_script

PRINTABLE = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=30
).filter(str.isprintable)


def rendered(job: Job | None = None, *, folder: str = "/shared/home/jobs/x", **changes: Any) -> str:
    profile = ClusterProfile.model_validate(SMALL | changes)
    job = job or Job(
        step="train",
        title="training of smoke",
        command=("civicbench", "launch", "smoke", "--processes", "2"),
        resources=profile.resources_of(Resources()),
        nodes=profile.nodes,
    )
    return render_script(job, profile, folder=Path(folder), project=Path("/shared/project"))


def options(script: str) -> dict[str, str]:
    lines = [line.removeprefix("#SBATCH ") for line in script.splitlines() if "#SBATCH" in line]
    words = [shlex.split(line)[0].partition("=") for line in lines]
    return {name: value for name, _, value in words}


def test_what_a_profile_asks_for_is_what_slurm_is_asked() -> None:
    asked = options(
        rendered(
            partition="gpu",
            account="a1",
            qos="long",
            constraint="a100&nvlink",
            nodes=2,
            gpu_type="a100",
            signal_grace_s=300,
            reservation="r1",
        )
    )
    assert asked == {
        "--job-name": "civicbench-train-x", "--partition": "gpu", "--account": "a1",
        "--qos": "long", "--reservation": "r1", "--constraint": "a100&nvlink", "--nodes": "2",
        "--ntasks-per-node": "1", "--cpus-per-task": "8", "--gres": "gpu:a100:2",
        "--mem": "30517M", "--time": "60", "--signal": "B:USR1@300", "--open-mode": "append",
        "--output": "/shared/home/jobs/x/train-%j.log", "--requeue": "",
    }  # fmt: skip


def test_what_is_not_asked_for_is_not_written() -> None:
    asked = options(rendered(gpus_per_node=0, requeue={"enabled": False}))
    assert not {"--partition", "--account", "--qos", "--gres", "--array"} & asked.keys()
    assert "--no-requeue" in asked


def test_a_percent_sign_in_a_folder_is_no_pattern() -> None:
    asked = options(rendered(folder="/shared/100%j/jobs/x"))
    assert asked["--output"] == "/shared/100%%j/jobs/x/train-%j.log"


def test_an_array_names_each_task() -> None:
    job = Job(
        step="evaluate", title="scores", command=("civicbench", "evaluate", "smoke"),
        resources=Resources(cpus_per_node=1, memory_gb_per_node=1, time_minutes=5),
        tasks=[("--suite", "one"), ("--suite", "two words")],
    )  # fmt: skip
    script = rendered(job, tasks_at_once=4)
    assert options(script)["--array"] == "0-1%4"
    assert options(script)["--output"].endswith("/evaluate-%A_%a.log")
    assert "1) task=(--suite 'two words' ) ;;" in script


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nodes": 2, "modules": ["cuda/12.4", "python"], "source": ["/site/profile.sh"]},
        {"container": {"runtime": "apptainer", "image": "/images/c b.sif", "binds": ["/data"]}},
        {"container": {"runtime": "pyxis", "image": "registry#c:1"}, "nodes": 4},
        {"mirrors": ["/m 1", "/m2"], "offline": False},
    ],
)
def test_every_script_is_one_that_bash_reads(changes: dict[str, Any]) -> None:
    script = rendered(**changes)
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def exported(script: str, tmp_path: Path) -> dict[str, str]:
    """Run a script's exports, and return what came of them."""
    lines = [line for line in script.splitlines() if line.startswith("export ")]
    code = "\n".join([*lines, "env -0"])
    out = subprocess.run(["bash"], input=code.encode(), capture_output=True, check=True).stdout
    pairs = (entry.partition(b"=") for entry in out.split(b"\0") if entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


@pytest.mark.parametrize(
    "value",
    ["$(touch /tmp/owned)", "`id`", "a'b", 'a"b', "x; rm -rf /", "#", "$HOME", "\\", "é £", "!!"],
)
def test_a_value_arrives_as_it_was_written(value: str, tmp_path: Path) -> None:
    assert exported(rendered(environment={"X": value}), tmp_path)["X"] == value


@given(PRINTABLE, PRINTABLE, PRINTABLE)
def test_no_value_of_any_text_becomes_a_line_or_a_word_of_its_own(
    value: str, override: str, title: str
) -> None:
    job = Job(
        step="train", title=title, command=("civicbench", "train", "smoke", override),
        resources=Resources(cpus_per_node=1, memory_gb_per_node=1, time_minutes=5),
    )  # fmt: skip
    plain = Job(
        step="train", title="t", command=("civicbench", "train", "smoke", "o"),
        resources=job.resources,
    )  # fmt: skip
    script = rendered(job, environment={"X": value})
    usual = rendered(plain, environment={"X": "v"})
    assert len(script.splitlines()) == len(usual.splitlines())
    assert options(script) == options(usual)
    [line] = [line for line in script.splitlines() if line.startswith("export X=")]
    assert shlex.split(line, comments=False) == ["export", f"X={value}"]
    [line] = [line for line in script.splitlines() if " -m civicbench train" in line]
    words = shlex.split(line.rstrip("&").strip())
    assert words[words.index("smoke") + 1] == override
    assert script.splitlines()[1] == f"# {title}"


def test_a_line_end_never_gets_into_a_script() -> None:
    job = Job(
        step="train", title="t", command=("civicbench", "train", "x\n#SBATCH --uid=0"),
        resources=Resources(cpus_per_node=1, memory_gb_per_node=1, time_minutes=5),
    )  # fmt: skip
    with pytest.raises(ValueError, match="cannot stand in a script"):
        rendered(job)


def run_with_stand_ins(script: str, tmp_path: Path) -> tuple[int, str]:
    """Run a script with stand-ins for what a node has, each of which says how it was called."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("srun", "apptainer", "scontrol", "python3"):
        path = tools / name
        path.write_text(f'#!/bin/bash\nprintf "%s\\0" {name} "$@" >>{tmp_path}/calls; '
                        f"echo >>{tmp_path}/calls\ncat >/dev/null\n")  # fmt: skip
        path.chmod(0o755)
    path = tmp_path / "script"
    path.write_text(script)
    done = subprocess.run(
        ["bash", str(path)], stdin=subprocess.DEVNULL, capture_output=True, check=False,
        env={"PATH": f"{tools}:{os.environ['PATH']}", "SLURM_JOB_ID": "7",
             "SLURM_JOB_NODELIST": "n1", "SLURM_JOB_NUM_NODES": "1"},
    )  # fmt: skip
    return done.returncode, (tmp_path / "calls").read_text()


def test_within_an_image_python_is_started_by_the_runtime_with_what_it_must_see(
    tmp_path: Path,
) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    folder = home / "jobs" / "x"
    folder.mkdir(parents=True)
    profile = ClusterProfile.model_validate(
        SMALL
        | {
            "shared_folder": str(tmp_path),
            "container": {"runtime": "apptainer", "image": "/images/my image.sif"},
        }
    )
    job = Job(
        step="train", title="t", command=("civicbench", "train", "smoke"),
        resources=profile.resources_of(Resources()),
    )  # fmt: skip
    script = render_script(job, profile, folder=folder, project=project)
    code, calls = run_with_stand_ins(script, tmp_path)
    assert code == 0, calls
    called = [line.split("\0")[:-1] for line in calls.splitlines()]
    checks = next(words for words in called if "civicbench.pipeline.cluster.attempt" in words)
    binds = f"{project},{tmp_path},{home}"
    assert checks[:6] == ["apptainer", "exec", "--nv", "--bind", binds, "/images/my image.sif"]
    assert checks[6] == "python3"
    work = [words for words in called if words[-4:] == ["-m", "civicbench", "train", "smoke"]]
    assert work


def test_a_script_reads_well(tmp_path: Path) -> None:
    """The parts a person looks for stand in it, once, with the site's own words."""
    script = rendered(nodes=2, partition="gpu")
    for wanted in ("#SBATCH --partition=gpu", "srun", "scontrol requeue", "--meet", "NodeAddr"):
        assert wanted in script
    assert not re.search(r"\n\n\n", script)
    assert json.dumps(script).count("civicbench launch smoke") == 1
