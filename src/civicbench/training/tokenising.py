"""Conversations as token ids, rendered once for each snapshot, tokenizer and template, and kept."""

from collections.abc import Sequence
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
from civicbench.models.rendering import Message, RenderedExample, RendersExamples

CODE_VERSION = 1
FILE_NAME = "tokens.safetensors"
# What turns text into ids besides our own code.
_LIBRARIES = ("jinja2", "tokenizers", "transformers")


class KeptRenderings:
    """What a renderer made of some conversations.

    Args:
        conversations: The conversations.
        rendered: Their token ids, in the same order.
    """

    def __init__(
        self,
        conversations: Sequence[Sequence[Message]],
        rendered: Sequence[RenderedExample],
    ) -> None:
        named = (tuple(messages) for messages in conversations)
        self._found = dict(zip(named, rendered, strict=True))

    def render_example(self, messages: Sequence[Message]) -> RenderedExample:
        """Return what the renderer made of one of the conversations.

        Raises:
            KeyError: It is none of them, which is a mistake of the caller.
        """
        return self._found[tuple(messages)]


def tokens_stage(prepared: PreparedModel, *, data_digest: str, workspace: Workspace) -> Stage:
    """Return the stage that renders all conversations that a run trains on.

    Args:
        prepared: The base model.
        data_digest: Names the conversations and their order.
        workspace: Where tokens are kept.
    """
    return Stage(
        kind="tokens",
        name=f"tokens for {prepared.entry.name}",
        folder=workspace.tokens,
        settings={
            "end_of_turn": prepared.entry.end_of_turn,
            "renderer": RENDERER_VERSION,
            "libraries": {name: version(name) for name in _LIBRARIES},
        },
        inputs={
            "tokenizer": prepared.record.tokenizer_digest,
            "template": prepared.record.template_digest,
            "data": data_digest,
        },
        code_version=CODE_VERSION,
    )


def keep_renderings(
    stage: Stage,
    conversations: Sequence[Sequence[Message]],
    *,
    renderer: RendersExamples,
    workspace: Workspace,
    reporter: Reporter,
) -> KeptRenderings:
    """Return conversations rendered once; kept ones that were damaged are made again.

    Args:
        stage: From `tokens_stage`.
        conversations: The conversations that its data digest names.
        renderer: Asked where they are not kept.
        workspace: Where the lock stands.
        reporter: Told what is going on.

    Raises:
        InvalidInputError: The renderer refuses a conversation; nothing is kept then.
        IntegrityError: What was written just now does not read back.
    """

    def work(folder: Path) -> None:
        rendered = [renderer.render_example(messages) for messages in conversations]
        (folder / FILE_NAME).write_bytes(pack_rendered(rendered))

    rows = len(conversations)
    try:
        kept = find_finished(stage)
        if kept is not None:
            return KeptRenderings(conversations, read_rendered(kept, rows=rows))
    except IntegrityError as error:
        _remove_damaged(stage, error, rows=rows, workspace=workspace, reporter=reporter)
    done = run_stage(stage, work, workspace=workspace, reporter=reporter)
    return KeptRenderings(conversations, read_rendered(done, rows=rows))


def read_rendered(output: StageOutput, *, rows: int) -> list[RenderedExample]:
    """Return what a finished stage keeps.

    Args:
        output: The stage.
        rows: How many conversations there should be.

    Raises:
        IntegrityError: The file is not the one that was written, or holds other conversations.
    """
    path = output.folder / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise IntegrityError("kept tokens are gone", where=str(path)) from None
    if digest_bytes(content) != output.record.outputs.get(FILE_NAME):
        raise IntegrityError("kept tokens were changed", where=str(path))
    found = unpack_rendered(content, where=str(path))
    if len(found) != rows:
        raise IntegrityError(
            "kept tokens are of other rows", where=str(path), got=f"{len(found)}, not {rows}"
        )
    return found


def pack_rendered(rendered: Sequence[RenderedExample]) -> bytes:
    """Return token ids as safetensors: all in a row, and where prompts and completions end."""
    ids: list[int] = []
    ends: list[int] = []
    for example in rendered:
        ids += example.prompt_ids
        ends.append(len(ids))
        ids += example.completion_ids
        ends.append(len(ids))
    return save(
        {
            "ids": np.asarray(ids, dtype=np.uint32),
            "ends": np.asarray(ends, dtype=np.int64).reshape(-1, 2),
        }
    )


def unpack_rendered(content: bytes, *, where: str) -> list[RenderedExample]:
    """Return the token ids that `pack_rendered` wrote.

    Args:
        content: The file's bytes.
        where: The file, for the message.

    Raises:
        IntegrityError: The bytes are not such a file.
    """
    try:
        parts = load(content)
        ids, ends = parts["ids"].tolist(), parts["ends"].tolist()
    except (SafetensorError, KeyError) as error:
        raise IntegrityError("kept tokens cannot be read", where=where, got=str(error)) from None
    found = []
    start = 0
    for prompt_end, end in ends:
        found.append(RenderedExample(tuple(ids[start:prompt_end]), tuple(ids[prompt_end:end])))
        start = end
    return found


def _remove_damaged(
    stage: Stage, error: IntegrityError, *, rows: int, workspace: Workspace, reporter: Reporter
) -> None:
    """Remove kept tokens unless another process has mended them meanwhile."""
    with exclusive(stage_lock(stage, workspace=workspace), what=stage.name, reporter=reporter):
        try:
            mended = find_finished(stage)
            if mended is not None:
                read_rendered(mended, rows=rows)
        except IntegrityError:
            reporter.say(f"  {stage.name}: {error.problem} ({error.where}); they are made again")
            remove_folder(stage.final)
