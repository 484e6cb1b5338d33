"""Checkpoints that are whole or absent: made aside, digested, flushed and renamed into place."""

import json
from collections.abc import Callable
from pathlib import Path

from civicbench.core.digests import digest_files
from civicbench.core.documents import read_text
from civicbench.core.errors import InvalidInputError
from civicbench.core.files import remove_folder, rename_folder_whole, write_json_whole
from civicbench.core.progress import Reporter
from civicbench.core.ranks import Ranks

_MARK = "whole.json"
CHECKPOINT = "checkpoint"
BEST = "best"


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: Where they stand.
        kept: How many are kept.
        writers: The processes that write a part each; None where one writes all.
    """

    def __init__(self, folder: Path, *, kept: int, writers: Ranks | None = None) -> None:
        self.folder = folder
        self._kept = kept
        self._writers = writers or Ranks()

    def path(self, kind: str, step: int) -> Path:
        """Return where a checkpoint stands.

        Args:
            kind: `CHECKPOINT`, or `BEST` for weights with a low held-out loss.
            step: Steps that were taken.
        """
        return self.folder / f"{kind}-{step}"

    def write(self, kind: str, step: int, fill: Callable[[Path], None]) -> None:
        """Write a checkpoint whole; where one of that name stands, it is replaced.

        Every process that writes a part calls this; the first one makes the folder, and puts it
        into its place once all have written.

        Args:
            kind: `CHECKPOINT` or `BEST`.
            step: Steps that were taken.
            fill: Writes this process's files into a folder.

        Raises:
            DiskFullError: No space; those before it are kept.
            WorkFailedError: Another process has gone.
        """
        final = self.path(kind, step)
        partial = final.with_name(f"{final.name}.partial")
        leads = self._writers.rank == 0
        if leads:
            remove_folder(partial)
            partial.mkdir(parents=True)
        self._writers.meet()
        fill(partial)
        self._writers.meet()
        if leads:
            write_json_whole(partial / _MARK, digest_files(partial, exclude={_MARK}))
            remove_folder(final)
            rename_folder_whole(partial, final)
        self._writers.meet()

    def prune(self, *, best_step: Callable[[Path], int | None]) -> None:
        """Remove all but the newest, and the best that none of those kept refers to.

        Args:
            best_step: Returns the best step that a checkpoint knows of.
        """
        steps = self._steps(CHECKPOINT)
        for step in steps[self._kept :]:
            remove_folder(self.path(CHECKPOINT, step))
        referred = {best_step(self.path(CHECKPOINT, step)) for step in steps[: self._kept]}
        for step in self._steps(BEST):
            if step not in referred:
                remove_folder(self.path(BEST, step))

    def newest_whole(self, *, reporter: Reporter) -> Path | None:
        """Return the newest checkpoint whose files are what they were, or None.

        Args:
            reporter: Told of each checkpoint that is passed over because it is not whole.
        """
        for step in self._steps(CHECKPOINT):
            checkpoint = self.path(CHECKPOINT, step)
            if is_whole(checkpoint):
                return checkpoint
            reporter.say(f"  {checkpoint.name} is not whole; looking at the one before it")
        return None

    def _steps(self, kind: str) -> list[int]:
        """Return the steps of a kind's checkpoints, the newest first."""
        if not self.folder.is_dir():
            return []
        names = [path.name.removeprefix(f"{kind}-") for path in self.folder.iterdir()]
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def is_whole(checkpoint: Path) -> bool:
    """Return whether a checkpoint has exactly the files that it was written with."""
    mark = checkpoint / _MARK
    if not mark.is_file():
        return False
    try:
        expected = json.loads(read_text(mark))
    except (ValueError, InvalidInputError):
        return False
    return bool(digest_files(checkpoint, exclude={_MARK}) == expected)
