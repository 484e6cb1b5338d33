"""A score folder: whole, recomputable, and keyed by everything that shapes it."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from civicbench.core.errors import WorkFailedError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation import tasks as tasks_module
from civicbench.evaluation.adapter_proof import probe_logits, prove_adapter
from civicbench.evaluation.items import Item
from civicbench.evaluation.metrics import suite_metrics
from civicbench.evaluation.records import read_items
from civicbench.evaluation.scorer import SharedPrefixLM
from civicbench.evaluation.scoring import Subject, read_result, score, score_stage
from civicbench.evaluation.suites import load_suite
from civicbench.models.loading import load_base
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, Message

SUITE = load_suite("smoke").settings
ITEMS = [
    Item(
        id=f"thing-{n}",
        messages=(Message(role="user", content=f"What colour is thing {n}?"),),
        fields={"thing": f"thing-{n}", "colour": ("red", "green", "blue")[n % 3]},
    )
    for n in range(6)
]


def subject(prepared: PreparedModel, adapter: str | None = None) -> Subject:
    return Subject("base" if adapter is None else "tuned", prepared.record, adapter, "float32")


@pytest.fixture(scope="module")
def prepared(tiny: PreparedModel) -> PreparedModel:
    return tiny


@pytest.fixture(scope="module")
def language_model(prepared: PreparedModel, renderer: ChatRenderer) -> SharedPrefixLM:
    return SharedPrefixLM(
        load_base(prepared, precision="float32"),
        renderer=renderer,
        context_length_tokens=prepared.record.context_length_tokens,
        reporter=Reporter(live=False),
    )


@pytest.fixture(scope="module")
def scored(
    tmp_path_factory: pytest.TempPathFactory,
    prepared: PreparedModel,
    renderer: ChatRenderer,
    language_model: SharedPrefixLM,
) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    score(
        SUITE,
        ITEMS,
        subject(prepared),
        folder=folder,
        renderer=renderer,
        language_model=lambda: language_model,
    )
    return folder


def test_every_score_can_be_computed_again_from_the_items(scored: Path) -> None:
    result = read_result(scored)
    assert suite_metrics(SUITE, read_items(scored), seed=result.seed) == result.metrics


def test_every_item_is_kept_with_its_answer(scored: Path) -> None:
    records = read_items(scored)
    assert sorted({record.id for record in records}) == [item.id for item in ITEMS]
    for record in records:
        if record.task == "colour":
            best = max(range(6), key=lambda place: record.log_likelihoods[place])
            assert record.answer_position == best
        else:
            assert record.log_likelihoods == ()


def test_scoring_twice_gives_the_same_bytes(
    scored: Path,
    tmp_path: Path,
    prepared: PreparedModel,
    renderer: ChatRenderer,
    language_model: SharedPrefixLM,
) -> None:
    score(
        SUITE,
        ITEMS,
        subject(prepared),
        folder=tmp_path,
        renderer=renderer,
        language_model=lambda: language_model,
    )
    for name in ("items.jsonl", "result.json"):
        assert (tmp_path / name).read_bytes() == (scored / name).read_bytes()


def test_the_key_changes_with_whatever_shapes_a_score(prepared: PreparedModel) -> None:
    workspace = Workspace(Path("home"))
    record = prepared.record
    subjects = [
        subject(prepared),
        subject(prepared, "adapter one"),
        subject(prepared, "adapter two"),
        Subject("base", record.model_copy(update={"weights_digest": "other"}), None, "float32"),
        Subject("base", record.model_copy(update={"template_digest": "other"}), None, "float32"),
        Subject("base", record.model_copy(update={"tokenizer_digest": "other"}), None, "float32"),
        Subject("base", record, None, "bfloat16"),
    ]
    keys = {score_stage(SUITE, ITEMS, each, workspace=workspace).key for each in subjects}
    keys.add(score_stage(SUITE, ITEMS[:5], subjects[0], workspace=workspace).key)
    assert len(keys) == len(subjects) + 1


def test_a_prompt_that_is_not_trainings_is_caught(
    tmp_path: Path,
    prepared: PreparedModel,
    renderer: ChatRenderer,
    language_model: SharedPrefixLM,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = tasks_module._response

    def meddled(task: object, sample: object) -> tasks_module.Response:
        response = original(task, sample)  # type: ignore[arg-type]
        return tasks_module.Response(
            response.prompt.strip(), response.log_likelihoods, response.text
        )

    monkeypatch.setattr(tasks_module, "_response", meddled)
    with pytest.raises(WorkFailedError, match="not the one that training would have used"):
        score(
            SUITE,
            ITEMS,
            subject(prepared),
            folder=tmp_path,
            renderer=renderer,
            language_model=lambda: language_model,
        )


class TestAdapterProof:
    """The adapter is on, and the base below it is as it was."""

    PROMPT = (5, 6, 7, 8)

    def adapted(self, prepared: PreparedModel) -> tuple[object, torch.Tensor]:
        base = load_base(prepared, precision="float32").eval()
        logits = probe_logits(base, list(self.PROMPT))
        model = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear")).eval()
        return model, logits

    def test_a_fresh_adapter_changes_nothing_and_is_refused(self, prepared: PreparedModel) -> None:
        model, logits = self.adapted(prepared)
        with pytest.raises(WorkFailedError, match="changes nothing"):
            prove_adapter(model, prompt_ids=list(self.PROMPT), base_logits=logits)  # type: ignore[arg-type]

    def test_a_trained_adapter_passes(self, prepared: PreparedModel) -> None:
        model, logits = self.adapted(prepared)
        self.train(model)
        prove_adapter(model, prompt_ids=list(self.PROMPT), base_logits=logits)  # type: ignore[arg-type]

    def test_a_base_that_was_changed_is_refused(self, prepared: PreparedModel) -> None:
        model, logits = self.adapted(prepared)
        self.train(model)
        with torch.no_grad():
            model.get_input_embeddings().weight[5] += 0.01  # type: ignore[attr-defined]
        with pytest.raises(WorkFailedError, match="bit for bit"):
            prove_adapter(model, prompt_ids=list(self.PROMPT), base_logits=logits)  # type: ignore[arg-type]

    def train(self, model: object) -> None:
        with torch.no_grad():
            for name, weight in model.named_parameters():  # type: ignore[attr-defined]
                if "lora_B" in name:
                    weight += 0.05
