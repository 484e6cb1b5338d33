"""What licences of base models ask and bar (`configs/licences/*.yaml`)."""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from civicbench.core.content import find_content, list_content
from civicbench.core.documents import read_text, read_yaml_mapping
from civicbench.core.errors import InvalidInputError
from civicbench.core.settings import Settings, parse_settings, suggest
from civicbench.models.sectors import Sector

_KIND = "configs/licences/{name}.yaml"
_TEXT_KIND = "configs/licences/{name}.txt"


class UseClause(Settings):
    """One clause of a use policy, and the uses that it touches."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,39}$")]
    """What a waiver names it by."""
    place: str
    """Where it stands in the policy."""
    bars: str
    """What it bars, in our words."""
    sectors: Annotated[tuple[Sector, ...], Field(min_length=1)]
    """Uses that it touches."""
    needs: Literal["waiver", "attention"]
    """waiver: the use itself is barred unless somebody answers for why not; attention: doing it
    in a wrong way is barred, and the reviewer looks."""


class LicenceTerms(Settings):
    """A licence: what it asks of whoever passes a derivative on, and what it bars."""

    name: str
    """The file's name."""
    identifier: str
    """SPDX identifier, or LicenseRef-NAME: what a base model's entry names."""
    title: str
    """The licence's name."""
    url: str
    """Where its text stands."""
    read_on: date
    """The day on which the text was read for this file."""
    copy_section: str | None = None
    """Where it asks that its copy goes with the model; None where it does not."""
    name_prefix: str | None = None
    """What a derivative's name has to begin with."""
    name_section: str | None = None
    """Where it asks that."""
    attribution: str | None = None
    """The exact text that the Notice file has to carry."""
    attribution_section: str | None = None
    """Where it asks that."""
    notice_file: str = "NOTICE"
    """What the file with the attribution is called."""
    display: str | None = None
    """Words that have to be shown prominently."""
    display_section: str | None = None
    """Where it asks that."""
    users_limit_section: str | None = None
    """Where it sends licensees with more than 700 million monthly users to the maker."""
    multimodal_bars_eu: bool = False
    """Whether licensees in the EU get no rights to its multimodal models."""
    use_policy_url: str | None = None
    """The acceptable use policy that it makes part of itself."""
    clauses: tuple[UseClause, ...] = ()
    """The policy's clauses that uses of the public sector may touch."""

    @model_validator(mode="after")
    def _keys_once(self) -> "LicenceTerms":
        keys = [clause.key for clause in self.clauses]
        double = sorted({key for key in keys if keys.count(key) > 1})
        if double:
            raise ValueError(f"clauses named twice: {', '.join(double)}")
        if self.clauses and self.use_policy_url is None:
            raise ValueError("clauses without a use_policy_url")
        return self

    def clause(self, key: str) -> UseClause:
        """Return a clause by its key.

        Raises:
            InvalidInputError: The policy has none of that key.
        """
        for clause in self.clauses:
            if clause.key == key:
                return clause
        known = [clause.key for clause in self.clauses]
        near = suggest(key, known)
        raise InvalidInputError(
            f"the use policy of {self.title} has no clause {key!r} here",
            remedy=f"did you mean {near}?" if near else f"known: {', '.join(known) or 'none'}",
        )


def load_terms(name: str) -> LicenceTerms:
    """Return a licence by its file's name.

    Raises:
        InvalidInputError: No such name, or mistakes in its file.
    """
    return _read(find_content(_KIND, name))


def list_terms() -> list[LicenceTerms]:
    """Return every licence, by name."""
    return [_read(path) for _, path in sorted(list_content(_KIND).items())]


def find_terms(identifier: str) -> LicenceTerms | None:
    """Return the licence of an identifier, or None where none is described."""
    return next((terms for terms in list_terms() if terms.identifier == identifier), None)


def shipped_text(terms: LicenceTerms) -> Path | None:
    """Return the file with a licence's own text, where the project or the release has one."""
    return list_content(_TEXT_KIND).get(terms.name)


def read_shipped_text(terms: LicenceTerms) -> str | None:
    """Return a licence's own text, where the project or the release has one."""
    path = shipped_text(terms)
    return None if path is None else read_text(path)


def _read(path: Path) -> LicenceTerms:
    terms = parse_settings(LicenceTerms, read_yaml_mapping(path), where=str(path))
    if terms.name != path.stem:
        raise InvalidInputError(
            "name must equal the file's name", where=f"{path}: name", got=terms.name
        )
    return terms
