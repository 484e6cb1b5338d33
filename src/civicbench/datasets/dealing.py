"""Dealing curated rows to splits, and writing them."""

from pathlib import Path
from typing import TYPE_CHECKING

from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import suggest
from civicbench.datasets.curation import Curated, Report
from civicbench.datasets.excluding import ExclusionList
from civicbench.datasets.finishing import CHARACTERS, GROUP, NAME, PROMPT, STRATUM, group_lot
from civicbench.datasets.record import SplitFact
from civicbench.datasets.rows import SPLITS
from civicbench.datasets.settings import DatasetSettings
from civicbench.datasets.split_files import SplitWriter
from civicbench.datasets.splitting import assign
from civicbench.datasets.spool import Spool, unpack
from civicbench.datasets.steps.exact_duplicates import first_of_same
from civicbench.datasets.steps.step import KEPT
from civicbench.datasets.work import EXAMPLES, Exclusion, Tally, example, locate

if TYPE_CHECKING:
    from civicbench.datasets.steps.step import Keys, Numbers

SPLIT_STEP = "split"
_LEFT_OUT = -1
_SAME_NAME = "another row has the same name"
_SAME_PROMPT = "a training row asks the same"
_GROUPS_SHOWN = 20


class Dealing:
    """Deals curated rows to splits and writes them."""

    def __init__(
        self, settings: DatasetSettings, curated: Curated, excluded: ExclusionList, *, where: str
    ) -> None:
        self._settings = settings
        self._spool: Spool = curated.spool
        self._excluded = excluded
        self._where = where
        self._split_number = len(curated.reports)
        self._tally = Tally()
        self.reports = [*curated.reports, Report(SPLIT_STEP, self._tally)]

    def write(self, folder: Path) -> list[SplitFact]:
        """Deal the rows, and write each split's file.

        Raises:
            InvalidInputError: A named group that does not exist, or no rows left to train on.
        """
        import numpy as np

        spool = self._spool
        self._drop_same_names()
        places = self._assign()
        self._excluded.stop_at_mistakes()
        if not np.count_nonzero(places == 0):
            self._refuse_emptiness()
        written_as = self._settings.written_as
        preferences = self._settings.format.rejected is not None
        writers = [
            SplitWriter(folder / name, written_as=written_as, preferences=preferences)
            for name in SPLITS
        ]
        try:
            for line, place in zip(spool.lines(), places.tolist(), strict=True):
                if place != _LEFT_OUT:
                    writers[place].write(unpack(line)[2])
            digests = [writer.finish() for writer in writers]
        finally:
            for writer in writers:
                writer.abandon()
        facts = []
        groups, characters = spool.column(GROUP[0]), spool.column(CHARACTERS)
        for number, name in enumerate(SPLITS):
            mine = places == number
            file_digest, rows_digest = digests[number]
            facts.append(
                SplitFact(
                    name=name,
                    rows=int(mine.sum()),
                    groups=len(np.unique(groups[mine])),
                    characters=int(characters[mine].sum()),
                    sha256=file_digest,
                    rows_sha256="" if rows_digest == file_digest else rows_digest,
                )
            )
        return facts

    def _drop_same_names(self) -> None:
        """Find rows whose name an earlier one has."""
        import numpy as np

        because = first_of_same(*(self._spool.column(column) for column in NAME))
        self._gone = because != KEPT
        number = self._split_number - 1
        report = self.reports[number].tally
        for row in np.flatnonzero(self._gone).tolist():
            self._leave_out(row, number, report, _SAME_NAME, int(because[row]))

    def _assign(self) -> "Numbers":
        """Return each row's split, and leave out held-out rows that ask what training asks."""
        import numpy as np

        spool = self._spool
        here = np.flatnonzero(~self._gone)
        high, low = (spool.column(column) for column in GROUP)
        self._check_named_groups(high)
        places = np.full(len(spool), _LEFT_OUT, dtype=np.int64)
        places[here] = assign(high[here], low[here], self._strata()[here],
                              split=self._settings.split)  # fmt: skip
        self._tally.rows_in = self._tally.rows_out = len(here)
        if self._settings.split.same_prompts or not np.any(places > 0):
            return places
        prompt, other = (spool.column(column) for column in PROMPT)
        # A training row first, so that a held-out row with its prompt is a later copy of it.
        order = np.concatenate((np.flatnonzero(places == 0), np.flatnonzero(places > 0)))
        first = first_of_same(prompt[order], other[order])
        trained = int(np.count_nonzero(places == 0))
        copies = np.flatnonzero((first != KEPT) & (first < trained))
        copies = copies[copies >= trained]
        for position in copies.tolist():
            row = int(order[position])
            places[row] = _LEFT_OUT
            cause = int(order[first[position]])
            self._leave_out(row, self._split_number, self._tally, _SAME_PROMPT, cause)
        return places

    def _leave_out(self, row: int, number: int, tally: Tally, reason: str, cause: int) -> None:
        source, place, content = self._spool.row(row)
        other, there, _ = self._spool.row(cause)
        detail = f"as at {locate(self._settings.sources[other].label, there)}"
        refuse = reason == _SAME_NAME and self._settings.sources[source].mistakes == "refuse"
        self._excluded.add([Exclusion(number, source, place, reason, detail, refuse)])
        tally.rows_out -= 1
        tally.reasons[reason] += 1
        if len(tally.examples) < EXAMPLES:
            said = " | ".join(message["content"] for message in content["messages"][-2:])
            located = locate(self._settings.sources[source].label, place)
            tally.examples.append(example(located, reason, detail, said))

    def _strata(self) -> "Numbers":
        """Return the rank of each row's stratum among the sorted names of all."""
        import numpy as np

        column = self._spool.column(STRATUM)
        _, first, inverse = np.unique(column, return_index=True, return_inverse=True)
        field = self._settings.split.stratify
        names = [
            str(self._spool.content(row)["fields"][field]) if field else ""
            for row in first.tolist()
        ]
        rank = np.empty(len(names), dtype=np.int64)
        rank[np.array(sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)] = (
            np.arange(len(names))
        )
        return rank[inverse]

    def _check_named_groups(self, high: "Keys") -> None:
        """Refuse a split that names a group which no row has."""
        import numpy as np

        split = self._settings.split
        lots, first = np.unique(high, return_index=True)
        for key, named in (("test", split.test_groups), ("validation", split.validation_groups)):
            for name in named:
                if group_lot(name, seed=split.seed)[0] in lots:
                    continue
                known = [
                    self._spool.content(row)["group"] for row in first[:_GROUPS_SHOWN].tolist()
                ]
                near = suggest(name, known)
                listed = f"groups: {', '.join(sorted(known))}"
                raise InvalidInputError(
                    "names a group that no row is left of",
                    where=f"{self._where}: split.{key}_groups",
                    got=name,
                    remedy=f"did you mean {near}?" if near else listed,
                )

    def _refuse_emptiness(self) -> None:
        steps = "; ".join(
            f"{report.name} {report.tally.rows_in} to {report.tally.rows_out}"
            for report in self.reports
        )
        raise InvalidInputError(
            "no rows are left to train on", where=self._where, got=steps,
            remedy="look which step takes them away",
        )  # fmt: skip
