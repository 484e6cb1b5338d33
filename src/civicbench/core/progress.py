"""Progress for long work: live bars on a terminal, plain lines in a log."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_LINE_EVERY_S = 15.0
Advance = Callable[[int], None]


class Reporter:
    """Says what is going on: on a terminal with rich, elsewhere as plain lines on stderr."""

    def __init__(self, *, live: bool | None = None) -> None:
        self._live = sys.stderr.isatty() if live is None else live

    def say(self, text: str) -> None:
        """Print one line."""
        print(text, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def track(self, label: str, *, total: int, unit: str) -> Iterator[Advance]:
        """Show progress over a known amount of work.

        Args:
            label: What is being done.
            total: How much there is.
            unit: What is counted, in the plural ("items", "steps").

        Yields:
            A function that is called with how much more is done.
        """
        shown = self._live_bar(label, total) if self._live else self._lines(label, total, unit)
        with shown as advance:
            yield advance

    @contextlib.contextmanager
    def _live_bar(self, label: str, total: int) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            Remaining(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=total)
            yield lambda amount: progress.advance(task, amount)

    @contextlib.contextmanager
    def _lines(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        started = shown = time.monotonic()
        done = 0

        def advance(amount: int) -> None:
            nonlocal done, shown
            done += amount
            now = time.monotonic()
            if now - shown >= _LINE_EVERY_S and done < total:
                shown = now
                left_s = (now - started) / max(done, 1) * (total - done)
                self.say(f"  {label}: {done} of {total} {unit}, about {left_s:.0f} s left")

        yield advance
