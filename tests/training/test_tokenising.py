"""Rows are rendered once; what is kept reads back exactly, or is named and made again."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.factory import QUIET
from tests.training.factory import SNAPSHOT, make_examples

from civicbench.core.errors import IntegrityError, InvalidInputError
from civicbench.core.stages import Stage
from civicbench.core.workspace import Workspace
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import ChatRenderer, RenderedExample
from civicbench.training import tokenising
from civicbench.training.examples import Example
from civicbench.training.tokenising import (
    ROWS_NAME,
    keep_examples,
    pack_examples,
    tokens_stage,
    unpack_examples,
)

TOKENS = st.lists(st.integers(0, 2**32 - 1), max_size=12).map(tuple)
EXAMPLES = st.lists(
    st.builds(
        Example,
        st.text(st.characters(), max_size=6),  # lone surrogates, too
        st.builds(RenderedExample, TOKENS, TOKENS),
    ),
    max_size=8,
)


@given(examples=EXAMPLES)
def test_rows_read_back_exactly(examples: list[Example]) -> None:
    content = pack_examples(examples)
    assert list(unpack_examples(content, where="here")) == examples
    assert pack_examples(examples) == content


class Counted:
    """Renders rows and counts how often."""

    def __init__(self, examples: list[Example]) -> None:
        self.examples = examples
        self.calls = 0

    def __call__(self) -> list[Example]:
        self.calls += 1
        return self.examples


@pytest.fixture
def rows(renderer: ChatRenderer) -> Counted:
    return Counted(make_examples(renderer))


@pytest.fixture
def stage(tiny: PreparedModel, home: Path) -> Stage:
    return tokens_stage(tiny, part="train", snapshot_digest=SNAPSHOT, workspace=Workspace(home))


def keep(stage: Stage, rows: Counted, home: Path) -> list[Example]:
    return list(keep_examples(stage, rows, workspace=Workspace(home), reporter=QUIET))


def test_rows_are_rendered_once(stage: Stage, rows: Counted, home: Path) -> None:
    assert keep(stage, rows, home) == keep(stage, rows, home) == rows.examples
    assert rows.calls == 1


@pytest.mark.parametrize("changed", ["snapshot", "tokenizer", "template", "part", "renderer"])
def test_what_shapes_tokens_is_in_the_key(
    changed: str, stage: Stage, tiny: PreparedModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, part, snapshot = tiny.record, "train", SNAPSHOT
    if changed == "snapshot":
        snapshot = "6" * 64
    elif changed == "part":
        part = "validation"
    elif changed == "renderer":
        monkeypatch.setattr(tokenising, "RENDERER_VERSION", 99)
    else:
        record = record.model_copy(update={f"{changed}_digest": "7" * 64})
    other = tokens_stage(
        PreparedModel(tiny.entry, tiny.folder, record),
        part=part, snapshot_digest=snapshot, workspace=Workspace(home),
    )  # fmt: skip
    assert other.key != stage.key


@pytest.mark.parametrize("damage", ["a changed bit", "cut short", "gone", "no record", "folder"])
def test_damaged_rows_are_named_and_made_again(
    damage: str, stage: Stage, rows: Counted, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(stage, rows, home)
    path = stage.final / ROWS_NAME
    content = bytearray(path.read_bytes())
    if damage == "a changed bit":
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "no record":
        (stage.final / "stage.json").unlink()
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    capsys.readouterr()
    assert keep(stage, rows, home) == rows.examples
    assert rows.calls == 2
    said = capsys.readouterr().err
    assert "made again" in said
    assert str(stage.final) in said
    assert keep(stage, rows, home) == rows.examples
    assert rows.calls == 2


def test_rows_that_are_refused_leave_nothing_behind(stage: Stage, home: Path) -> None:
    def refuse() -> list[Example]:
        raise InvalidInputError("there are no rows to train on")

    with pytest.raises(InvalidInputError):
        keep_examples(stage, refuse, workspace=Workspace(home), reporter=QUIET)
    assert not list((home / "tokens").iterdir())


def test_bytes_that_are_no_rows_are_refused() -> None:
    for content in (b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      "):
        with pytest.raises(IntegrityError, match="cannot be read"):
            unpack_examples(content, where="here")
