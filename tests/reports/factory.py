"""Reports of invented models: two or three, two suites, and hostile texts."""

import random
from collections.abc import Sequence
from typing import Any

from tests.pages.page import HOSTILE

from civicbench.core.digests import digest_text
from civicbench.evaluation.comparing import compare_results
from civicbench.evaluation.metrics import suite_metrics
from civicbench.evaluation.records import ItemRecord, PromptExample, ScoreMeasurements
from civicbench.evaluation.results import Comparison, SuiteResult
from civicbench.evaluation.settings import SuiteSettings
from civicbench.evaluation.statistics.families import adjust_family
from civicbench.reports.report import NoiseFact, Report, ScoredModel, ScoredSuite, SuiteText

AREAS = ("benefits", "council tax", "housing", "immigration and visas", "schools", "waste")
REGIONS = ("Wales", "Scotland")
SECRET = "<script>alert(1)</script>{{ 7*7 }} \u202eevil\x00 שלום <b>bold</b> | cell"
LONG = "A very long answer. " * 500
MARGINS = {("triage", "area", "accuracy"): 0.05}

TRIAGE = SuiteSettings.model_validate(
    {
        "name": "triage",
        "title": "Enquiry triage",
        "kind": "domain",
        "measures": "Whether an enquiry is sent to the right area, and answered in the right form.",
        "does_not_measure": "Whether the answer helps the person who asked.",
        "licence": "CC0-1.0",
        "items": {"file": "items.jsonl"},
        "cluster": "family",
        "slices": ["area", "region"],
        "tasks": [
            {
                "type": "choice", "name": "area", "title": "Right area of seventeen",
                "choices": list(AREAS), "answer": "area", "macro_f1": True,
            },
            {
                "type": "fields", "name": "written", "title": "Area as written",
                "lines": ["Area"], "fields": {"Area": "area"}, "max_new_tokens": 20,
            },
        ],
    }
)  # fmt: skip
SAFETY = SuiteSettings.model_validate(
    {
        "name": "safety-core",
        "title": "Core of safety",
        "kind": "safety",
        "measures": "Whether harmful continuations are likelier than harmless ones.",
        "does_not_measure": "What the model writes when it is free to write.",
        "licence": "CC0-1.0",
        "items": {"file": "items.jsonl"},
        "cluster": "family",
        "tasks": [
            {
                "type": "choice", "name": "pairs", "title": "Stereotype pairs",
                "choices": ["first", "second"], "better": "half",
            },
            {
                "type": "choice", "name": "harm", "title": "Harmful continuations preferred",
                "choices": ["harmful", "harmless"], "better": "lower",
            },
        ],
    }
)  # fmt: skip


def make_report(models: int = 2, *, hostile: bool = True, items: int = 200) -> Report:
    """Return a report of so many models; the same for the same arguments."""
    suffix = HOSTILE.replace("\ud800", "") if hostile else ""
    labels = ("base", "enquiry-triage:3", "another-model:1")[:models]
    scored = tuple(
        ScoredModel(
            label=label + suffix,
            digest=digest_text(label),
            suites={
                "triage": _triage(place, hostile=hostile, items=items),
                "safety-core": _safety(place, items=items // 2),
            },
        )
        for place, label in enumerate(labels)
    )
    return Report(
        title="Evaluation report: enquiry-triage" + suffix,
        caption="Recipe enquiry-triage" + suffix,
        command="civicbench evaluate enquiry-triage" + suffix,
        suites=tuple(
            SuiteText(s.name, s.title + suffix, s.measures + suffix, s.does_not_measure + suffix)
            for s in (TRIAGE, SAFETY)
        ),
        models=scored,
        comparisons={model.label: compare(scored[0], model) for model in scored[1:]},
        noise=(
            NoiseFact(
                suite="triage",
                role="tuned",
                title="Area",
                metric="accuracy",
                lowest=0.83,
                highest=0.84,
                changed_items=2,
                items=items,
                log_likelihood_range=3e-5,
            ),
        ),
    )


def compare(first: ScoredModel, other: ScoredModel) -> tuple[Comparison, ...]:
    found: list[Comparison] = []
    for name, suite in first.suites.items():
        second = other.suites[name]
        found += compare_results(suite.result, suite.items, second.result, second.items)
    return adjust_family(found, margins=MARGINS)


def make_item(task: str, number: int, **changes: Any) -> ItemRecord:
    record: dict[str, Any] = {
        "task": task,
        "id": f"item-{number:03}",
        "seed": None,
        "cluster": f"family-{number // 3}",
        "slices": {},
        "prompt": f"What is asked in enquiry {number}?",
        "prompt_digest": digest_text(f"{task} {number}"),
        "prompt_tokens": 40 + number % 90,
        "choices": (),
        "expected": "",
        "answer": "",
        "expected_position": -1,
        "answer_position": -1,
        "log_likelihoods": (),
        "values": {},
        "flags": (),
    }
    return ItemRecord.model_validate({**record, **changes})


def _triage(place: int, *, hostile: bool, items: int) -> ScoredSuite:
    draw = random.Random(place)
    skill = (0.4, 0.8, 0.42)[place]
    records = []
    for number in range(items):
        area = AREAS[number % len(AREAS)]
        slices = {"area": area, "region": REGIONS[number % 2]}
        prompt = f"Enquiry {number}: who do I write to about {area}?\n\nThank you."
        if hostile and number % 7 == 0:
            prompt += SECRET
        expected = AREAS.index(area)
        lls = [round(draw.uniform(-9, -3), 5) for _ in AREAS]
        if draw.random() < skill:
            lls[expected] = -1.5
        picked = lls.index(max(lls))
        records.append(
            make_item(
                "area", number, slices=slices, prompt=prompt, choices=AREAS, expected=area,
                answer=AREAS[picked], expected_position=expected, answer_position=picked,
                log_likelihoods=tuple(lls), values={"accuracy": float(picked == expected)},
            )
        )  # fmt: skip
        right = draw.random() < skill
        text = f"Area: {area}" if right else "Area: I do not know"
        flags: tuple[str, ...] = ()
        if hostile and not right and number % 5 == 0:
            text = SECRET if number % 2 else LONG
            flags = ("cut by the token limit",)
        values = dict.fromkeys(("accuracy", "well formed", "Area right"), float(right))
        records.append(
            make_item(
                "written", number, slices=slices, prompt=prompt, expected=f"Area: {area}",
                answer=text, values=values, flags=flags,
            )
        )  # fmt: skip
    return _scored(TRIAGE, records, place=place, hostile=hostile)


def _safety(place: int, *, items: int) -> ScoredSuite:
    draw = random.Random(place + 10)
    records = []
    for task, share in (("pairs", (0.7, 0.55, 0.7)[place]), ("harm", 0.0)):
        for number in range(items):
            first = draw.random() < share
            choices = ("first", "second") if task == "pairs" else ("harmful", "harmless")
            lls = (-2.0, -4.0 - draw.random()) if first else (-4.0 - draw.random(), -2.0)
            records.append(
                make_item(
                    task, number, choices=choices, expected=choices[0],
                    answer=choices[0 if first else 1], expected_position=0,
                    answer_position=0 if first else 1,
                    log_likelihoods=tuple(round(v, 5) for v in lls),
                    values={"accuracy": float(first)},
                )
            )  # fmt: skip
    return _scored(SAFETY, records, place=place, hostile=False)


def _scored(
    suite: SuiteSettings, records: Sequence[ItemRecord], *, place: int, hostile: bool
) -> ScoredSuite:
    flags: dict[str, int] = {}
    for record in records:
        for flag in record.flags:
            flags[flag] = flags.get(flag, 0) + 1
    result = SuiteResult(
        suite=suite.name,
        title=suite.title,
        kind=suite.kind,
        model="tuned" if place else "base",
        items_digest=digest_text(suite.name),
        prompts_digest=digest_text("prompts"),
        weights_digest=digest_text("weights"),
        adapter_digest=digest_text(f"adapter {place}") if place else None,
        tokenizer_digest=digest_text("tokenizer"),
        template_digest=digest_text("template"),
        prompt_proof_digest=digest_text("proof"),
        differences_from_training=("no system turn: the suite asks as a stranger would",),
        precision="bfloat16",
        device="cpu",
        engine="civicbench",
        metrics=suite_metrics(suite, records, seed=1),
        flags=flags,
        packages={"torch": "2.8.0", "transformers": "5.0.0", "lm-eval": "0.4.13"},
        seed=1,
    )
    pieces: tuple[str, ...] = (
        "<|im_start|>", "system", "\n", "You", " sort", " enquiries", ".", "<|im_end|>", "\n",
        "<|im_start|>", "user", "\n", "Who", " do", " I", "  write", "\t", "to", "?", "\n\n",
        "<|im_end|>", "\n", "<|im_start|>", "assistant", "\n",
    )  # fmt: skip
    if hostile:
        pieces = (*pieces, SECRET, "\ufffd", "שלום")
    return ScoredSuite(
        result=result,
        items=tuple(records),
        measurements=ScoreMeasurements(
            machine="A processor, 2 cores",
            processes=1,
            wall_time_s=93.2,
            items_per_second=4.3,
            items_found=0,
            prompt_tokens=812_345,
            computed_tokens=91_234,
            peak_memory_bytes=1_912_345_678,
        ),
        prompts=tuple(
            PromptExample(
                task=task.name,
                id="item-000",
                prompt_pieces=pieces,
                answer_pieces=("Area", ":", " waste"),
            )
            for task in suite.tasks
        ),
    )
