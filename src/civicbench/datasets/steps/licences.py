"""Which licences allow which purpose. A help to whoever decides, not legal advice."""

import re
from typing import Literal

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.steps.step import RowFunction, RowStep, StepContext

Purpose = Literal["evaluate", "train", "publish"]
_ORDER: tuple[Purpose, ...] = ("evaluate", "train", "publish")

# The furthest purpose that a licence allows. Permissive ones ask for attribution at most.
_FURTHEST: dict[str, Purpose] = {
    **dict.fromkeys(
        ("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0", "CC0-1.0",
         "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "ODC-By-1.0", "OGL-UK-1.0",
         "OGL-UK-2.0", "OGL-UK-3.0", "OPL-UK-3.0", "PDDL-1.0", "Unlicense"),
        "publish",
    ),
    # Share-alike: what is published would have to be under the same terms.
    **dict.fromkeys(
        ("CC-BY-SA-3.0", "CC-BY-SA-4.0", "EUPL-1.2", "GPL-2.0-only", "GPL-3.0-only", "MPL-2.0",
         "ODbL-1.0", "CDLA-Sharing-1.0"),
        "train",
    ),
    # No commercial use or no derivatives.
    **dict.fromkeys(
        ("CC-BY-NC-3.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0", "CC-BY-ND-4.0"),
        "evaluate",
    ),
}  # fmt: skip
_SPLIT = re.compile(r"\s+(AND|OR)\s+")


class Licences(RowStep):
    """Stops the build where a source's licence does not allow what the data is for."""

    step: Literal["licences"] = "licences"
    """The step's name."""
    purpose: Purpose
    """evaluate: score models with it; train: train models that stay inside; publish: train models
    that are given to others, sold ones too."""
    allow: tuple[str, ...] = ()
    """SPDX identifiers that are allowed beside those known to fit, because somebody answers for
    it: `LicenseRef-...` for an agreement of your own."""

    def open(self, context: StepContext) -> RowFunction:
        """Return a function that keeps every row: sources were checked before they were read."""
        return lambda fields: None

    def check(self, sources: "list[tuple[str, str]]", *, where: str) -> None:
        """Refuse sources whose licence does not allow the purpose.

        Args:
            sources: Each source's name and licence.
            where: The dataset, for the message.

        Raises:
            InvalidInputError: With every such source.
        """
        problems = [
            f"{name}: {problem}"
            for name, licence in sources
            if (problem := self._problem(licence)) is not None
        ]
        if problems:
            lines = [f"  - {problem}" for problem in problems]
            raise InvalidInputError(
                "\n".join([f"{len(problems)} sources may not be used for the purpose "
                           f"{self.purpose!r}", *lines]),
                where=where,
                remedy="leave them out, or name the licence in the step's `allow` if somebody "
                "with the right to decide has agreed",
            )  # fmt: skip

    def _problem(self, licence: str) -> str | None:
        """Return why a licence expression (SPDX, without brackets) does not fit, or None."""
        parts = _SPLIT.split(licence.strip())
        names, words = parts[::2], set(parts[1::2])
        if len(words) > 1:
            return f"{licence}: an expression with both AND and OR is not read; name it in `allow`"
        if licence in self.allow:
            return None
        problems = [self._single_problem(name) for name in names]
        bad = [problem for problem in problems if problem is not None]
        fits = len(bad) < len(problems) if words == {"OR"} else not bad
        return None if fits else "; ".join(bad)

    def _single_problem(self, name: str) -> str | None:
        if name in self.allow:
            return None
        furthest = _FURTHEST.get(name)
        if furthest is None:
            return f"{name} is not a licence that is known here"
        if _ORDER.index(furthest) < _ORDER.index(self.purpose):
            return f"{name} allows no more than {furthest!r}"
        return None
