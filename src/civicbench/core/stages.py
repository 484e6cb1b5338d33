"""Stages: work that is named by its inputs, done once, and put into place whole.

A stage's key is the digest of its resolved settings, the digests of its inputs and the
version of its code. A stage whose finished output stands under its key is not run again.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from civicbench.core.digests import digest_files, digest_json, digest_listing, short
from civicbench.core.documents import read_text
from civicbench.core.errors import CivicbenchError, IntegrityError
from civicbench.core.files import (
    disk_errors_explained,
    disk_full_behind,
    remove_folder,
    rename_folder_whole,
    write_text_whole,
)
from civicbench.core.locks import exclusive
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace

RECORD_NAME = "stage.json"
_KEY_CHARACTERS = 20


class StageRecord(BaseModel):
    """What a finished stage says of itself, in `stage.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    """The stage's name, as the user sees it."""
    key: str
    """Digest of settings, inputs and code version."""
    code_version: int
    """Version of the stage's code; raised when its output would change."""
    settings: dict[str, Any]
    """The resolved settings that the key covers."""
    inputs: dict[str, str]
    """Digests of what the stage read, by name."""
    outputs: dict[str, str]
    """sha256 of each output file that is a function of the key, by relative path."""
    wall_time_s: float
    """How long the stage took, over all of its attempts' last one."""


@dataclass(frozen=True)
class Stage:
    """One stage to run.

    Attributes:
        kind: What sort of stage it is; part of the key ("snapshot", "train", "score").
        name: What the user sees.
        folder: The workspace folder that its outputs go into.
        settings: Everything that shapes the output, as JSON-ready values.
        inputs: Digests of what it reads, by name.
        code_version: Raised by hand when the same settings and inputs would give other bytes.
        volatile: Output files that differ between equal runs (timings): not part of the digest.
        resumable: Keep a half-finished folder for the next attempt (checkpoints).
    """

    kind: str
    name: str
    folder: Path
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]
    code_version: int
    volatile: frozenset[str] = frozenset()
    resumable: bool = False

    @property
    def key(self) -> str:
        """The digest that names the stage's output."""
        return digest_json(
            {
                "kind": self.kind,
                "settings": dict(self.settings),
                "inputs": dict(self.inputs),
                "code_version": self.code_version,
            }
        )

    @property
    def final(self) -> Path:
        """Where the finished output stands."""
        return self.folder / self.key[:_KEY_CHARACTERS]

    @property
    def partial(self) -> Path:
        """Where the output is made before it is renamed into place."""
        return self.folder / f"{self.key[:_KEY_CHARACTERS]}.partial"


@dataclass(frozen=True)
class StageOutput:
    """A finished stage.

    Attributes:
        folder: Where its files stand.
        record: What it says of itself.
        reused: True where it was found done.
    """

    folder: Path
    record: StageRecord
    reused: bool

    @property
    def digest(self) -> str:
        """The digest of its output files: what a later stage names as its input."""
        return digest_listing(self.record.outputs)


def find_finished(stage: Stage) -> StageOutput | None:
    """Return a stage's finished output where it stands, checked for missing files.

    Raises:
        IntegrityError: A finished folder lacks its record, or a file that the record names.
    """
    if not stage.final.exists():
        return None
    path = stage.final / RECORD_NAME
    try:
        record = StageRecord.model_validate_json(read_text(path))
    except (CivicbenchError, ValidationError) as error:
        raise IntegrityError(
            "a finished stage has lost its record",
            where=str(path),
            got=str(error),
            remedy=f"restore it, or remove {stage.final} to run the stage again",
        ) from None
    if record.key != stage.key:
        raise IntegrityError(
            "holds the output of another stage", where=str(stage.final), got=record.key
        )
    missing = [name for name in record.outputs if not (stage.final / name).is_file()]
    if missing:
        raise IntegrityError(
            "a finished stage has lost files",
            where=str(stage.final),
            got=", ".join(missing[:5]),
            remedy="restore them, or remove the folder to run the stage again",
        )
    return StageOutput(stage.final, record, reused=True)


def stage_lock(stage: Stage, *, workspace: Workspace) -> Path:
    """Return the lock of whoever makes, or removes, a stage's output."""
    return workspace.locks / f"{stage.folder.name}-{stage.key[:_KEY_CHARACTERS]}.lock"


def run_stage(
    stage: Stage, work: Callable[[Path], None], *, workspace: Workspace, reporter: Reporter
) -> StageOutput:
    """Run a stage unless its finished output stands; put its output into place whole.

    Two processes that want the same stage take turns: the second finds it done.

    Args:
        stage: What to run.
        work: Fills the folder it is given; called at most once.
        workspace: Where the lock stands.
        reporter: Told of start, end, and of what was found done.

    Returns:
        The finished output.

    Raises:
        CivicbenchError: Whatever the work raises; nothing half-written is left in place.
    """
    found = find_finished(stage)
    if found is None:
        lock = stage_lock(stage, workspace=workspace)
        with exclusive(lock, what=stage.name, reporter=reporter):
            found = find_finished(stage)
            if found is None:
                return _work(stage, work, reporter=reporter)
    reporter.say(f"= {stage.name}: found done under {short(stage.key)}")
    return found


def _work(stage: Stage, work: Callable[[Path], None], *, reporter: Reporter) -> StageOutput:
    reporter.say(f"> {stage.name}: started under {short(stage.key)}")
    started = time.monotonic()
    with disk_errors_explained(str(stage.partial)):
        if not stage.resumable:
            remove_folder(stage.partial)
        stage.partial.mkdir(parents=True, exist_ok=True)
        try:
            work(stage.partial)
            record = _finish(stage, wall_time_s=round(time.monotonic() - started, 3))
        except BaseException as error:
            full = None
            if isinstance(error, Exception) and not isinstance(error, CivicbenchError):
                full = disk_full_behind(error, folder=stage.partial)
            # A resumable stage that did nothing yet has nothing to go on from.
            if not stage.resumable or not any(stage.partial.iterdir()):
                remove_folder(stage.partial)
            if full is not None:
                raise full from error
            raise
    reporter.say(f"+ {stage.name}: done in {record.wall_time_s:.1f} s")
    return StageOutput(stage.final, record, reused=False)


def _finish(stage: Stage, *, wall_time_s: float) -> StageRecord:
    """Write the record and put the output into its place."""
    record = StageRecord(
        name=stage.name,
        key=stage.key,
        code_version=stage.code_version,
        settings=dict(stage.settings),
        inputs=dict(stage.inputs),
        outputs=digest_files(stage.partial, exclude={RECORD_NAME, *stage.volatile}),
        wall_time_s=wall_time_s,
    )
    write_text_whole(stage.partial / RECORD_NAME, record.model_dump_json(indent=2) + "\n")
    rename_folder_whole(stage.partial, stage.final)
    return record
