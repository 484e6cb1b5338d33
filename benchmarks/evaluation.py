"""The scorer beside lm-eval's HFLM on the same items, in turns, in one run.

    python benchmarks/evaluation.py [--quick]

Shapes, all made from the held-out enquiries of the dataset enquiry-triage: which of 4 deciding
facts, which of 17 areas (named in a few words), which of 4 facts after 8 worked examples, and a
written answer. One more shape shows where HFLM is at its best: 17 areas of one word each, which by
default it computes at once (its `logits_cache`); it stands in the table without a required ratio.
Each contender is a process of its own that holds SmolLM2-135M in float32 and runs lm-eval's own
`evaluate` over the same documents: Civicbench's scorer, and HFLM at batch size 1, 8, and the best
of 4, 16 and 32 as a first look finds it. Times are whole calls of `evaluate`; loading the model is
not counted. Memory is the peak of the process's resident memory over what it held before.

Prints a table of medians and, as its last line, one JSON object. Needs the base model
smollm2-135m-instruct (`civicbench models fetch smollm2-135m-instruct`).
"""

import ctypes
import gc
import json
import multiprocessing
import random
import statistics
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from civicbench.core.environment import keep_hub_offline, processor_name, yield_waiting_threads

AREAS = {
    "benefits": "benefits and pensions", "consumer": "consumer goods and services",
    "crisis": "crisis and emergency help", "debt": "debt and arrears",
    "discrimination": "discrimination and equal treatment", "education": "schools and colleges",
    "employment": "work and employment rights", "health": "health and social care",
    "housing": "housing and homelessness", "immigration": "immigration and asylum",
    "legal": "courts and legal help", "money": "money and banking",
    "relationships": "family and relationships", "tax": "income tax and council tax",
    "travel": "travel and transport", "utilities": "energy, water and telecoms",
    "other": "none of these areas",
}  # fmt: skip
OURS = "civicbench"
BATCH_8 = "HFLM, batch 8"
BATCH_1 = "HFLM, batch 1"
BEST_OF = (4, 16, 32)
LIMIT_TOKENS = 44


@dataclass(frozen=True)
class Shape:
    """What is asked.

    Attributes:
        name: Its name in the table.
        items: How many items.
        choices: How many choices each; 0 for a written answer.
        shots: Worked examples before each item.
        asks: "fact", "area" (in a few words) or "word" (areas of one word each).
    """

    name: str
    items: int
    choices: int
    shots: int
    asks: str


SHAPES = (
    Shape("4 choices, short", 48, 4, 0, "fact"),
    Shape("17 choices", 4, 17, 0, "area"),
    Shape("4 choices, 8 shots", 4, 4, 8, "fact"),
    Shape("written answers", 24, 0, 0, "fact"),
    Shape("17 choices of one word", 8, 17, 0, "word"),
)
REQUIRED = {SHAPES[0].name: 4.0, SHAPES[1].name: 4.0, SHAPES[2].name: 8.0, SHAPES[3].name: 1.0}


def documents(shape: Shape, renderer: Any, snapshot: Path) -> list[dict[str, Any]]:
    """Return the rendered documents of a shape."""
    from civicbench.datasets.rows import read_split

    rows = read_split(snapshot, "test")
    shots = read_split(snapshot, "train")[: shape.shots * 24 : 24]
    turns = [turn for shot in shots for turn in shot.messages[1:]]
    draw = random.Random(1)  # noqa: S311 (which areas stand beside the right one)
    found = []
    facts = {str(row.fields["reason"]): str(row.fields["area"]) for row in rows}
    for index, row in enumerate(rows[:: len(rows) // shape.items][: shape.items]):
        area = str(row.fields["area"])
        right = str(row.fields["reason"]) if shape.asks == "fact" else area
        others = (
            [fact for fact, other in facts.items() if other != area]
            if shape.asks == "fact"
            else [other for other in AREAS if other != area]
        )
        chosen = sorted([right, *draw.sample(others, max(0, shape.choices - 1))])
        shown = [AREAS[name] if shape.asks == "area" else name for name in chosen]
        messages = (*row.messages[:1], *turns, *row.messages[1:-1])
        found.append(
            {
                "index": index,
                "prompt": renderer.render_prompt(messages),
                "choices": [
                    f"Reason: {name}" if shape.asks == "fact" else f"Area: {name}" for name in shown
                ],
                "answer": chosen.index(right),
            }
        )
    return found


def task(shape: Shape, docs: list[dict[str, Any]], end_of_turn: str) -> Any:
    """Return a shape as an lm-eval task."""
    from datasets import Dataset
    from lm_eval.api.task import ConfigurableTask

    config: dict[str, Any] = {
        "task": "shape",
        "custom_dataset": lambda: {"test": Dataset.from_list(docs)},
        "test_split": "test",
        "num_fewshot": 0,
        "doc_to_text": lambda doc: doc["prompt"],
        "target_delimiter": "",
    }
    if shape.choices:
        config |= {
            "output_type": "multiple_choice",
            "doc_to_choice": lambda doc: doc["choices"],
            "doc_to_target": lambda doc: doc["answer"],
        }
    else:
        config |= {
            "output_type": "generate_until",
            "doc_to_target": lambda doc: "",
            "generation_kwargs": {
                "until": [end_of_turn], "max_gen_toks": LIMIT_TOKENS, "do_sample": False,
            },
            "process_results": lambda doc, results: {"length": len(results[0])},
            "metric_list": [
                {"metric": "length", "aggregation": "mean", "higher_is_better": True}
            ],
        }  # fmt: skip
    return ConfigurableTask(config=config)


def resident_bytes(field: str) -> int:
    """Return a figure of this process's memory: "VmRSS" now, or "VmHWM" at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the system does not tell {field}")


def contender(name: str, connection: Connection) -> None:
    """Hold a model and evaluate the shapes that are asked for, until None comes."""
    keep_hub_offline()
    yield_waiting_threads()
    import torch
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM

    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.datasets.building import build_snapshot, load_dataset_settings
    from civicbench.evaluation.scorer.engines import LocalEngine
    from civicbench.evaluation.scorer.language_model import EngineLM
    from civicbench.evaluation.scorer.reading import Reader
    from civicbench.models.catalogue import load_model_entry
    from civicbench.models.loading import load_base
    from civicbench.models.prepare import prepare_model
    from civicbench.models.rendering import load_renderer

    workspace, reporter = Workspace.locate(), Reporter(live=False)
    prepared = prepare_model(
        load_model_entry("smollm2-135m-instruct"), workspace=workspace, reporter=reporter
    )
    snapshot = build_snapshot(
        load_dataset_settings("enquiry-triage"), workspace=workspace, reporter=reporter
    )
    renderer = load_renderer(prepared)
    model = load_base(prepared, precision="float32").eval()
    rate = product_rate(model.config) if name == OURS else 0.0
    connection.send("ready")
    while (asked := connection.recv()) is not None:
        shape, batch = asked
        docs = documents(shape, renderer, snapshot.folder)
        built = task(shape, docs, renderer.end_of_turn)
        if name == OURS:
            scorer: Any = EngineLM(
                LocalEngine(Reader(model), renderer),
                renderer=renderer,
                context_length_tokens=prepared.record.context_length_tokens,
                reporter=reporter,
            )
        else:
            scorer = HFLM(
                pretrained=model, tokenizer=renderer.tokenizer, batch_size=batch,
                softmax_dtype="float32",
            )  # fmt: skip
        # What earlier runs freed is given back, and the highest begins anew: else a run that finds
        # room left over would look as if it needed none.
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = resident_bytes("VmRSS")
        started = time.perf_counter()
        output = evaluate(
            scorer, {"tasks": {"shape": built}, "groups": {}, "group_map": {}},
            bootstrap_iters=0, log_samples=True,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        peak = resident_bytes("VmHWM") - before
        samples = sorted(output["samples"]["shape"], key=lambda sample: sample["doc"]["index"])
        answers = [
            [float(value) for value, _ in sample["filtered_resps"]]
            if shape.choices
            else [str(sample["filtered_resps"][0])]
            for sample in samples
        ]
        share = 0.0
        if name == OURS and shape.choices:
            share = useful_operations(model, scorer, docs) / seconds / rate
        connection.send((seconds, peak, answers, share))
        torch.set_grad_enabled(True)


def product_rate(config: Any) -> float:
    """Return the machine's best float32 matrix-product rate at this model's own shapes, in FLOP/s.

    The median of many products of 2048 tokens with a feed-forward weight.
    """
    import torch

    tokens, width, inner = 2048, config.hidden_size, config.intermediate_size
    left, right = torch.randn(tokens, width), torch.randn(inner, width)
    seconds = []
    for _ in range(60):
        started = time.perf_counter()
        torch.nn.functional.linear(left, right)
        seconds.append(time.perf_counter() - started)
    return 2 * tokens * width * inner / statistics.median(seconds)


def useful_operations(model: Any, scorer: Any, docs: list[dict[str, Any]]) -> float:
    """Return the operations of weights that scoring needs: attention is not counted."""
    head = model.get_output_embeddings().weight.numel()
    body = sum(p.numel() for p in model.get_decoder().layers.parameters())
    scored = sum(
        len({tuple(scorer.tok_encode(choice)[:n])
             for choice in doc["choices"] for n in range(len(scorer.tok_encode(choice)))})
        for doc in docs
    )  # fmt: skip
    return float(2 * (scorer.effort.computed_tokens * body + scored * head))


def largest_difference(ours: list[list[Any]], theirs: list[list[Any]]) -> float:
    """Return how far two scorers lie apart, in nats, over choices of one item.

    HFLM moves the line break that ends a prompt into every choice, which adds the same to all of
    an item's choices: differences within an item are what can be compared.
    """
    largest = 0.0
    for one, other in zip(ours, theirs, strict=True):
        gaps = [a - b for a, b in zip(one, other, strict=True)]
        largest = max(largest, max(gaps) - min(gaps))
    return largest


class Contenders:
    """The processes, each with its model, asked in turns."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: dict[str, Connection] = {}
        self._processes = []
        for name in (OURS, "HFLM"):
            here, there = context.Pipe()
            process = context.Process(target=contender, args=(name, there), daemon=True)
            process.start()
            here.recv()
            self._pipes[name] = here
            self._processes.append(process)

    def ask(self, name: str, shape: Shape, batch: int) -> tuple[float, int, list[list[Any]], float]:
        """Return (seconds, peak bytes, answers, share of the product rate)."""
        pipe = self._pipes[OURS if name == OURS else "HFLM"]
        pipe.send((shape, batch))
        found: tuple[float, int, list[list[Any]], float] = pipe.recv()
        return found

    def end(self) -> None:
        """Let the processes end."""
        for pipe in self._pipes.values():
            pipe.send(None)
        for process in self._processes:
            process.join()


def measure(shape: Shape, contenders: Contenders, *, repeats: int) -> dict[str, Any]:
    """Measure one shape in turns; print its rows and return its figures."""
    small = replace(shape, items=max(2, shape.items // 4))
    contenders.ask(OURS, small, 0)  # whatever is done once a process
    looks = {batch: contenders.ask("HFLM", small, batch)[0] for batch in BEST_OF}
    best = min(looks, key=looks.__getitem__)
    batches = {OURS: 0, BATCH_1: 1, BATCH_8: 8, f"HFLM, batch {best} (its best)": best}
    seconds: dict[str, list[float]] = {name: [] for name in batches}
    peaks: dict[str, list[int]] = {name: [] for name in batches}
    shares: list[float] = []
    answers: dict[str, list[list[Any]]] = {}
    for number in range(repeats):
        for name, batch in batches.items():
            if name == BATCH_1 and number > 0:
                continue  # slow, and once is enough to see it
            took, peak, answers[name], share = contenders.ask(name, shape, batch)
            seconds[name].append(took)
            peaks[name].append(peak)
            if name == OURS:
                shares.append(share)
    figures: dict[str, Any] = {"items": shape.items, "seconds": {}, "peak_gb": {}, "ratios": {}}
    print(f"\n{shape.name}: {shape.items} items")
    for name in batches:
        ratio = statistics.median(
            theirs / mine for mine, theirs in zip(seconds[OURS], seconds[name], strict=False)
        )
        took, peak = statistics.median(seconds[name]), statistics.median(peaks[name])
        figures["seconds"][name] = round(took, 3)
        figures["peak_gb"][name] = round(peak / 1e9, 3)
        figures["ratios"][name] = round(ratio, 2)
        print(
            f"  {name:<28} {took:8.2f} s {shape.items / took:8.2f} items/s {ratio:7.2f} times "
            f"ours {peak / 1e9:7.2f} GB"
        )
    if shape.choices:
        apart = largest_difference(answers[OURS], answers[BATCH_8])
        figures["largest_difference_nats"] = apart
        figures["share_of_product_rate"] = round(statistics.median(shares), 3)
        print(
            f"  largest difference from HFLM {apart:.1e} nats; "
            f"{100 * statistics.median(shares):.0f} % of the measured matrix-product rate"
        )
    else:
        same = sum(a == b for a, b in zip(answers[OURS], answers[BATCH_8], strict=True))
        figures["same_texts"] = same
        print(f"  the same text as HFLM in {same} of {shape.items}")
    return figures


def main() -> None:
    """Measure and print."""
    repeats = 1 if "--quick" in sys.argv[1:] else 3
    contenders = Contenders()
    figures = {shape.name: measure(shape, contenders, repeats=repeats) for shape in SHAPES}
    contenders.end()
    ratios = {name: found["ratios"][BATCH_8] for name, found in figures.items()}
    print()
    for name, required in REQUIRED.items():
        lighter = figures[name]["peak_gb"][OURS] <= figures[name]["peak_gb"][BATCH_8]
        met = "met" if ratios[name] >= required else "NOT met"
        print(
            f"{name}: {ratios[name]:.2f} times as fast as {BATCH_8}, asked {required:g}: {met}; "
            f"peak memory {'lower' if lighter else 'NOT lower'}"
        )
    result = {
        "benchmark": "evaluation",
        "machine": {"processor": processor_name()},
        "ratios": ratios,
        "figures": figures,
    }

    print(json.dumps(result))


if __name__ == "__main__":
    main()
