"""Checkpoints that are whole: marked with their files' digests once all of them are written."""

import json
from pathlib import Path

from civicbench.core.digests import digest_files
from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import write_json_whole
from civicbench.core.progress import Reporter

_MARK = "whole.json"
_PREFIX = "checkpoint-"


def mark_whole(checkpoint: Path) -> None:
    """Mark a checkpoint as whole, with the digest of each of its files."""
    write_json_whole(checkpoint / _MARK, digest_files(checkpoint, exclude={_MARK}))


def latest_whole(folder: Path, *, reporter: Reporter) -> Path | None:
    """Return the newest whole checkpoint of a folder, or None.

    Args:
        folder: Where checkpoints stand.
        reporter: Told of each checkpoint that is passed over because it is not whole.
    """
    if not folder.is_dir():
        return None
    found = [p for p in folder.iterdir() if p.name.startswith(_PREFIX) and step_of(p) > 0]
    for checkpoint in sorted(found, key=step_of, reverse=True):
        if _is_whole(checkpoint):
            return checkpoint
        reporter.say(f"  {checkpoint.name} is not whole; looking at the one before it")
    return None


def step_of(checkpoint: Path) -> int:
    """Return the optimiser step of a checkpoint folder; 0 where its name has none."""
    number = checkpoint.name.removeprefix(_PREFIX)
    return int(number) if number.isdecimal() else 0


def _is_whole(checkpoint: Path) -> bool:
    mark = checkpoint / _MARK
    if not mark.is_file():
        return False
    try:
        expected = json.loads(read_text(mark))
    except (ValueError, InvalidInputError):
        return False
    return bool(digest_files(checkpoint, exclude={_MARK}) == expected)
