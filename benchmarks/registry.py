"""Load on the registry: eight processes and `kill -9` on both databases, and large lists.

Usage: `python benchmarks/registry.py [--quick] [--database sqlite|postgresql]`

The load part registers, submits, decides, reads and verifies from several processes at once, kills
one of them again and again, and then holds the log against what the processes had been told was
done: nothing lost, nothing doubled, chain valid. The size part fills a registry with versions of 20
results each, and measures list, show and compare. PostgreSQL is started for the run on a socket of
its own where it is installed.
"""

import argparse
import contextlib
import json
import multiprocessing
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sqlalchemy import create_engine, insert, text  # noqa: E402
from tests.registry.load import LoadOutcome, run_load  # noqa: E402
from tests.registry.postgresql import find_program, running_cluster  # noqa: E402

from civicbench.core.digests import digest_text  # noqa: E402
from civicbench.core.environment import processor_name  # noqa: E402
from civicbench.core.progress import Reporter  # noqa: E402
from civicbench.core.workspace import Workspace  # noqa: E402
from civicbench.registry import tables  # noqa: E402
from civicbench.registry.registry import Registry  # noqa: E402

QUIET = Reporter(live=False)
RESULTS = 20
MODELS = 20
TARGET_MS = 100.0


@contextlib.contextmanager
def workspaces(kinds: list[str]) -> Iterator[dict[str, Callable[[str], Workspace]]]:
    """Yield, by database, a function that makes a workspace of that name."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="registry-")))
        made: dict[str, Callable[[str], Workspace]] = {}
        if "sqlite" in kinds:
            made["sqlite"] = lambda name: Workspace(folder / f"sqlite-{name}")
        if "postgresql" in kinds:
            cluster = stack.enter_context(running_cluster())
            made["postgresql"] = lambda name: Workspace(
                folder / f"postgresql-{name}", registry=cluster.url(cluster.create())
            )
        yield made


def fill(workspace: Workspace, *, versions: int) -> None:
    """Write versions past the event log: what is read here does not depend on it."""
    chance = random.Random(0)  # noqa: S311
    Registry.open_or_initialise(workspace, reporter=QUIET).close()
    url = workspace.registry_url.replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    models = [f"model-{number}" for number in range(MODELS)]
    with engine.begin() as connection:
        connection.execute(
            insert(tables.Model), [{"name": name, "created_at": begin} for name in models]
        )
        for start in range(0, versions, 500):
            digests = [digest_text(f"version {start + i}") for i in range(500)]
            connection.execute(
                insert(tables.Version),
                [_version(digest, start + i, begin) for i, digest in enumerate(digests)],
            )
            rows = [
                _result(digest, position, chance)
                for digest in digests
                for position in range(1, RESULTS + 1)
            ]
            connection.execute(insert(tables.Result), rows)
    with engine.connect() as connection:
        connection.execute(text("ANALYZE"))
        connection.commit()
    engine.dispose()


def _version(digest: str, index: int, begin: datetime) -> dict[str, Any]:
    return {
        "digest": digest, "model": f"model-{index % MODELS}", "number": index // MODELS + 1,
        "recipe": "enquiry-triage", "base": "smollm2-135m-instruct", "state": "evaluated",
        "evidence_digest": digest, "adapter_digest": digest,
        "created_at": begin + timedelta(minutes=index), "gate_passed": index % 3 > 0,
    }  # fmt: skip


def _result(digest: str, position: int, chance: random.Random) -> dict[str, Any]:
    ends = {
        f"{whose}_{end}": chance.random()
        for whose in ("base", "tuned", "difference")
        for end in ("value", "low", "high")
    }
    return ends | {
        "version": digest, "position": position, "suite": f"suite-{position % 4}",
        "task": f"task-{position}", "title": f"Task {position}", "kind": "domain",
        "metric": "accuracy", "better": "higher", "headline": position < 4, "items": 200,
        "p_value": 0.04, "verdict": "better",
    }  # fmt: skip


def measure(workspace: Workspace, *, repeats: int, versions: int) -> dict[str, float]:
    """Return medians in milliseconds, on an open registry."""
    chance = random.Random(1)  # noqa: S311

    def median(work: Callable[[], object]) -> float:
        work()
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            work()
            times.append((time.perf_counter() - begin) * 1000)
        return round(statistics.median(times), 2)

    def any_version() -> str:
        return f"model-{chance.randrange(MODELS)}:{chance.randrange(versions // MODELS) + 1}"

    with Registry.open(workspace) as registry:
        assert len(registry.list_versions()) == versions  # noqa: S101
        assert len(registry.compare("model-0:1", "model-1:1")) == RESULTS  # noqa: S101
        return {
            "list all": median(lambda: registry.list_versions()),
            "list 50": median(lambda: registry.list_versions(limit=50)),
            "list one model": median(lambda: registry.list_versions(model="model-7")),
            "show": median(lambda: registry.show(any_version())),
            "compare": median(lambda: registry.compare(any_version(), any_version())),
            "standing": median(lambda: registry.proposals.standing(any_version())),
        }


def main() -> None:
    """Measure, print tables, and end with one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--database", choices=("sqlite", "postgresql"))
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    seconds = options.seconds or (5.0 if options.quick else 60.0)
    versions, repeats = (1000, 5) if options.quick else (10_000, 15)
    kinds = [options.database] if options.database else ["sqlite"]
    if options.database is None and find_program("initdb"):
        kinds.append("postgresql")
    figures: dict[str, dict[str, float]] = {}
    with workspaces(kinds) as made:
        print(f"{versions:,} versions with {RESULTS} results each: medians in ms")
        for kind, make in made.items():
            workspace = make("size")
            fill(workspace, versions=versions)
            figures[f"{kind} size"] = found = measure(workspace, repeats=repeats, versions=versions)
            print(f"  {kind:11}" + "".join(f"  {name} {ms:.1f}" for name, ms in found.items()))
        print(f"8 processes for {seconds:.0f} s, one killed again and again")
        for kind, make in made.items():
            outcome: LoadOutcome = run_load(make("load"), seconds=seconds, processes=8)
            figures[f"{kind} load"] = outcome.figures
            print(f"  {kind:11}" + "".join(f"  {k} {v:g}" for k, v in outcome.figures.items()))
    slowest = {
        kind: max(figures[f"{kind} size"][name] for name in ("list all", "show", "compare"))
        for kind in kinds
    }
    print(
        json.dumps(
            {
                "benchmark": "registry",
                "machine": {"processor": processor_name(), "python": platform.python_version()},
                "ratios": {
                    f"{kind}: slowest of list, show, compare, to {TARGET_MS:.0f} ms": round(
                        ms / TARGET_MS, 3
                    )
                    for kind, ms in slowest.items()
                },
                "figures": figures,
            }
        )
    )


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main()
