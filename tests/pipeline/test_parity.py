"""Every suite that is shipped gives the numbers and texts that lm-eval's HFLM gives.

With the tiny random model always; with SmolLM2-135M where $CIVICBENCH_TEST_HOME names a workspace
in which it stands (`civicbench models fetch smollm2-135m-instruct`).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from tests.pipeline.runner import ROOT
from transformers import PreTrainedModel

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import build_snapshot, load_dataset_settings
from civicbench.evaluation.items import Question, questions_of
from civicbench.evaluation.public.settings import PublicItems
from civicbench.evaluation.scorer.engines import LocalEngine
from civicbench.evaluation.scorer.language_model import EngineLM
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.settings import CanaryItems, ChoiceTask, DatasetItems
from civicbench.evaluation.suites import Suite, list_suites
from civicbench.models.catalogue import load_model_entry
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel, find_prepared, prepare_model
from civicbench.models.rendering import ChatRenderer, load_renderer
from civicbench.pipeline.suite_items import suite_items

QUIET = Reporter(live=False)
# Public suites read files that a fresh clone does not have; canaries ask what a run planted.
ELSEWHERE = PublicItems | CanaryItems
SUITES = [s for s in list_suites() if not isinstance(s.settings.items, ELSEWHERE)]
NAMES = [suite.settings.name for suite in SUITES]
TOLERANCE_NATS = 1e-4
Asked = tuple[tuple[str, str], list[int], list[int]]


def snapshot_of(suite: Suite, home: Path) -> Path:
    items = suite.settings.items
    if not isinstance(items, DatasetItems):
        return home
    dataset = load_dataset_settings(items.dataset)
    return build_snapshot(dataset, workspace=Workspace(home), reporter=QUIET).folder


def questions(suite: Suite, home: Path, *, every: int) -> list[tuple[object, Question]]:
    """Return the questions of a suite's tasks, or every so manieth of them."""
    items = suite_items(
        suite,
        snapshot=snapshot_of(suite, home),
        workspace=Workspace(home),
        reporter=QUIET,
    )
    return [
        (task, question)
        for task in suite.settings.tasks
        for question in questions_of(task, items, suite=suite.settings)[::every]
    ]


def compare(
    suite: Suite, prepared: PreparedModel, home: Path, *, every: int, batch: int
) -> tuple[float, int]:
    """Return the largest difference from HFLM in nats, and how many requests were compared."""
    renderer = load_renderer(prepared)
    model = load_base(prepared, precision="float32").eval()
    ours = scorer(model, renderer, prepared)
    theirs = HFLM(
        pretrained=model, tokenizer=renderer.tokenizer, logits_cache=False, batch_size=batch,
        softmax_dtype="float32",
    )  # fmt: skip
    choices: list[Asked] = []
    written: list[Instance] = []
    for task, question in questions(suite, home, every=every):
        prompt = renderer.render_prompt(question.item.messages)
        if isinstance(task, ChoiceTask):
            choices += [
                ((prompt, choice), *ours._encode_pair(prompt, choice))
                for choice in question.choices
            ]
        else:
            settings = {"until": [renderer.end_of_turn], "max_gen_toks": 16, "do_sample": False}
            written.append(Instance("generate_until", {}, (prompt, settings), len(written)))
    found = ours._loglikelihood_tokens(choices)
    expected = theirs._loglikelihood_tokens(choices, disable_tqdm=True)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    if written:
        texts = theirs.generate_until(written, disable_tqdm=True)
        assert ours.generate_until(written) == texts
    apart = (abs(a - b) for (a, _), (b, _) in zip(found, expected, strict=True))
    return max(apart), len(choices) + len(written)


def scorer(model: PreTrainedModel, renderer: ChatRenderer, prepared: PreparedModel) -> EngineLM:
    return EngineLM(
        LocalEngine(Reader(model), renderer),
        renderer=renderer,
        context_length_tokens=prepared.record.context_length_tokens,
        reporter=QUIET,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_random_model_scores_every_shipped_suite_as_hflm_does(name: str, tmp_path: Path) -> None:
    prepared = prepare_model(
        load_model_entry("tiny-random"), workspace=Workspace(tmp_path), reporter=QUIET
    )
    apart, count = compare(suite_named(name), prepared, tmp_path, every=12, batch=8)
    assert count > 1
    assert apart < TOLERANCE_NATS


def suite_named(name: str) -> Suite:
    [found] = [suite for suite in SUITES if suite.settings.name == name]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_smollm2_scores_every_shipped_suite_as_hflm_does(name: str, tmp_path: Path) -> None:
    home = os.environ.get("CIVICBENCH_TEST_HOME")
    prepared = None
    if home is not None:
        prepared = find_prepared(
            load_model_entry("smollm2-135m-instruct"), workspace=Workspace(Path(home))
        )
    if prepared is None:
        pytest.skip("$CIVICBENCH_TEST_HOME names no workspace with smollm2-135m-instruct")
    apart, count = compare(suite_named(name), prepared, tmp_path, every=6, batch=8)
    print(f"{name}: {count} requests, largest difference {apart:.1e} nats")
    assert apart < TOLERANCE_NATS


def test_every_shipped_suite_is_compared() -> None:
    folders: Sequence[str] = sorted(
        path.parent.name for path in (ROOT / "evaluation").glob("*/suite.yaml")
    )
    public = {
        *("bbq", "bipia-email", "confaide", "crows-pairs", "cyberseceval-injection"),
        *("cyberseceval-refusal", "harmbench", "political-pairs", "truthfulqa", "winogender"),
        "xstest",
    }
    assert set(folders) - set(NAMES) == {"canaries", *public}
