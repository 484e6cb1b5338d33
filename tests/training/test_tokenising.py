"""Conversations are rendered once; what is kept reads back exactly, or is named and made again."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.factory import QUIET
from tests.training.factory import SNAPSHOT, conversation

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.stages import Stage
from civicbench.core.workspace import Workspace
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, Message, RenderedExample
from civicbench.training import tokenising
from civicbench.training.tokenising import (
    FILE_NAME,
    keep_renderings,
    pack_rendered,
    tokens_stage,
    unpack_rendered,
)

TOKENS = st.lists(st.integers(0, 2**32 - 1), max_size=12).map(tuple)
RENDERED = st.lists(st.builds(RenderedExample, TOKENS, TOKENS), max_size=8)
CONVERSATIONS = [conversation(f"Question {n % 5}?", f"answer {n % 6}") for n in range(12)]


@given(rendered=RENDERED)
def test_token_ids_read_back_exactly(rendered: list[RenderedExample]) -> None:
    content = pack_rendered(rendered)
    assert unpack_rendered(content, where="here") == rendered
    assert pack_rendered(rendered) == content


class Counted:
    """Renders conversations and counts them."""

    def __init__(self, renderer: ChatRenderer) -> None:
        self.renderer = renderer
        self.calls = 0

    def render_example(self, messages: Sequence[Message]) -> RenderedExample:
        self.calls += 1
        return self.renderer.render_example(messages)


@pytest.fixture
def counted(renderer: ChatRenderer) -> Counted:
    return Counted(renderer)


@pytest.fixture
def stage(tiny: PreparedModel, home: Path) -> Stage:
    return tokens_stage(tiny, data_digest=SNAPSHOT, workspace=Workspace(home))


def keep(stage: Stage, counted: Counted, home: Path) -> bool:
    """Say whether all conversations come back as they are rendered without keeping."""
    kept = keep_renderings(
        stage, CONVERSATIONS, renderer=counted, workspace=Workspace(home), reporter=QUIET
    )
    return all(
        kept.render_example(messages) == counted.renderer.render_example(messages)
        for messages in CONVERSATIONS
    )


def test_conversations_are_rendered_once(stage: Stage, counted: Counted, home: Path) -> None:
    assert keep(stage, counted, home)
    assert keep(stage, counted, home)
    assert counted.calls == len(CONVERSATIONS)


@pytest.mark.parametrize("changed", ["data", "tokenizer", "template", "renderer", "end_of_turn"])
def test_what_shapes_tokens_is_in_the_key(
    changed: str, stage: Stage, tiny: PreparedModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry, record, data = tiny.entry, tiny.record, SNAPSHOT
    if changed == "data":
        data = "6" * 64
    elif changed == "end_of_turn":
        entry = entry.model_copy(update={"end_of_turn": "<|pad|>"})
    elif changed == "renderer":
        monkeypatch.setattr(tokenising, "RENDERER_VERSION", 99)
    else:
        record = record.model_copy(update={f"{changed}_digest": "7" * 64})
    other = PreparedModel(entry, tiny.folder, record)
    assert tokens_stage(other, data_digest=data, workspace=Workspace(home)).key != stage.key


@pytest.mark.parametrize("damage", ["a changed bit", "cut short", "gone", "no record", "fewer"])
def test_damaged_tokens_are_named_and_made_again(
    damage: str, stage: Stage, counted: Counted, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(stage, counted, home)
    path = stage.final / FILE_NAME
    content = bytearray(path.read_bytes())
    if damage == "a changed bit":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "no record":
        (stage.final / "stage.json").unlink()
    elif damage == "fewer":
        tokenising.remove_folder(stage.final)
        keep_renderings(
            stage, CONVERSATIONS[:3], renderer=counted, workspace=Workspace(home), reporter=QUIET
        )
    else:
        path.unlink()
    counted.calls = 0
    capsys.readouterr()
    assert keep(stage, counted, home)
    said = capsys.readouterr().err
    assert "made again" in said
    assert str(stage.final) in said
    assert keep(stage, counted, home)
    assert counted.calls == len(CONVERSATIONS)


def test_a_conversation_that_is_refused_leaves_nothing_behind(
    stage: Stage, renderer: ChatRenderer, home: Path
) -> None:
    with pytest.raises(InvalidInputError):
        keep_renderings(
            stage, [CONVERSATIONS[0], CONVERSATIONS[1][:1]],
            renderer=renderer, workspace=Workspace(home), reporter=QUIET,
        )  # fmt: skip
    assert not list((home / "tokens").iterdir())


def test_bytes_that_are_no_tokens_are_refused() -> None:
    for content in (b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      "):
        with pytest.raises(IntegrityError, match="cannot be read"):
            unpack_rendered(content, where="here")
