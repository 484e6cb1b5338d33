"""Doctor: each rule that training relies on, broken in turn, is named by its own check."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.models.factory import DATED_OPENING, DATED_TEMPLATE, QUIET, prepare_tiny, tiny_entry
from tests.training.factory import conversation, make_settings

from civicbench.core.errors import InvalidInputError, PartAbsentError
from civicbench.core.workspace import Workspace
from civicbench.datasets.rows import Row
from civicbench.models import rendering
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import Message
from civicbench.pipeline.finding import Finding
from civicbench.pipeline.previewing import PreviewRow
from civicbench.pipeline.recipe_diagnosis import diagnose_recipe, diagnose_rows
from civicbench.recipes.loading import load_recipe

CHATML = str(tiny_entry().template)
OPENING = "<|im_start|>assistant\n"
ROWS = [(f"row-{n}", conversation(f"Question {n}?", f"answer {n}")) for n in range(5)]
Rows = Sequence[tuple[str, Sequence[Message]]]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PreparedModel:
    return prepare_tiny(tmp_path_factory.mktemp("tiny"))


def as_rows(rows: Rows, *, rejected: str | None = None) -> list[Row]:
    return [
        Row(id=name, group=name, messages=tuple(messages), rejected=rejected, fields={})
        for name, messages in rows
    ]


def look(
    tiny: PreparedModel, *, rows: Rows = ROWS, changes: dict[str, Any] | None = None, **entry: Any
) -> tuple[dict[str, Finding], PreviewRow | None]:
    """Diagnose rows with the tiny model, with some of its catalogue entry changed."""
    model = PreparedModel(tiny.entry.model_copy(update=entry), tiny.folder, tiny.record)
    settings = make_settings(**(changes or {}))
    findings, shown = diagnose_rows(as_rows(rows), shown=0, prepared=model, settings=settings)
    assert len({finding.what for finding in findings}) == len(findings)
    return {finding.what: finding for finding in findings}, shown


def failed(found: dict[str, Finding]) -> set[str]:
    assert all(f.remedy for f in found.values() if f.state == "bad")
    return {what for what, finding in found.items() if finding.state == "bad"}


def test_sound_rows_pass_every_check(tiny: PreparedModel) -> None:
    found, shown = look(tiny)
    assert {finding.state for finding in found.values()} == {"good"}
    assert found["mask"].found.startswith("5 rows")
    assert shown is not None
    assert [token.trained for token in shown.tokens].count(True) == len("answer 0") + 1
    assert shown.tokens[-1].text == "<|im_end|>"


DOUBLED = CHATML.replace("{%- for", "{{- bos_token + bos_token }}{%- for", 1)
INNER = CHATML.replace("{{- '<|im_start|>assistant\\n' }}", "{{- '<|endoftext|>A:' }}")
UNENDED = CHATML.replace("+ '<|im_end|>\\n'", "+ '\\n'")
DATED = DATED_TEMPLATE.replace("date_string is defined", "false")
COUNTED = CHATML.replace("message['content']", "(loop.revindex | string) + message['content']")
MISSPELT = CHATML.replace("<|im_start|>", "<|turn|>")
REFUSING = "{{ raise_exception('no turns today') }}"
NO_USER = CHATML.replace(
    "{{- '<|im_start|>'",
    "{%- if message['content'] == 'Question 3?' %}{{ raise_exception('odd') }}{%- endif %}"
    "{{- '<|im_start|>'",
)
SWAPPED = """\
{%- for message in messages if message['role'] != 'system' %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message['content'] }}
    {%- if loop.first and messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
"""
TRIMMED = CHATML.replace("message['content']", "message['content'] | trim")
TOLD = [(name, [Message(role="system", content="Be brief."), *turns]) for name, turns in ROWS]
BLANK = [*ROWS, ("blank", conversation("Question?", "  indented answer"))]


@pytest.mark.parametrize(
    ("check", "entry", "rows", "says"),
    [
        ("beginning of text", {"template": DOUBLED}, ROWS, "stands twice"),
        ("end of turn is trained", {"template": UNENDED}, ROWS, "never learn to stop"),
        ("padding token", {"pad_token": "<|im_end|>"}, ROWS, "ends turns, too"),
        ("padding in the loss", {"pad_token": "<|im_end|>"}, ROWS, "5 rows"),
        ("special tokens", {"pad_token": "<|nowhere|>"}, ROWS, "<|nowhere|>"),
        ("special tokens", {"end_of_turn": "<|eot|>"}, ROWS, "<|eot|>"),
        ("end of turn", {"end_of_turn": "<|eot|>"}, ROWS, "tokens"),
        ("control tokens", {"template": MISSPELT, "generation_prompt": "<|turn|>assistant\n"},
         ROWS, "<|turn|>"),
        ("chat template", {"generation_prompt": "<|im_start|>helper\n"}, ROWS, "does not open"),
        ("chat template", {"template": REFUSING}, ROWS, "no turns today"),
        ("template takes the rows", {"template": NO_USER}, ROWS, "row-3"),
        ("date", {"template": DATED, "generation_prompt": DATED_OPENING}, ROWS, "day to day"),
        ("what is said", {"template": TRIMMED}, BLANK, "blank"),
        ("order of turns", {"template": SWAPPED}, TOLD, "5 rows"),
        ("mask", {"template": COUNTED}, ROWS, "differently once its answer follows"),
        ("answers", {}, [*ROWS, ("empty", conversation("Question?", ""))], "empty"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_named_by_its_own_check(
    tiny: PreparedModel, check: str, entry: dict[str, Any], rows: Rows, says: str
) -> None:
    found, _ = look(tiny, rows=rows, **entry)
    assert check in failed(found)
    assert says in found[check].found


@pytest.mark.parametrize(
    ("entry", "rows", "only"),
    [
        ({"template": DOUBLED}, ROWS, {"beginning of text"}),
        ({"template": UNENDED}, ROWS, {"end of turn is trained", "generation markers"}),
        ({"template": TRIMMED}, BLANK, {"what is said"}),
        ({"template": SWAPPED}, TOLD, {"order of turns"}),
        ({"template": NO_USER}, ROWS, {"template takes the rows"}),
        ({"template": DATED, "generation_prompt": DATED_OPENING}, ROWS, {"date"}),
        ({"pad_token": "<|im_end|>"}, ROWS, {"padding token", "padding in the loss"}),
    ],
)
def test_no_other_check_cries_out(
    tiny: PreparedModel, entry: dict[str, Any], rows: Rows, only: set[str]
) -> None:
    assert failed(look(tiny, rows=rows, **entry)[0]) == only


def test_a_template_with_a_date_that_is_given_is_the_same_every_day(tiny: PreparedModel) -> None:
    found, _ = look(tiny, template=DATED_TEMPLATE, generation_prompt=DATED_OPENING)
    assert not failed(found)
    assert found["what is said"].state == "note"  # it cuts blanks, though these rows have none


def test_generation_markers_are_told(tiny: PreparedModel) -> None:
    marked = "{% generation %}" + CHATML + "{% endgeneration %}"
    assert "the template has them" in look(tiny, template=marked)[0]["generation markers"].found
    assert look(tiny)[0]["generation markers"].found.startswith("none; the mask is proven")


def test_a_token_that_is_added_inside_is_seen(tiny: PreparedModel) -> None:
    """The encoder itself writes the beginning of text before every piece that it is given."""
    with pytest.MonkeyPatch.context() as patch:
        plain = rendering.ChatRenderer.encode
        patch.setattr(
            rendering.ChatRenderer, "encode",
            lambda self, text: [self.tokenizer.bos_token_id, *plain(self, text)],
        )  # fmt: skip
        found, _ = look(tiny)
    assert {"beginning of text", "rows are the template's text"} <= failed(found)


def test_packing_that_trains_on_the_prompt_is_seen(tiny: PreparedModel) -> None:
    from civicbench.training import unpacking
    from civicbench.training.packing import PackedRows

    def shifted(*arguments: Any, **named: Any) -> PackedRows:
        from dataclasses import replace

        from civicbench.training.packing import pack_rows

        packed = pack_rows(*arguments, **named)
        predicting = packed.predicting - 1
        return replace(packed, predicting=predicting, targets=packed.input_ids[0, predicting + 1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacking, "pack_rows", shifted)
        found, _ = look(tiny)
    assert {"mask", "end of turn is trained"} <= failed(found)


def test_an_embedding_that_is_too_small_is_seen(tiny: PreparedModel, tmp_path: Path) -> None:
    import shutil

    import numpy as np
    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(tiny.folder, folder)
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("embed_tokens.weight"))
    weights[name] = np.ascontiguousarray(weights[name][:40])
    save_file(weights, folder / "model.safetensors")
    small = PreparedModel(tiny.entry, folder, tiny.record)
    findings, _ = diagnose_rows(as_rows(ROWS), shown=0, prepared=small, settings=make_settings())
    found = {finding.what: finding for finding in findings}
    assert failed(found) == {"embedding"}
    assert "40 rows for 260 tokens" in found["embedding"].found


def test_limits_are_looked_at(tiny: PreparedModel) -> None:
    found, _ = look(tiny, changes={"max_length_tokens": 30})
    assert "5 rows" in found["length"].found
    assert failed(found) == {"length"}
    assert failed(look(tiny, changes={"max_length_tokens": 4096})[0]) == {"model's context"}


def test_system_turns_and_equal_prompts_are_counted(tiny: PreparedModel) -> None:
    rows = [*TOLD, *ROWS, ("again", conversation("Question 1?", "another answer"))]
    found, _ = look(tiny, rows=rows)
    assert not failed(found)
    assert found["system turns"].found == "1 different; 6 rows without one"
    assert found["equal prompts"].state == "note"
    assert "2 rows (row-1, again)" in found["equal prompts"].found
    same = look(tiny, rows=[*ROWS, ("again", ROWS[1][1])])[0]["equal prompts"]
    assert same.found.endswith("with the same answer")


@pytest.mark.parametrize(
    ("rejected", "says", "sound"),
    [
        ("another answer", "5: both answers follow the same prompt", True),
        ("answer 3", "1 row (row-3)", False),
        (None, "5 rows, and 5 answers", False),
    ],
)
def test_pairs_share_a_prompt_and_differ(
    tiny: PreparedModel, rejected: str | None, says: str, sound: bool
) -> None:
    settings = make_settings(objective="dpo", preference_beta=0.1)
    rows = as_rows(ROWS, rejected=rejected)
    findings, _ = diagnose_rows(rows, shown=0, prepared=tiny, settings=settings)
    found = {finding.what: finding for finding in findings}
    assert failed(found) == (set() if sound else {"pairs"})
    assert says in found["pairs"].found
    assert found["equal prompts"].state == "good"  # the two answers of a pair are meant


def test_a_cut_within_a_word_is_a_note_when_the_text_is_the_same(tiny: PreparedModel) -> None:
    """An answer that begins with what the prompt ends with may be merged by the tokenizer."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    def with_merge(prepared: PreparedModel) -> PreTrainedTokenizerFast:
        import json

        path = prepared.folder / "tokenizer.json"
        spec = json.loads(path.read_text())
        spec["model"]["vocab"]["ĊĊ"] = len(spec["model"]["vocab"])
        spec["model"]["merges"] = [["Ċ", "Ċ"]]
        return PreTrainedTokenizerFast(
            tokenizer_object=Tokenizer.from_str(json.dumps(spec)),
            bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|pad|>",
        )  # fmt: skip

    rows = [("row", conversation("Question?", "\n\nanswer"))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("civicbench.pipeline.recipe_diagnosis.load_tokenizer", with_merge)
        found, _ = look(tiny, rows=rows)
    assert not failed(found)
    assert found["rows are the template's text"].state == "note"


def test_a_recipe_is_looked_at_row_by_row(home: Path) -> None:
    def shown(example: str | None) -> PreviewRow:
        found = diagnose_recipe(
            load_recipe("smoke"), example=example, workspace=Workspace(home), reporter=QUIET
        )
        assert not found.failed
        assert found.example is not None
        return found.example

    first, third = shown(None), shown("3")
    assert shown("1") == first
    assert shown(third.id) == third
    assert third.id != first.id
    with pytest.raises(InvalidInputError, match="no such row"):
        shown("0")


def test_a_model_that_is_not_here_is_not_fetched(home: Path) -> None:
    recipe = load_recipe("enquiry-triage")
    with pytest.raises(PartAbsentError, match="fetches nothing") as caught:
        diagnose_recipe(recipe, example=None, workspace=Workspace(home), reporter=QUIET)
    assert caught.value.remedy == "civicbench models fetch smollm2-135m-instruct"
    assert not home.exists()
