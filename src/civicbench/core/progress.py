"""Progress for long work: live bars on a terminal, plain lines in a log."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

_LINE_EVERY_S = 15.0
_AT_ONCE_S = 0.05
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
        shown = (
            self._live_bar(label, total, unit) if self._live else self._lines(label, total, unit)
        )
        with shown as advance:
            yield advance

    @contextlib.contextmanager
    def _live_bar(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            Remaining(),
        )
        pace = _Pace()
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(label, total=total, rate="")

            def advance(amount: int) -> None:
                pace.advance(amount)
                progress.update(task, advance=amount, rate=f"{pace.per_second:.1f} {unit}/s")

            yield advance

    @contextlib.contextmanager
    def _lines(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        pace = _Pace()
        shown = time.monotonic()

        def advance(amount: int) -> None:
            nonlocal shown
            pace.advance(amount)
            now = time.monotonic()
            if now - shown >= _LINE_EVERY_S and pace.done < total and pace.per_second > 0:
                shown = now
                left_s = (total - pace.done) / pace.per_second
                self.say(
                    f"  {label}: {pace.done} of {total} {unit}, {pace.per_second:.1f} {unit}/s, "
                    f"about {left_s:.0f} s left"
                )

        yield advance


class SilentReporter(Reporter):
    """Says nothing: for processes beside the one that speaks."""

    def __init__(self) -> None:
        super().__init__(live=False)

    def say(self, text: str) -> None:
        """Print nothing."""


class _Pace:
    """How much is done, and how fast: what is found done at once does not count as speed."""

    def __init__(self) -> None:
        self.done = 0
        self._started = time.monotonic()
        self._found = 0

    @property
    def per_second(self) -> float:
        """How much is done a second."""
        return (self.done - self._found) / max(time.monotonic() - self._started, 1e-9)

    def advance(self, amount: int) -> None:
        """Count what is done."""
        if self.done == 0 and time.monotonic() - self._started < _AT_ONCE_S:
            self._found = amount
        self.done += amount
