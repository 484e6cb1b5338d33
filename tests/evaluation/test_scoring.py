"""A score folder: whole, recomputable, and keyed by everything that shapes it."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tests.evaluation.factory import make_subject

from civicbench.core.errors import WorkFailedError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.evaluation import scoring as scoring_module
from civicbench.evaluation.adapter_proof import probe_logits, prove_adapter
from civicbench.evaluation.items import Item
from civicbench.evaluation.metrics import suite_metrics
from civicbench.evaluation.records import read_items
from civicbench.evaluation.scorer.engines import LocalEngine
from civicbench.evaluation.scorer.language_model import EngineLM
from civicbench.evaluation.scorer.reading import Reader
from civicbench.evaluation.scoring import read_result, score, score_stage, write_scores
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


@pytest.fixture(scope="module")
def prepared(tiny: PreparedModel) -> PreparedModel:
    return tiny


@pytest.fixture(scope="module")
def language_model(prepared: PreparedModel, renderer: ChatRenderer) -> EngineLM:
    return EngineLM(
        LocalEngine(Reader(load_base(prepared, precision="float32")), renderer),
        renderer=renderer,
        context_length_tokens=prepared.record.context_length_tokens,
        reporter=Reporter(live=False),
    )


@pytest.fixture(scope="module")
def scored(
    tmp_path_factory: pytest.TempPathFactory,
    prepared: PreparedModel,
    renderer: ChatRenderer,
    language_model: EngineLM,
) -> Path:
    folder = tmp_path_factory.mktemp("scored")
    scores = score(
        SUITE,
        ITEMS,
        make_subject(prepared),
        renderer=renderer,
        language_model=lambda: language_model,
    )
    write_scores(folder, scores)
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
    language_model: EngineLM,
) -> None:
    scores = score(
        SUITE,
        ITEMS,
        make_subject(prepared),
        renderer=renderer,
        language_model=lambda: language_model,
    )
    write_scores(tmp_path, scores)
    for name in ("items.jsonl", "result.json"):
        assert (tmp_path / name).read_bytes() == (scored / name).read_bytes()


def test_the_key_changes_with_whatever_shapes_a_score(
    prepared: PreparedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(Path("home"))
    subjects = [
        make_subject(prepared),
        make_subject(prepared, adapter="adapter one"),
        make_subject(prepared, adapter="adapter two"),
        make_subject(prepared, weights_digest="other"),
        make_subject(prepared, template_digest="other"),
        make_subject(prepared, tokenizer_digest="other"),
        make_subject(prepared, precision="bfloat16"),
    ]
    keys = {score_stage(SUITE, ITEMS, each, workspace=workspace).key for each in subjects}
    keys.add(score_stage(SUITE, ITEMS[:5], subjects[0], workspace=workspace).key)
    with monkeypatch.context() as patch:
        patch.setattr(scoring_module, "package_versions", lambda names: {"torch": "another"})
        keys.add(score_stage(SUITE, ITEMS, subjects[0], workspace=workspace).key)
    with monkeypatch.context() as patch:
        patch.setattr(scoring_module, "device_name", lambda: "a GPU")
        keys.add(score_stage(SUITE, ITEMS, subjects[0], workspace=workspace).key)
    assert len(keys) == len(subjects) + 3
    # The answers are asked anew, too, where the model computes otherwise; a template is in the
    # token ids that are asked.
    answers = {each.answers_digest for each in subjects}
    assert len(answers) == len(subjects) - 2


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
