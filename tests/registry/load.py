"""Processes that register, review and read at once, some of them killed; and the reckoning.

Each process writes down, outside the registry and flushed to the disk, what it was told is done.
Afterwards the log has to hold each of those exactly once. What was under way when a process was
killed may stand or not, whole either way.
"""

import json
import multiprocessing
import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.registry.factory import make_evidence, make_files
from tests.registry.office import Office

from civicbench.core.errors import CivicbenchError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.registry.decisions.recording import NotAllowedError
from civicbench.registry.registry import Registry
from civicbench.registry.signing.keys import PersonKey

# Never forked from here: other tests may have left threads behind.
PROCESSES = multiprocessing.get_context("spawn")
QUIET = Reporter(live=False)
_SEEDS = 400
_START_LIMIT_S = 60.0


@dataclass(frozen=True)
class LoadOutcome:
    """What a load did, after it was reckoned up."""

    figures: dict[str, float]


def run_load(workspace: Workspace, *, seconds: float, processes: int) -> LoadOutcome:
    """Run processes on a registry for a time, kill one again and again, and check what is left.

    Raises:
        AssertionError: An event was lost or doubled, a process failed, or the registry is not
            sound.
    """
    folder = workspace.home / "load"
    folder.mkdir(parents=True)
    with Registry.open_or_initialise(workspace, reporter=QUIET) as registry:
        office = Office(registry, folder)
        keys = {name: key.private.private_bytes_raw().hex() for name, key in office.keys.items()}
    chance = random.Random(0)
    started = 0

    def start() -> BaseProcess:
        nonlocal started
        started += 1
        process = PROCESSES.Process(
            target=work,
            args=(str(workspace.home), workspace.registry),
            kwargs={"keys": keys, "seed": started, "diary": str(folder / f"{started}.jsonl")},
        )
        process.start()
        return process

    running = [start() for _ in range(processes)]
    _wait_for_all(folder, count=processes, running=running)
    kills = 0
    begin = time.monotonic()
    while time.monotonic() < begin + seconds:
        chosen = chance.randrange(len(running))
        running[chosen].join(chance.uniform(0.2, 1.5))  # returns early if the process failed
        assert running[chosen].exitcode is None, "a process failed"
        running[chosen].kill()
        running[chosen].join()
        kills += 1
        running[chosen] = start()
    took_s = time.monotonic() - begin
    for process in running:
        process.kill()
        process.join()
    return _reckon(workspace, folder, kills=kills, took_s=took_s)


def _wait_for_all(folder: Path, *, count: int, running: list[BaseProcess]) -> None:
    """Wait until each process has done something: importing takes longer than a short test."""
    end = time.monotonic() + _START_LIMIT_S
    while len([path for path in folder.glob("*.jsonl") if path.stat().st_size]) < count:
        assert time.monotonic() < end, "the processes did not start"
        assert all(process.exitcode is None for process in running), "a process failed"
        time.sleep(0.05)


def work(home: str, registry: str | None, *, keys: dict[str, str], seed: int, diary: str) -> None:
    """Register, review, release and read, until killed; write down what was told to be done."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    chance = random.Random(seed)
    workspace = Workspace(Path(home), registry=registry)
    with Registry.open(workspace) as opened, Path(diary).open("a") as notes:
        office = object.__new__(Office)
        office.registry = opened
        office.folder = Path(home) / "load" / str(os.getpid())
        office.keys = {
            name: PersonKey(name, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key)))
            for name, key in keys.items()
        }
        while True:
            for done in _turn(office, chance):
                notes.write(json.dumps(done) + "\n")
                notes.flush()
                os.fsync(notes.fileno())


def _turn(office: Office, chance: random.Random) -> list[list[str]]:
    """Do one thing, as the state of what is there lets it, and return what was done."""
    registry = office.registry
    kind = chance.choice(["register", "review", "review", "review", "read", "read"])
    if kind == "register" or registry.count_versions() == 0:
        evidence, measurements = make_evidence(chance.randrange(_SEEDS), reviewers=2)
        seed = evidence.training.seed
        made = registry.register(
            evidence, measurements=measurements, files=make_files(office.folder, seed=seed)
        )
        return [["version registered", made.digest]]
    version = chance.choice(registry.list_versions(limit=12))
    if kind == "read":
        registry.show(version.digest)
        registry.proposals.standing(version.digest)
        registry.load_evidence(version.digest)
        return [["read", version.digest]]
    try:
        match version.state:
            case "evaluated" | "refused" | "superseded":
                event = office.submit(version.digest)
            case "in review":
                outcome = chance.choice(["approve", "approve", "approve", "refuse"])
                event = office.decide(
                    version.digest, outcome, person=chance.choice(["rob", "rita"])
                )
            case "approved":
                event = office.release(version.digest)
            case _:
                event = office.withdraw(version.digest)
    except NotAllowedError:
        return []  # somebody else was faster
    return [[event.kind, event.digest]]


def _reckon(workspace: Workspace, folder: Path, *, kills: int, took_s: float) -> LoadOutcome:
    told: Counter[tuple[str, str]] = Counter()
    for path in folder.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            try:
                kind, what = json.loads(line)
            except json.JSONDecodeError:
                continue  # the line that was being written when its process was killed
            told[kind, what] += 1
    begin = time.monotonic()
    with Registry.open(workspace) as registry:
        try:
            sound = registry.verify()
        except CivicbenchError as error:
            raise AssertionError(str(error)) from error
        events = registry.history()
        versions = registry.list_versions()
    verified_s = time.monotonic() - begin
    digests = Counter(event.digest for event in events)
    registered = Counter(e.subject for e in events if e.kind == "version registered")
    assert max(digests.values()) == 1, "an event stands twice"
    assert max(registered.values()) == 1, "a version was registered twice"
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    for (kind, what), times in told.items():
        if kind == "read":
            continue
        if kind == "version registered":
            assert registered[what] == 1, f"lost: version {what}"
        else:
            assert times == 1, f"told twice of one event: {what}"
            assert digests[what] == 1, f"lost: {kind} {what}"
    assert sorted(v.number for v in versions) == list(range(1, len(versions) + 1))
    acts = Counter(event.kind for event in events)
    return LoadOutcome(
        {
            "kills": kills,
            "events": sound.events,
            "versions": sound.versions,
            "decisions": acts["version decided"],
            "releases": acts["version released"],
            "reads": sum(times for (kind, _), times in told.items() if kind == "read"),
            "events a second": round(len(events) / took_s, 1),
            "verified in s": round(verified_s, 1),
        }
    )
