"""Curation of synthetic rows through every step: time, peak memory and rows per second.

    python benchmarks/curation.py [--quick]

Measures 10,000, 100,000 and 1,000,000 rows (2,000 and 10,000 with --quick), each in a process
of its own, and how time grows; then MinHash signatures by rensa beside datasketch's, in turns.
Prints tables and, as its last line, one JSON object. Needs about 3 GB of room for temporary files.
"""

import itertools
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from civicbench.core.content import shipped_content_root
from civicbench.core.environment import processor_name

SIZES = (10_000, 100_000, 1_000_000)
QUICK_SIZES = (2_000, 10_000)
WORDS_PER_ROW = (25, 70)
SAMPLED_EVERY_S = 0.2
STEPS = [
    {"step": "licences", "purpose": "publish"},
    {"step": "normalise", "fields": ["question", "answer"]},
    {"step": "filter-length", "fields": ["question"], "minimum_characters": 40},
    {"step": "filter-language", "fields": {"question": "en"}, "among": ["cy", "fr", "pl"]},
    {"step": "filter-agreement", "fields": ["question", "answer"], "placeholders": False},
    {"step": "exact-duplicates"},
    {"step": "near-duplicates", "threshold": 0.85},
    {"step": "personal-data", "action": "redact"},
    {"step": "decontaminate", "suites": ["safety-core"]},
    {"step": "balance", "by": "area", "ratio": 20.0},
]
WELSH = "Rhaid i chi roi gwybod i ni am unrhyw newid yn eich amgylchiadau cyn pen tri deg diwrnod"


def main() -> None:
    """Measure and print."""
    if "--one" in sys.argv:
        build_one(Path(sys.argv[sys.argv.index("--one") + 1]))
        return
    quick = "--quick" in sys.argv[1:]
    figures: dict[str, dict[str, float]] = {}
    print(f"{'rows':>9} {'kept':>9} {'time':>9} {'rows/s':>8} {'processor':>9} {'peak memory':>12}")
    for rows in QUICK_SIZES if quick else SIZES:
        figures[str(rows)] = measure(rows)
        found = figures[str(rows)]
        print(
            f"{rows:>9,} {found['kept']:>9,.0f} {found['time_s']:>7.1f} s "
            f"{found['rows_per_s']:>8,.0f} {found['processor_time_s']:>7.1f} s "
            f"{found['peak_memory_mb']:>9,.0f} MB",
            flush=True,
        )
    sizes = list(figures)
    growth = {
        f"time of {more} rows / {fewer} rows": round(
            figures[more]["time_s"] / figures[fewer]["time_s"], 2
        )
        for fewer, more in itertools.pairwise(sizes)
    }
    for name, ratio in growth.items():
        print(f"{name}: {ratio}")
    ratios = {"signatures, datasketch / rensa": compare_signers(1_000 if quick else 5_000)}
    print(f"signatures of 128 numbers, datasketch / rensa: {next(iter(ratios.values()))}")
    print(
        json.dumps(
            {
                "benchmark": "curation",
                "machine": {"processor": processor_name()},
                "ratios": growth | ratios,
                "figures": figures,
            }
        )
    )


def measure(rows: int) -> dict[str, float]:
    """Build a dataset of so many rows in a process of its own, and watch its memory."""
    with tempfile.TemporaryDirectory() as name:
        project = Path(name)
        write_project(project, rows)
        environment = {
            **os.environ,
            "CIVICBENCH_HOME": str(project / "home"),
            "CIVICBENCH_OFFLINE": "1",
        }
        command = [sys.executable, str(Path(__file__).resolve()), "--one", str(project)]
        before = processor_time_s()
        started = time.perf_counter()
        child = subprocess.Popen(command, cwd=project, env=environment)
        peak = [0.0]
        watch = threading.Thread(target=watch_memory, args=(child, peak))
        watch.start()
        code = child.wait()
        elapsed = time.perf_counter() - started
        watch.join()
        if code:
            raise SystemExit(f"the build of {rows} rows ended with {code}")
        record = json.loads(next((project / "home/snapshots").glob("*/snapshot.json")).read_text())
    return {
        "kept": float(sum(split["rows"] for split in record["splits"])),
        "time_s": round(elapsed, 2),
        "rows_per_s": round(rows / elapsed, 1),
        "processor_time_s": round(processor_time_s() - before, 1),
        "peak_memory_mb": round(peak[0] / 1e6, 1),
        **{f"out of {s['name']}": float(s["rows_out"]) for s in record["steps"]},
    }


def processor_time_s() -> float:
    """Return the processor time of all children that have ended; what else runs is not in it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def build_one(project: Path) -> None:
    """Build the project's dataset; run in a process of its own."""
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.datasets.building import build_snapshot, load_dataset_settings
    from civicbench.pipeline.decontaminating import dataset_references

    os.chdir(project)
    dataset = load_dataset_settings("synthetic")
    build_snapshot(
        dataset,
        references=dataset_references(dataset),
        workspace=Workspace.locate(),
        reporter=Reporter(live=False),
    )


def write_project(project: Path, rows: int) -> None:
    """Write a dataset's settings and its rows."""
    (project / "recipes").mkdir()
    folder = project / "datasets" / "synthetic"
    folder.mkdir(parents=True)
    settings = {
        "name": "synthetic",
        "title": "Synthetic rows",
        "description": "Random words, for measuring.",
        "licence": "CC0-1.0",
        "languages": ["en"],
        "created": "2026-11",
        "personal_data": "Invented.",
        "sources": [
            {
                "folder": "rows",
                "pattern": "*.jsonl",
                "reader": {"reader": "jsonl"},
                "licence": "CC0-1.0",
                "attribution": "Nobody",
            }
        ],
        "group": "family",
        "steps": STEPS,
        "format": {"user": "{question}", "assistant": "{answer}"},
        "split": {"test": 0.05, "validation": 0.02, "seed": 1},
    }
    (folder / "dataset.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    (folder / "rows").mkdir()
    with (folder / "rows" / "rows.jsonl").open("w", encoding="utf-8") as stream:
        for line in synthetic_lines(rows):
            stream.write(line + "\n")


def synthetic_lines(rows: int) -> Iterator[str]:
    """Yield rows as JSON lines, with faults of every kind that a step looks for."""
    generator = random.Random(20251)  # noqa: S311
    words = vocabulary()
    earlier = {"question": "", "answer": ""}
    for number in range(rows):
        if number % 1_000 == 999:
            yield '{"id": broken'
            continue
        count = generator.randint(*WORDS_PER_ROW)
        chosen = generator.choices(words, k=count)
        lot = generator.random()
        fields = {
            "question": " ".join(chosen[: count * 2 // 3]).capitalize() + "?",
            "answer": " ".join(chosen[count * 2 // 3 :]).capitalize() + ".",
        }
        if lot < 0.05 and earlier["question"]:
            fields = dict(earlier)
        elif lot < 0.10 and earlier["question"]:
            fields = {**earlier, "answer": earlier["answer"].removesuffix(".") + " now."}
        elif lot < 0.12:
            fields["question"] = f"{WELSH} {number}."
        elif lot < 0.14:
            fields["question"] += f" Ring 07700 900{number % 1000:03d} or SW1A 1AA."
        elif lot < 0.15:
            fields["question"] = "Why?"
        if lot >= 0.15:
            earlier = fields
        identity = {
            "id": f"row-{number}",
            "family": f"family-{number // 5}",
            "area": "ABCDEFGH"[min(int(generator.expovariate(0.6)), 7)],
        }
        yield json.dumps(identity | fields)


def vocabulary() -> list[str]:
    """Return the words of the shipped English rows and items, each once, in order."""
    root = shipped_content_root()
    files = [*root.glob("datasets/*/rows.jsonl"), *root.glob("evaluation/*/*.jsonl")]
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted(files))
    return sorted(set(re.findall(r"\b[a-z]{2,14}\b", text)))


def watch_memory(child: "subprocess.Popen[bytes]", peak: list[float]) -> None:
    """Note the most memory that a process and its children share out among them (PSS)."""
    while child.poll() is None:
        peak[0] = max(peak[0], float(sum(map(shared_out_bytes, family(child.pid)))))
        time.sleep(SAMPLED_EVERY_S)


def family(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found, pending = [], [pid]
    while pending:
        current = pending.pop()
        found.append(current)
        path = Path(f"/proc/{current}/task/{current}/children")
        try:
            pending += [int(part) for part in path.read_text().split()]
        except OSError:
            continue
    return found


def shared_out_bytes(pid: int) -> int:
    """Return a process's proportional set size; 0 where it has just ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, flags=re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def compare_signers(texts: int) -> float:
    """Return how many times as long datasketch takes to sign the same texts, in turns."""
    from datasketch import MinHash
    from rensa import RMinHash

    generator = random.Random(1)  # noqa: S311
    words = vocabulary()
    made = [[" ".join(generator.choices(words, k=3)) for _ in range(60)] for _ in range(texts)]

    def ours() -> None:
        for pieces in made:
            signer = RMinHash(num_perm=128, seed=1)
            signer.update(pieces)
            signer.digest()

    def theirs() -> None:
        for pieces in made:
            signer = MinHash(num_perm=128, seed=1)
            signer.update_batch([piece.encode() for piece in pieces])

    ratios = []
    for _ in range(3):
        times = []
        for work in (ours, theirs):
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)
        ratios.append(times[1] / times[0])
    return round(statistics.median(ratios), 1)


if __name__ == "__main__":
    main()
