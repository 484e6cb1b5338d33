"""Rows as token ids, rendered once for each snapshot, tokenizer and template, and kept."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from civicbench.core.digests import digest_bytes
from civicbench.core.errors import IntegrityError
from civicbench.core.files import remove_folder
from civicbench.core.locks import exclusive
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage, StageOutput, find_finished, run_stage, stage_lock
from civicbench.core.workspace import Workspace
from civicbench.models.prepare import PreparedModel
from civicbench.models.rendering import CODE_VERSION as RENDERER_VERSION
from civicbench.models.rendering import RenderedExample
from civicbench.training.examples import Example

CODE_VERSION = 1
ROWS_NAME = "rows.safetensors"
# What turns text into ids besides our own code.
_LIBRARIES = ("jinja2", "tokenizers", "transformers")


def tokens_stage(
    prepared: PreparedModel, *, part: str, snapshot_digest: str, workspace: Workspace
) -> Stage:
    """Return the stage that renders a part of a snapshot.

    Args:
        prepared: The base model.
        part: Which rows of the snapshot, and which of their answers: "train", "validation".
        snapshot_digest: Digest of the snapshot.
        workspace: Where tokens are kept.
    """
    return Stage(
        kind="tokens",
        name=f"tokens of {part} rows for {prepared.entry.name}",
        folder=workspace.tokens,
        settings={
            "part": part,
            "end_of_turn": prepared.entry.end_of_turn,
            "renderer": RENDERER_VERSION,
            "libraries": {name: version(name) for name in _LIBRARIES},
        },
        inputs={
            "tokenizer": prepared.record.tokenizer_digest,
            "template": prepared.record.template_digest,
            "snapshot": snapshot_digest,
        },
        code_version=CODE_VERSION,
    )


def keep_examples(
    stage: Stage,
    render: Callable[[], Sequence[Example]],
    *,
    workspace: Workspace,
    reporter: Reporter,
) -> tuple[Example, ...]:
    """Return a stage's rows, rendered once; kept ones that were damaged are made again.

    Args:
        stage: From `tokens_stage`.
        render: Renders the rows; called where they are not kept.
        workspace: Where the lock stands.
        reporter: Told what is going on.

    Raises:
        CivicbenchError: Whatever rendering raises; nothing is kept then.
        IntegrityError: What was written just now does not read back.
    """

    def work(folder: Path) -> None:
        (folder / ROWS_NAME).write_bytes(pack_examples(render()))

    try:
        kept = find_finished(stage)
        if kept is not None:
            return read_examples(kept)
    except IntegrityError as error:
        _remove_damaged(stage, error, workspace=workspace, reporter=reporter)
    return read_examples(run_stage(stage, work, workspace=workspace, reporter=reporter))


def read_examples(output: StageOutput) -> tuple[Example, ...]:
    """Return the rows of a finished stage.

    Raises:
        IntegrityError: The file is not the one that was written.
    """
    path = output.folder / ROWS_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise IntegrityError("kept tokens are gone", where=str(path)) from None
    if digest_bytes(content) != output.record.outputs.get(ROWS_NAME):
        raise IntegrityError("kept tokens were changed", where=str(path))
    return unpack_examples(content, where=str(path))


def pack_examples(examples: Sequence[Example]) -> bytes:
    """Return rows as safetensors: all ids in a row, and where prompts and rows end in them."""
    names = [example.name.encode("utf-8", "surrogatepass") for example in examples]
    ids = [token for example in examples for token in example.input_ids]
    prompts = [len(example.rendered.prompt_ids) for example in examples]
    ends = np.cumsum([example.length for example in examples], dtype=np.int64)
    starts = ends - [example.length for example in examples]
    return save(
        {
            "ids": np.asarray(ids, dtype=np.uint32),
            "prompt_ends": np.asarray(starts + prompts, dtype=np.int64),
            "row_ends": ends,
            "names": np.frombuffer(b"".join(names), dtype=np.uint8),
            "name_ends": np.cumsum([len(name) for name in names], dtype=np.int64),
        }
    )


def unpack_examples(content: bytes, *, where: str) -> tuple[Example, ...]:
    """Return the rows that `pack_examples` wrote.

    Args:
        content: The file's bytes.
        where: The file, for the message.

    Raises:
        IntegrityError: The bytes are not such a file.
    """
    try:
        parts = load(content)
        ids, names = parts["ids"].tolist(), parts["names"].tobytes()
        places = [parts[name].tolist() for name in ("prompt_ends", "row_ends", "name_ends")]
    except (SafetensorError, KeyError) as error:
        raise IntegrityError("kept tokens cannot be read", where=where, got=str(error)) from None
    found = []
    start = name_start = 0
    for prompt_end, row_end, name_end in zip(*places, strict=True):
        rendered = RenderedExample(tuple(ids[start:prompt_end]), tuple(ids[prompt_end:row_end]))
        name = names[name_start:name_end].decode("utf-8", "surrogatepass")
        found.append(Example(name, rendered))
        start, name_start = row_end, name_end
    return tuple(found)


def _remove_damaged(
    stage: Stage, error: IntegrityError, *, workspace: Workspace, reporter: Reporter
) -> None:
    """Remove kept rows unless somebody else has mended them meanwhile."""
    with exclusive(stage_lock(stage, workspace=workspace), what=stage.name, reporter=reporter):
        try:
            mended = find_finished(stage)
            if mended is not None:
                read_examples(mended)
        except IntegrityError:
            reporter.say(f"  {stage.name}: {error.problem} ({error.where}); they are made again")
            remove_folder(stage.final)
