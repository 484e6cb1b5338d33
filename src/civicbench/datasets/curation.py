"""The passes of a curation: rows stream through row steps, whole steps decide between passes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from civicbench.core.errors import InvalidInputError
from civicbench.core.progress import Reporter
from civicbench.core.settings import suggest
from civicbench.datasets.checking import CheckFields
from civicbench.datasets.excluding import ExclusionList
from civicbench.datasets.finishing import Finish
from civicbench.datasets.pool import Cores
from civicbench.datasets.reading import BATCH_ROWS, SourceCounts, read_sources
from civicbench.datasets.settings import DatasetSettings
from civicbench.datasets.spool import Spool
from civicbench.datasets.steps.step import KEPT, Decisions, RowStep, StepContext, WholeStep
from civicbench.datasets.work import (
    EXAMPLES,
    Batch,
    BatchResult,
    Exclusion,
    Pass,
    Tally,
    example,
    locate,
    show_row,
)

_BATCH_BYTES = 4 << 20
FORMAT_STEP = "format"


@dataclass(frozen=True)
class Report:
    """What one step did.

    Attributes:
        name: The step.
        tally: Its counts and examples.
    """

    name: str
    tally: Tally


@dataclass(frozen=True)
class Curated:
    """Rows after every declared step, ready to be dealt.

    Attributes:
        spool: The rows' lines, with the keys of `Finish`.
        reports: What each step did, in order, reading first and formatting last.
        counts: What came out of each source.
    """

    spool: Spool
    reports: list[Report]
    counts: SourceCounts


class Curation:
    """Takes rows through a dataset's steps.

    Args:
        settings: The dataset.
        context: What steps may know.
        work: An empty folder for what stands between steps.
        excluded: Where exclusions are listed.
        where: The dataset, for messages.
        reporter: Told what is going on.
        cores: How many processes; None takes the machine's.
    """

    def __init__(
        self,
        settings: DatasetSettings,
        *,
        context: StepContext,
        work: Path,
        excluded: ExclusionList,
        where: str,
        reporter: Reporter,
        cores: int | None = None,
    ) -> None:
        self._settings = settings
        self._context = context
        self._work = work
        self._excluded = excluded
        self._where = where
        self._reporter = reporter
        self._cores = cores
        self._labels = tuple(source.label for source in settings.sources)
        self._tallies = [Tally() for _ in step_names(settings)]
        self._names: set[str] = set()

    def run(self, files: Iterable[tuple[int, Mapping[str, Path]]]) -> Curated:
        """Read the sources and apply every step.

        Raises:
            InvalidInputError: Rows that may not be left out, a field that no row has, no rows.
        """
        counts = SourceCounts()
        batches: Iterator[Batch] = read_sources(self._settings, files, counts=counts)
        spool: Spool | None = None
        passes = self._passes()
        with Cores(passes, count=self._cores) as cores:
            for number, plan in enumerate(passes):
                following = Spool(self._work / f"pass-{number}", columns=plan.whole.key_columns)
                for result in cores.run(number, batches):
                    self._take(result, following)
                following.finish()
                self._excluded.stop_at_mistakes()
                if spool is None:
                    self._check_names(counts)
                else:
                    spool.remove()
                spool = following
                if isinstance(plan.whole, WholeStep):
                    batches = self._decide(plan.whole, spool, self._whole_numbers[number])
        if spool is None:
            raise AssertionError("there is always a last pass")
        reports = [
            Report(name, tally)
            for name, tally in zip(step_names(self._settings), self._tallies, strict=True)
        ]
        return Curated(spool, reports, counts)

    def _passes(self) -> list[Pass]:
        """Cut the steps into passes: each ends with a whole step, the last with the finish."""
        settings = self._settings
        made = {name for step in settings.steps if isinstance(step, RowStep)
                for name in step.made_fields}  # fmt: skip
        needed = settings.needed_fields
        whole_format = None if made & set(settings.format.fields) else settings.format
        first = tuple(name for name in needed if name not in made)
        pending: list[tuple[int, RowStep]] = [
            (0, CheckFields(step="read", needed=first, format=whole_format))
        ]
        self._whole_numbers: list[int] = []
        passes = []
        for number, step in enumerate(settings.steps, start=1):
            if isinstance(step, RowStep):
                pending.append((number, step))
                continue
            passes.append(self._pass(pending, step))
            self._whole_numbers.append(number)
            pending = []
        last = CheckFields(step="format", needed=needed, format=settings.format)
        pending.append((len(settings.steps) + 1, last))
        finish = Finish(
            identifier=settings.identifier_text,
            group=settings.group_text,
            stratify=settings.split.stratify,
            seed=settings.split.seed,
            format=settings.format,
        )
        passes.append(self._pass(pending, finish))
        return passes

    def _pass(self, steps: Sequence[tuple[int, RowStep]], whole: WholeStep | Finish) -> Pass:
        return Pass(
            steps=tuple(steps),
            whole=whole,
            context=self._context,
            refusing=tuple(source.mistakes == "refuse" for source in self._settings.sources),
            labels=self._labels,
            checks=frozenset({0, len(self._settings.steps) + 1}),
        )

    def _take(self, result: BatchResult, spool: Spool) -> None:
        spool.add(result.lines, result.keys)
        for number, tally in result.tallies.items():
            self._tallies[number].add(tally)
        self._excluded.add(result.exclusions)
        self._names |= result.names

    def _decide(self, step: WholeStep, spool: Spool, number: int) -> Iterator[Batch]:
        """Let a whole step decide, and yield the rows that stay in batches."""
        tally = self._tallies[number]
        tally.rows_in = tally.rows_out = len(spool)
        if not len(spool):
            return iter(())
        decisions = step.decide(spool.column, spool.content, self._context)
        self._leave_out(decisions, spool, number)
        return _kept_batches(decisions, spool)

    def _leave_out(self, decisions: Decisions, spool: Spool, number: int) -> None:
        import numpy as np

        tally = self._tallies[number]
        for row in np.flatnonzero(decisions.because != KEPT).tolist():
            source, place, fields = spool.row(row)
            cause = int(decisions.because[row])
            detail = ""
            if cause != row:
                other, there, _ = spool.row(cause)
                detail = f"as at {locate(self._labels[other], there)}"
            self._excluded.add([Exclusion(number, source, place, decisions.reason, detail)])
            tally.rows_out -= 1
            tally.reasons[decisions.reason] += 1
            if len(tally.examples) < EXAMPLES:
                said = show_row(fields, self._context)
                located = locate(self._labels[source], place)
                tally.examples.append(example(located, decisions.reason, detail, said))

    def _check_names(self, counts: SourceCounts) -> None:
        """Refuse steps and keys that name a field which no row has: a slip of the pen."""
        if not counts.rows:
            malformed = counts.malformed.total()
            raise InvalidInputError(
                "the dataset has no rows", where=self._where,
                got=f"{malformed} malformed; {self._excluded.first}" if malformed else None,
                remedy="look at the source: is the file whole, and its reader the right one?",
            )  # fmt: skip
        known = set(self._names)
        problems = []
        for number, step in enumerate(self._settings.steps):
            for name in step.named_fields:
                if name not in known:
                    near = suggest(name, known)
                    hint = (
                        f"did you mean {near}?" if near else f"fields: {', '.join(sorted(known))}"
                    )
                    problems.append(
                        f"steps.{number} ({step.step}): no row has a field {name!r}; {hint}"
                    )
            if isinstance(step, RowStep):
                known |= set(step.made_fields)
        if problems:
            lines = [f"  - {problem}" for problem in problems]
            raise InvalidInputError(
                "\n".join(["fields that no row has", *lines]), where=self._where
            )


def step_names(settings: DatasetSettings) -> list[str]:
    """Return the names under which a dataset's steps report: reading, the declared, formatting."""
    return ["read", *(step.step for step in settings.steps), FORMAT_STEP]


def _kept_batches(decisions: Decisions, spool: Spool) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    kept = (decisions.because == KEPT).tolist()
    for line, stays in zip(spool.lines(), kept, strict=True):
        if not stays:
            continue
        batch.append(line)
        size += len(line)
        if len(batch) >= BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
