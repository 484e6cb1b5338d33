"""A version as a W&B artefact: written to a local run folder, and sent only by `wandb sync`."""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.digests import digest_file
from civicbench.core.errors import IntegrityError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.loading import require_package
from civicbench.pipeline.publishing.version import open_version

_DATA_FOLDER = "wandb-data"
_LOG_HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
_LOG_BLOCK_BYTES = 32768
_LOG_PIECE = struct.Struct("<IHB")
_LOG_ENDS = {1, 4}


@dataclass(frozen=True)
class WandbCopy:
    """A version in a local W&B run.

    Attributes:
        folder: The run's folder, for `wandb sync`.
        artefact: The artefact's name.
        files: How many files it names.
    """

    folder: Path
    artefact: str
    files: int


def publish_to_wandb(
    reference: str, *, project: str, folder: Path, workspace: Workspace, reporter: Reporter
) -> WandbCopy:
    """Write a version as an artefact of an offline W&B run, and read the run's folder back.

    Args:
        reference: The version.
        project: The project under which the run is filed.
        folder: Where the run's folder goes.
        workspace: Where the registry is.
        reporter: Told what is going on.

    Raises:
        PartAbsentError: The package is not installed.
        IntegrityError: The run's folder does not hold the artefact that was written.
    """
    require_package("wandb", extra="wandb")
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    folder.mkdir(parents=True, exist_ok=True)
    # What waits to be sent is kept beside the run, and not in the user's home.
    os.environ["WANDB_DATA_DIR"] = str(folder.resolve() / _DATA_FOLDER)
    with open_version(reference, workspace=workspace) as version:
        name = f"{version.evidence.model_name}-v{version.shown.number}"
        run = wandb.init(
            project=project,
            name=version.shown.reference,
            job_type="publish",
            dir=str(folder),
            mode="offline",
            config=version.facts,
            settings=wandb.Settings(silent=True, console="off", x_disable_stats=True),
        )
        place = Path(run.dir).parent
        try:
            artefact = wandb.Artifact(
                name,
                type="model",
                description=version.evidence.recipe.purpose,
                metadata=dict(version.facts),
            )
            artefact.add_dir(str(version.folder), policy="mutable")
            run.log_artifact(artefact)
            run.summary.update(
                {
                    f"{c.suite}/{c.task}/{c.metric}": c.tuned.value
                    for c in version.evidence.comparisons
                }
            )
        finally:
            run.finish()
        files = {
            path.relative_to(version.folder).as_posix(): digest_file(path)
            for path in sorted(version.folder.rglob("*"))
            if path.is_file()
        }
    check_run(place, artefact=name, files=files)
    reporter.say(f"  wandb sync {place} sends it")
    return WandbCopy(place, name, len(files))


def check_run(folder: Path, *, artefact: str, files: dict[str, str]) -> None:
    """Read an offline run's log back and hold its artefact to the files that went into it.

    Args:
        folder: The run's folder.
        artefact: The artefact's name.
        files: sha256 of each file by its path in the artefact.

    Raises:
        IntegrityError: The log holds no such artefact, or another list of files, or a file that
            it keeps for sending has other bytes.
    """
    entries = _logged_files(folder, artefact=artefact)
    missing = sorted(files.keys() ^ entries.keys())
    if missing:
        raise IntegrityError(
            "the W&B run does not name the version's files",
            where=str(folder),
            got=", ".join(missing[:5]),
        )
    for name, kept in entries.items():
        if kept is not None and (not kept.is_file() or digest_file(kept) != files[name]):
            raise IntegrityError(
                "the W&B run keeps other bytes than the version's", where=str(kept), got=name
            )


def _logged_files(folder: Path, *, artefact: str) -> dict[str, Path | None]:
    """Return where the run keeps each file of an artefact, by its path in it."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, Path | None] = {}
    for path in sorted(folder.glob("*.wandb")):
        for data in read_log(path.read_bytes(), where=str(path)):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
                logged = record.request.log_artifact.artifact
            elif kind == "artifact":
                logged = record.artifact
            else:
                continue
            if logged.name != artefact:
                continue
            for entry in logged.manifest.contents:
                found[entry.path] = Path(entry.local_path) if entry.local_path else None
    if not found:
        raise IntegrityError("the W&B run holds no such artefact", where=str(folder), got=artefact)
    return found


def read_log(content: bytes, *, where: str) -> Iterator[bytes]:
    """Yield the records of a `.wandb` file.

    It is a log as LevelDB writes them: blocks of 32 KiB, in each of which pieces of records follow
    each other, with a checksum, a length and whether more pieces come.

    Args:
        content: The file's bytes.
        where: What it is, for the message.

    Raises:
        IntegrityError: No such file, one that is cut short, or a piece with another checksum.
    """
    if content[: len(_LOG_HEADER)] != _LOG_HEADER:
        raise IntegrityError("is no W&B run's log", where=where)
    at, pieces = len(_LOG_HEADER), b""
    while at < len(content):
        left = _LOG_BLOCK_BYTES - at % _LOG_BLOCK_BYTES
        if left < _LOG_PIECE.size:
            at += left
            continue
        if at + _LOG_PIECE.size > len(content):
            raise IntegrityError("is cut short", where=where)
        checksum, length, kind = _LOG_PIECE.unpack_from(content, at)
        piece = content[at + _LOG_PIECE.size :][:length]
        if len(piece) < length or zlib.crc32(bytes([kind]) + piece) != checksum:
            raise IntegrityError("is cut short or was changed", where=where, got=f"byte {at}")
        at += _LOG_PIECE.size + length
        pieces += piece
        if kind in _LOG_ENDS:
            yield pieces
            pieces = b""
