"""The scorer beside lm-eval's HFLM: the same choices, in turns, in one run.

    python benchmarks/evaluation.py [--quick]

Prints a table of medians and, as its last line, one JSON object. Needs the base model
smollm2-135m-instruct (`civicbench models fetch smollm2-135m-instruct`).
"""

import json
import statistics
import sys
import time

from civicbench.core.environment import keep_hub_offline, processor_name
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace

AREAS = (
    "benefits", "consumer", "crisis", "debt", "discrimination", "education", "employment",
    "health", "housing", "immigration", "legal", "money", "relationships", "tax", "travel",
    "utilities",
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    keep_hub_offline()
    quick = "--quick" in sys.argv[1:]
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from civicbench.datasets.building import build_snapshot, load_dataset_settings
    from civicbench.datasets.rows import read_split
    from civicbench.evaluation.scorer import SharedPrefixLM
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
    rows = read_split(snapshot.folder, "test")[: 8 if quick else 24]
    renderer = load_renderer(prepared)
    model = load_base(prepared, precision="float32").eval()
    requests = [
        Instance("loglikelihood", {}, (renderer.render_prompt(row.messages[:-1]), f"Area: {a}"), 0)
        for row in rows
        for a in AREAS
    ]
    ours = SharedPrefixLM(
        model,
        renderer=renderer,
        context_length_tokens=prepared.record.context_length_tokens,
        reporter=reporter,
    )
    peer = HFLM(
        pretrained=model,
        tokenizer=renderer.tokenizer,
        logits_cache=False,
        batch_size=8,
        softmax_dtype="float32",
    )
    times: dict[str, list[float]] = {"civicbench": [], "HFLM, batch 8": []}
    results = {}
    for _ in range(1 if quick else 3):
        for name, scorer in (("civicbench", ours), ("HFLM, batch 8", peer)):
            started = time.perf_counter()
            results[name] = scorer.loglikelihood(requests, disable_tqdm=True)
            times[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratio = statistics.median(
        theirs / mine
        for mine, theirs in zip(times["civicbench"], times["HFLM, batch 8"], strict=True)
    )
    print(f"{len(requests)} choices of {len(rows)} enquiries, {len(AREAS)} choices each")
    for name, value in medians.items():
        print(f"{name:<16} {value:8.2f} s  {len(requests) / value:8.1f} choices/s")
    print(f"ratio (median of pairs): {ratio:.2f}")
    print(
        json.dumps(
            {
                "benchmark": "evaluation",
                "machine": {"processor": processor_name()},
                "ratios": {"routing, HFLM batch 8 / civicbench": round(ratio, 3)},
                "figures": {name: round(value, 3) for name, value in medians.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
