"""A real Slurm on this machine: one controller, several virtual nodes, fake GPUs.

Debian's packages without systemd, cgroups or root: every daemon listens on the loopback address
and keeps its files in one temporary folder. Node names do not resolve, as on clusters whose names
are known to Slurm alone. Whatever the daemons start is found again by a mark in its environment, so
that nothing is left behind.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

MARK = "CIVICBENCH_SLURM_LAB"
CPUS, MEMORY_MB, GPUS = 4, 4000, 2
_SBIN = "/usr/sbin:/sbin"
_DAEMONS = ("munged", "slurmctld", "slurmd")
_DATABASE_DAEMONS = ("slurmdbd", "mariadbd", "mariadb-install-db")
FINAL = frozenset(
    {
        *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"),
        *("OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE"),
    }
)


def _path() -> str:
    return f"{os.environ['PATH']}:{_SBIN}"


def missing() -> str | None:
    """What the lab needs and this machine lacks, in words; None where it can run."""
    absent = [name for name in _DAEMONS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"Slurm's {', '.join(absent)} not installed"
    try:
        address = socket.gethostbyname(socket.gethostname())
    except OSError:
        return "this machine's own name does not resolve"
    return None if address.startswith("127.") else f"this machine's name resolves to {address}"


def has_accounting() -> bool:
    """Whether slurmdbd and MariaDB are installed, so that `sacct` can answer."""
    return all(shutil.which(name, path=_path()) for name in _DATABASE_DAEMONS)


@dataclass
class Lab:
    """One cluster.

    Args:
        folder: Gets everything; short, for sockets stand in it.
        nodes: Names of the nodes.
        accounting: Also start slurmdbd.
    """

    folder: Path
    nodes: tuple[str, ...] = ("n1", "n2")
    accounting: bool = False
    _ports: list[int] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SBATCH_"))}
        return kept | {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _path()}

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all daemons, and wait until every node is idle."""
        for name in ("run", "log", "state", "spool", "dev"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._ports = _free_ports(len(self.nodes) + 3)
        self._configure()
        self._start_munge()
        if self.accounting:
            self._start_database()
        self._daemon("slurmctld", "-i", "-f", str(self.folder / "slurm.conf"))
        for node in self.nodes:
            self.start_node(node)
        self.wait_until(self.is_idle, timeout_s=60, what="idle nodes")

    def watch(self, process: int) -> None:
        """Have the lab stopped when a process is gone, however it went."""
        command = [sys.executable, __file__, str(self.folder), str(process)]
        subprocess.Popen(
            command, env=os.environ | {MARK: str(self.folder)}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def stop(self) -> None:
        """End every process of the lab, gently and then not."""
        with contextlib.suppress(OSError, subprocess.SubprocessError, AssertionError):
            self.run("scancel", "--user", _user(), check=False, timeout_s=10)
        for wanted in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + 5
            while (found := self.processes()) and time.monotonic() < end:
                for process in found:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process, wanted)
                time.sleep(0.2)
        left = self.processes()
        assert not left, f"still running: {left}"

    def start_node(self, node: str) -> None:
        """Start a node's slurmd, as root in a mount namespace of its own."""
        alone = ("unshare", "--mount", "--propagation", "slave") if os.geteuid() == 0 else ()
        conf = str(self.folder / "slurm.conf")
        self._daemon(*alone, "slurmd", "-f", conf, "-N", node, node=node)

    def kill_node(self, node: str) -> None:
        """End slurmd, slurmstepd and all tasks of a node, as when its power goes."""
        for process in self.processes(node=node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def slurmd(self, node: str) -> int:
        """The process of a node's slurmd."""
        return int((self.folder / "run" / f"slurmd-{node}.pid").read_text())

    def processes(self, *, node: str | None = None) -> list[int]:
        """Every process of the lab, or of one of its nodes."""
        return [
            process
            for entry in Path("/proc").iterdir()
            if entry.name.isdecimal() and (process := int(entry.name)) != os.getpid()
            if self._is_ours(entry, node=node)
        ]

    def _is_ours(self, entry: Path, *, node: str | None) -> bool:
        try:
            status = (entry / "status").read_text()
            variables = (entry / "environ").read_bytes().split(b"\0")
            # slurmstepd wipes its environment, and keeps its node's log open.
            logs = [str(link.readlink()) for link in (entry / "fd").iterdir()]
        except (
            FileNotFoundError,
            PermissionError,
            ProcessLookupError,
            NotADirectoryError,
            OSError,
        ):
            return False
        if re.search(r"^State:\s+[ZX]", status, re.M):
            return False
        conf = f"SLURM_CONF={self.folder}/slurm.conf".encode()
        marked = f"{MARK}={self.folder}".encode() in variables
        in_job = conf in variables and any(v.startswith(b"SLURM_JOB_ID=") for v in variables)
        log = f"{self.folder}/log/slurmd-"
        stepd = any(name.startswith(log) for name in logs)
        if node is None:
            return marked or in_job or stepd
        named = {f"{MARK}_NODE={node}".encode(), f"SLURMD_NODENAME={node}".encode()}
        return bool(named & set(variables) and (marked or in_job)) or f"{log}{node}.log" in logs

    # -- asking ----------------------------------------------------------------------------------

    def run(self, *command: object, check: bool = True, timeout_s: float = 60) -> str:
        """Run a client command and return what it printed."""
        done = subprocess.run(
            [str(word) for word in command], env=self.environment, text=True, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return (done.stdout + done.stderr).strip()

    def job(self, number: str) -> dict[str, str]:
        """What scontrol says of a job."""
        line = self.run("scontrol", "show", "job", "-o", number).splitlines()[0]
        return dict(word.split("=", 1) for word in line.split() if "=" in word)

    def wait(self, number: str, states: Iterable[str] = FINAL, *, timeout_s: float = 200) -> str:
        """Wait until a job is in one of the states, and return it."""
        wanted = {states} if isinstance(states, str) else set(states)
        state = ""

        def reached() -> bool:
            nonlocal state
            state = self.job(number)["JobState"]
            return state in wanted

        self.wait_until(reached, timeout_s=timeout_s, what=f"job {number} in {sorted(wanted)}")
        return state

    def wait_until(self, holds: Callable[[], object], *, timeout_s: float, what: str) -> None:
        """Look again and again until something holds."""
        end = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"no {what} in {timeout_s:g} s\n{self.log()}")
            time.sleep(0.2)

    def is_idle(self) -> bool:
        """Whether no job is there, and every node waits for one."""
        states = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%t", check=False).split()
        return states == ["idle"] * len(self.nodes) and not self.run("squeue", "-h", check=False)

    def quiesce(self) -> None:
        """End all jobs, and bring every node back."""
        self.run("scancel", "--user", _user(), check=False)
        for node in self.nodes:
            self.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        self.wait_until(self.is_idle, timeout_s=40, what="idle nodes")

    def log(self) -> str:
        """The end of every daemon's log."""
        return "\n".join(
            f"== {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-25:])
            for path in sorted((self.folder / "log").iterdir())
        )

    # -- making ----------------------------------------------------------------------------------

    def _daemon(self, *command: str, node: str | None = None) -> None:
        marks = {MARK: str(self.folder)} | ({f"{MARK}_NODE": node} if node else {})
        out = self.folder / "log" / f"{node or Path(command[0]).name}.out"
        with out.open("ab") as stream:
            done = subprocess.run(
                command, env=self.environment | marks, cwd=self.folder, check=False,
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=60,
            )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{out.read_text()}\n{self.log()}"

    def _background(self, *command: str, name: str) -> None:
        """Start a daemon that does not go to the background by itself."""
        with (self.folder / "log" / f"{name}.out").open("ab") as stream:
            subprocess.Popen(
                command, env=self.environment | {MARK: str(self.folder)}, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True,
            )  # fmt: skip

    def _start_munge(self) -> None:
        key = self.folder / "run" / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        run, log = self.folder / "run", self.folder / "log"
        self._daemon(
            "munged", "--force", f"--socket={run}/munge.socket", f"--key-file={key}",
            f"--pid-file={run}/munged.pid", f"--log-file={log}/munged.log",
            f"--seed-file={run}/munge.seed", "--num-threads=2",
        )  # fmt: skip

    def _start_database(self) -> None:
        run, data = self.folder / "run", self.folder / "database"
        port = str(self._ports[-2])
        self._daemon(
            "mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={_user()}",
            "--auth-root-authentication-method=normal", "--skip-test-db",
        )  # fmt: skip
        self._background(
            "mariadbd", "--no-defaults", f"--datadir={data}", f"--socket={run}/mysql.sock",
            f"--port={port}", "--bind-address=127.0.0.1", f"--user={_user()}",
            f"--pid-file={run}/mariadbd.pid", "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0", "--performance-schema=OFF", "--skip-log-bin",
            "--innodb-lock-wait-timeout=900", name="mariadbd",
        )  # fmt: skip
        client = ("mariadb", "--no-defaults", f"--socket={run}/mysql.sock", "-uroot", "-e")
        self.wait_until(
            lambda: "ERROR" not in self.run(*client, "select 1", check=False),
            timeout_s=40, what="database",
        )  # fmt: skip
        grant = "grant all on slurm.* to slurm@'127.0.0.1' identified by 'slurm';"
        self.run(
            *client, f"create database slurm; {grant} {grant.replace('127.0.0.1', 'localhost')}"
        )
        conf = self.folder / "slurmdbd.conf"
        conf.touch(mode=0o600)
        conf.write_text(
            f"AuthType=auth/munge\nAuthInfo=socket={run}/munge.socket\nDbdHost={_host()}\n"
            "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\n"
            f"DbdAddr=127.0.0.1\nDbdPort={self._ports[-1]}\nSlurmUser={_user()}\n"
            f"LogFile={self.folder}/log/slurmdbd.log\nPidFile={run}/slurmdbd.pid\n"
            f"StorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\nStoragePort={port}\n"
            "StorageUser=slurm\nStoragePass=slurm\nStorageLoc=slurm\n"
        )
        self._daemon("slurmdbd")
        self.wait_until(
            lambda: "rror" not in self.run("sacctmgr", "-n", "list", "cluster", check=False),
            timeout_s=40, what="slurmdbd",
        )  # fmt: skip
        self.run("sacctmgr", "-i", "add", "cluster", "lab", check=False)

    def _configure(self) -> None:
        folder, host = self.folder, _host()
        for number in range(GPUS):
            # Slurm asks for a device; a link to one will do.
            (folder / "dev" / f"gpu{number}").symlink_to("/dev/null")
        names = f"{self.nodes[0][0]}[1-{len(self.nodes)}]"
        (folder / "gres.conf").write_text(
            f"NodeName={names} Name=gpu Type=lab File={folder}/dev/gpu[0-{GPUS - 1}]\n"
        )
        version = subprocess.run(
            ["slurmd", "-V"], env=self.environment, text=True, capture_output=True, check=True
        ).stdout  # fmt: skip
        old = re.search(r" (2[0-2]\.|23\.02)", version)
        (folder / "cgroup.conf").write_text(f"CgroupPlugin={'cgroup/v1' if old else 'disabled'}\n")
        nodes = "".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} "
            f"RealMemory={MEMORY_MB} Gres=gpu:lab:{GPUS} Feature=fast State=UNKNOWN\n"
            for node, port in zip(self.nodes, self._ports, strict=False)
        )
        accounting = (
            "AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=127.0.0.1\n"
            f"AccountingStoragePort={self._ports[-1]}\n"
            f"AccountingStoragePass={folder}/run/munge.socket\nAccountingStorageTRES=gres/gpu\n"
        )
        (folder / "slurm.conf").write_text(
            _CONF.format(folder=folder, host=host, user=_user(), port=self._ports[len(self.nodes)])
            + (accounting if self.accounting else "")
            + nodes
            + _PARTITIONS
        )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.geteuid()).pw_name


def _host() -> str:
    return socket.gethostname().split(".")[0]


@contextlib.contextmanager
def running(folder: Path, *, accounting: bool = False) -> Iterator[Lab]:
    """A lab for the length of a block, stopped whatever happens."""
    lab = Lab(folder, accounting=accounting)
    try:
        lab.watch(os.getpid())
        lab.start()
        yield lab
    finally:
        lab.stop()
        shutil.rmtree(folder, ignore_errors=True)


# cred_expire is also how long a requeued job waits before it may start again (120 s by default).
_CONF = """ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/run/munge.socket,cred_expire=5
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
PropagateResourceLimits=NONE
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
GresTypes=gpu
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
SlurmctldTimeout=30
SlurmdTimeout=5
InactiveLimit=0
KillWait=5
CompleteWait=0
MinJobAge=600
ReturnToService=2
JobRequeue=1
EnforcePartLimits=ALL
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
"""
_TIMES = "DefaultTime=30 MaxTime=60"
_PARTITIONS = f"""\
PartitionName=main Nodes=ALL Default=YES PriorityTier=10 PreemptMode=OFF {_TIMES} State=UP
PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=20 {_TIMES} State=UP
PartitionName=high Nodes=ALL PriorityTier=100 PreemptMode=OFF {_TIMES} State=UP
PartitionName=shut Nodes=ALL {_TIMES} State=DOWN
"""


def _wait_and_stop(folder: Path, process: int) -> None:
    while Path(f"/proc/{process}").exists():
        time.sleep(1)
    Lab(folder).stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _wait_and_stop(Path(sys.argv[1]), int(sys.argv[2]))
