"""Fine-tuning side by side: TRL's command line, a plain loop, LLaMA-Factory, and Civicbench.

    python benchmarks/training.py [--quick]

Every contender trains the same adapter (LoRA, rank 16, all linear layers, AdamW, the same constant
learning rate) on SmolLM2-135M with the rows of the dataset enquiry-triage, answers only, for a few
steps of about 1,000 tokens, each in a fresh process, in turns (A B A B). The contenders:

- TRL as documented: `trl sft --use_peft --use_cpu` with its defaults;
- TRL at its best here: packing, weights in bfloat16, no gradient checkpointing;
- a plain PyTorch loop: padded batches, bfloat16 autocast, transformers' own loss;
- LLaMA-Factory, where `llamafactory-cli` is on the PATH (it needs an environment of its own);
- Civicbench in float32 and in bfloat16.

A useful token is a token of a row: padding does not count, and what rows share counts in each of
them. Memory is the process's peak of resident memory over what it held before the model was loaded
(for command lines: over that of a process that imported the same packages). Prints a table of
medians and, as its last line, one JSON object. Needs the base model smollm2-135m-instruct
(`civicbench models fetch smollm2-135m-instruct`).
"""

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from civicbench.core.environment import keep_hub_offline, processor_name, yield_waiting_threads

ROWS_A_STEP = 8
RANK, ALPHA, RATE = 16, 32, 2e-4
OURS, OURS_FLOAT32 = "civicbench, bfloat16", "civicbench, float32"
DOCUMENTED, BEST = "TRL as documented", "TRL, packing, bfloat16"
PLAIN, FACTORY = "plain PyTorch, bfloat16", "LLaMA-Factory"
REQUIRED = {DOCUMENTED: 5.0, BEST: 2.0}


@dataclass(frozen=True)
class Material:
    """What every contender reads.

    Attributes:
        model: Folder of the base model.
        rows: Folder with the training rows as TRL reads them.
        row_tokens: Mean tokens of a row.
    """

    model: Path
    rows: Path
    row_tokens: float


def prepare(folder: Path) -> Material:
    """Write the training rows for the peers and return what all read."""
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.datasets.rows import read_split
    from civicbench.pipeline.inputs import prepare_inputs
    from civicbench.recipes.loading import load_recipe

    inputs = prepare_inputs(
        load_recipe("enquiry-triage", overrides=["trackers=[]"]),
        workspace=Workspace.locate(),
        reporter=Reporter(live=False),
    )
    rows = folder / "rows"
    rows.mkdir()
    turns = [
        [{"role": turn.role, "content": turn.content} for turn in row.messages]
        for row in read_split(inputs.snapshot.folder, "train")
    ]
    lines = [json.dumps({"prompt": row[:-1], "completion": row[-1:]}) for row in turns]
    (rows / "train.jsonl").write_text("\n".join(lines) + "\n")
    factory = [{"messages": row} for row in turns]
    (folder / "factory.json").write_text(json.dumps(factory))
    (folder / "dataset_info.json").write_text(
        json.dumps(
            {
                "rows": {
                    "file_name": "factory.json", "formatting": "sharegpt",
                    "columns": {"messages": "messages"},
                    "tags": {
                        "role_tag": "role", "content_tag": "content", "user_tag": "user",
                        "assistant_tag": "assistant", "system_tag": "system",
                    },
                }
            }
        )
    )  # fmt: skip
    lengths = [example.length for example in inputs.train]
    return Material(inputs.prepared.folder, rows, statistics.mean(lengths))


class Diary:
    """Notes when steps end, and writes what a contender did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = float(os.environ["BENCHMARK_STARTED"])
        self.idle_bytes = 0
        self.ends: list[float] = []
        self.tokens: list[float] = []
        self.losses: list[float] = []

    def idle(self) -> None:
        """Note the memory that is held before the model is loaded."""
        self.idle_bytes = memory("VmRSS")

    def step(self, *, tokens: float, loss: float) -> None:
        """Note a step that has ended."""
        self.ends.append(time.time())
        self.tokens.append(tokens)
        self.losses.append(loss)

    def write(self) -> None:
        """Write everything as JSON."""
        found = {
            "first_step_s": self.ends[0] - self.started,
            "seconds": [b - a for a, b in itertools.pairwise(self.ends)],
            "tokens": self.tokens,
            "losses": self.losses,
            "peak_bytes": memory("VmHWM") - self.idle_bytes,
        }
        self.path.write_text(json.dumps(found))


def memory(field: str) -> int:
    """Return a figure of this process's memory in bytes: "VmRSS" now, "VmHWM" at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"the system does not tell {field}")


def run_trl(arguments: list[str], diary: Diary) -> None:
    """Run TRL's command line as a user does, with a callback that notes steps."""
    import transformers.trainer
    import trl.trainer.sft_trainer  # noqa: F401 (imported before the idle memory is noted)
    from transformers import TrainerCallback
    from trl.scripts.sft import main, make_parser

    class Notes(TrainerCallback):  # type: ignore[misc]
        before = 0.0

        def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
            if "loss" in logs:
                total = float(logs["num_tokens"])
                diary.step(tokens=total - self.before, loss=float(logs["loss"]))
                self.before = total

    transformers.trainer.DEFAULT_CALLBACKS.append(Notes)
    diary.idle()
    # `trl sft` starts this script in a process of its own, with these arguments.
    parsed = make_parser().parse_args_and_config(args=arguments, return_remaining_strings=True)
    main(*parsed[:4])


def run_plain(model_folder: str, rows_folder: str, steps: int, diary: Diary) -> None:
    """Train with the loop that a person would write first."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model_folder, local_files_only=True)
    diary.idle()
    model = AutoModelForCausalLM.from_pretrained(
        model_folder, dtype=torch.float32, local_files_only=True
    )
    model = get_peft_model(model, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear"))
    rows = [json.loads(x) for x in (Path(rows_folder) / "train.jsonl").read_text().splitlines()]
    optimiser = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=RATE)
    order = torch.randperm(len(rows)).tolist()
    for step in range(steps):
        batch = [rows[i] for i in order[step * ROWS_A_STEP : (step + 1) * ROWS_A_STEP]]
        prompts = [
            tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True)["input_ids"]
            for row in batch
        ]
        wholes = [
            tokenizer.apply_chat_template(row["prompt"] + row["completion"])["input_ids"]
            for row in batch
        ]
        longest = max(map(len, wholes))
        ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids in wholes])
        mask = torch.tensor([[1] * len(i) + [0] * (longest - len(i)) for i in wholes])
        labels = ids.masked_fill(mask == 0, -100)
        for row, prompt in enumerate(prompts):
            labels[row, : len(prompt)] = -100
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        diary.step(tokens=sum(map(len, wholes)), loss=float(loss))


def run_ours(precision: str, steps: int, diary: Diary) -> None:
    """Train as `civicbench train` does, from a workspace where the data stand ready."""
    yield_waiting_threads()
    import peft  # noqa: F401 (imported before the idle memory is noted)

    from civicbench.core.progress import Reporter
    from civicbench.core.ranks import Ranks
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.inputs import prepare_inputs
    from civicbench.recipes.loading import load_recipe
    from civicbench.training.adapting import build_trainable_model
    from civicbench.training.loop import TrainingLoop
    from civicbench.training.memory.allocator import return_large_blocks
    from civicbench.training.objectives import build_objective

    inputs = prepare_inputs(
        load_recipe(
            "enquiry-triage",
            overrides=[
                "trackers=[]", f"training.precision={precision}", f"training.rank={RANK}",
                f"training.alpha={ALPHA}", f"training.learning_rate={RATE}",
                "training.schedule=constant", "training.warmup_share=0",
                f"training.batch_size_rows={ROWS_A_STEP}",
            ],
        ),
        workspace=Workspace.locate(),
        reporter=Reporter(live=False),
    )  # fmt: skip
    settings = inputs.recipe.training
    return_large_blocks(settings)
    diary.idle()
    loop = TrainingLoop(
        settings,
        build_trainable_model(settings, inputs.prepared, spread=False),
        objective=build_objective(settings, inputs.train),
        ranks=Ranks(),
    )
    for step in range(steps):
        taken = loop.take_step(step, stop_asked=False)
        rows = loop.order.rows_of(step)
        diary.step(tokens=sum(loop.objective.lengths[row] for row in rows), loss=taken.loss)


def run_factory(folder: Path, material: Material, steps: int, path: Path) -> None:
    """Run LLaMA-Factory's command line and write what its own log says."""
    config = {
        "model_name_or_path": str(material.model), "stage": "sft", "do_train": True,
        "finetuning_type": "lora", "lora_rank": RANK, "lora_alpha": ALPHA, "lora_target": "all",
        "dataset": "rows", "dataset_dir": str(folder), "template": "chatml", "cutoff_len": 1024,
        "output_dir": str(folder / "factory"), "overwrite_output_dir": True, "logging_steps": 1,
        "per_device_train_batch_size": ROWS_A_STEP, "gradient_accumulation_steps": 1,
        "learning_rate": RATE, "lr_scheduler_type": "constant", "max_steps": steps,
        "bf16": True, "use_cpu": True, "report_to": "none", "save_strategy": "no",
    }  # fmt: skip
    (folder / "factory.yaml").write_text(json.dumps(config))
    started = time.time()
    subprocess.run(
        ["llamafactory-cli", "train", str(folder / "factory.yaml")],
        check=True, capture_output=True,
    )  # fmt: skip
    log = [
        json.loads(line)
        for line in (folder / "factory" / "trainer_log.jsonl").read_text().splitlines()
    ]
    log = [entry for entry in log if "loss" in entry]
    whole_s = time.time() - started

    def seconds(entry: dict[str, Any]) -> float:
        hours, minutes, rest = (float(part) for part in entry["elapsed_time"].split(":"))
        return 3600 * hours + 60 * minutes + rest

    ends = [seconds(entry) for entry in log]
    found = {
        "first_step_s": whole_s - (ends[-1] - ends[0]),
        "seconds": [b - a for a, b in itertools.pairwise(ends)],
        "tokens": [material.row_tokens * ROWS_A_STEP] * len(log),
        "losses": [entry["loss"] for entry in log],
        "peak_bytes": 0,
    }
    path.write_text(json.dumps(found))


def trl_arguments(material: Material, folder: Path, *, steps: int, best: bool) -> list[str]:
    """Return the arguments of `trl sft`; what is not named is TRL's default."""
    named = {
        "model_name_or_path": material.model, "dataset_name": material.rows,
        "output_dir": folder / "trl", "max_steps": steps, "logging_steps": 1,
        "learning_rate": RATE, "lr_scheduler_type": "constant", "lora_r": RANK,
        "lora_alpha": ALPHA, "lora_target_modules": "all-linear", "report_to": "none",
        "save_strategy": "no", "disable_tqdm": True,
    }  # fmt: skip
    if best:
        named |= {
            "packing": True, "dtype": "bfloat16", "bf16": True, "per_device_train_batch_size": 1,
        }  # fmt: skip
    flags = ["--use_peft", "--use_cpu", *(["--no_gradient_checkpointing"] if best else [])]
    return [*flags, *(text for key, value in named.items() for text in (f"--{key}", str(value)))]


def measure(name: str, material: Material, folder: Path, *, steps: int) -> dict[str, Any]:
    """Run one contender in a fresh process and return what it noted."""
    path = folder / "diary.json"
    path.unlink(missing_ok=True)
    if name == FACTORY:
        run_factory(folder, material, steps, path)
    else:
        best = name == BEST
        arguments = {
            DOCUMENTED: ["trl", *trl_arguments(material, folder, steps=steps, best=best)],
            BEST: ["trl", *trl_arguments(material, folder, steps=steps, best=best)],
            PLAIN: ["plain", str(material.model), str(material.rows), str(steps)],
            OURS: ["ours", "bfloat16", str(steps)],
            OURS_FLOAT32: ["ours", "float32", str(steps)],
        }[name]
        done = subprocess.run(
            [sys.executable, __file__, "--contender", str(path), *arguments],
            env={**os.environ, "BENCHMARK_STARTED": str(time.time())},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def contender(path: Path, kind: str, arguments: list[str]) -> None:
    """Be one contender and write a diary."""
    keep_hub_offline()
    diary = Diary(path)
    if kind == "trl":
        run_trl(arguments, diary)
    elif kind == "plain":
        run_plain(arguments[0], arguments[1], int(arguments[2]), diary)
    else:
        run_ours(arguments[0], int(arguments[1]), diary)
    diary.write()


def product_rate() -> float:
    """Return the machine's bfloat16 matrix-product rate at this model's own shapes, in FLOP/s."""
    import torch

    left = torch.randn(2048, 576).bfloat16()
    right = torch.randn(1536, 576).bfloat16()
    seconds = []
    for _ in range(60):
        started = time.perf_counter()
        torch.nn.functional.linear(left, right)
        seconds.append(time.perf_counter() - started)
    return 2 * 2048 * 576 * 1536 / statistics.median(seconds)


def main() -> None:
    """Measure and print."""
    keep_hub_offline()
    quick = "--quick" in sys.argv[1:]
    from civicbench.models.catalogue import load_model_entry

    parameters = load_model_entry("smollm2-135m-instruct").architecture.parameters
    names = [DOCUMENTED, BEST, PLAIN, OURS_FLOAT32, OURS]
    if shutil.which("llamafactory-cli"):
        names.insert(2, FACTORY)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        material = prepare(folder)
        measure(OURS, material, folder, steps=2)  # whatever is done once a machine
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(1 if quick else 3):
            for name in names:
                slow = name in (DOCUMENTED, FACTORY)
                steps = 3 if quick or slow else 8
                found[name].append(measure(name, material, folder, steps=steps))
    rate = product_rate()
    figures: dict[str, dict[str, float]] = {}
    for name, runs in found.items():
        speeds = [
            statistics.median(
                tokens / seconds
                for tokens, seconds in zip(run["tokens"][1:], run["seconds"], strict=False)
            )
            for run in runs
        ]
        speed = statistics.median(speeds)
        # Loss over about the same tokens for all: the first three steps of about 1,000.
        loss = statistics.mean(loss for run in runs for loss in run["losses"][:3])
        figures[name] = {
            "tokens_per_second": round(speed, 1),
            "peak_gb": round(statistics.median(run["peak_bytes"] for run in runs) / 1e9, 2),
            "loss": round(loss, 3),
            "first_step_s": round(statistics.median(run["first_step_s"] for run in runs), 1),
            "share_of_product_rate": round(speed * 4 * parameters / rate, 3),
        }
    ratios = {}
    for name in names:
        pairs = [
            speed_of(mine) / speed_of(theirs)
            for mine, theirs in zip(found[OURS], found[name], strict=False)
        ]
        ratios[name] = round(statistics.median(pairs), 2)
    print(f"{'':<26}{'tokens/s':>9}{'ours is':>9}{'GB':>7}{'loss':>8}{'1st step':>10}{'rate':>7}")
    for name, row in figures.items():
        peak = f"{row['peak_gb']:.2f}" if row["peak_gb"] > 0 else "-"
        print(
            f"{name:<26}{row['tokens_per_second']:>9.1f}{ratios[name]:>8.2f}x{peak:>7}"
            f"{row['loss']:>8.3f}{row['first_step_s']:>9.1f}s"
            f"{100 * row['share_of_product_rate']:>6.0f}%"
        )
    if FACTORY not in names:
        print("LLaMA-Factory is not installed here: it was left out")
    for name, required in REQUIRED.items():
        met = "met" if ratios[name] >= required else "NOT met"
        print(f"{ratios[name]:.2f} times {name}, asked {required:g}: {met}")
    lighter = figures[OURS]["peak_gb"] / figures[BEST]["peak_gb"]
    print(
        f"peak memory {lighter:.2f} of {BEST}, asked 0.7: {'met' if lighter <= 0.7 else 'NOT met'}"
    )
    share = figures[OURS]["share_of_product_rate"]
    print(
        f"{100 * share:.0f} % of the product rate, asked 50: {'met' if share >= 0.5 else 'NOT met'}"
    )
    print(
        json.dumps(
            {
                "benchmark": "training",
                "machine": {
                    "processor": processor_name(),
                    "bfloat16_gflop_per_second": round(rate / 1e9, 1),
                },
                "ratios": {**ratios, "peak memory, ours / TRL's best": round(lighter, 2)},
                "figures": figures,
            }
        )
    )


def speed_of(run: dict[str, Any]) -> float:
    """Return a run's useful tokens per second, its first step left out."""
    pairs = zip(run["tokens"][1:], run["seconds"], strict=False)
    return statistics.median(tokens / seconds for tokens, seconds in pairs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--contender"]:
        contender(Path(sys.argv[2]), sys.argv[3], sys.argv[4:])
    else:
        main()
