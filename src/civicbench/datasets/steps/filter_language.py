"""Leaving out texts in another language than they should be in."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from civicbench.core.errors import InvalidInputError
from civicbench.datasets.languages import count_letters, judged_part
from civicbench.datasets.steps.step import (
    Fields,
    Removed,
    RowFunction,
    RowStep,
    StepContext,
    Verdict,
    text_of,
)  # fmt: skip

_QUICKLY_SURE = 0.97
Tag = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class FilterLanguage(RowStep):
    """Leaves out rows whose text is, beyond doubt, in another language (detector: lingua)."""

    step: Literal["filter-language"] = "filter-language"
    """The step's name."""
    fields: Annotated[dict[str, Tag], Field(min_length=1)]
    """Fields, each with the two-letter code (ISO 639-1) of the language that it should be in."""
    among: tuple[Tag, ...] = ()
    """Other languages that may turn up. The detector chooses among these and the wanted ones: the
    fewer, the surer and the faster."""
    certainty: Annotated[float, Field(gt=0.5, le=1.0)] = 0.9
    """How sure the detector must be of another language before a row goes."""
    minimum_letters: Annotated[int, Field(ge=1)] = 20
    """Shorter texts are kept unjudged: names and headings look alike in many languages."""

    @model_validator(mode="after")
    def _something_to_choose_among(self) -> "FilterLanguage":
        if len({*self.fields.values(), *self.among}) < 2:
            raise ValueError("name at least one other language in `among`")
        return self

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The named fields."""
        return tuple(self.fields)

    def open(self, context: StepContext) -> RowFunction:
        """Return the function that judges a row.

        Raises:
            InvalidInputError: The detector does not know a language.
        """
        from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

        known = {language.iso_code_639_1.name.lower(): language for language in Language.all()}
        tags = sorted({*self.fields.values(), *self.among})
        unknown = [tag for tag in tags if tag not in known]
        if unknown:
            raise InvalidInputError(
                "the language detector does not know this language",
                where="step filter-language", got=", ".join(unknown),
                remedy=f"known: {', '.join(sorted(known))}",
            )  # fmt: skip
        codes = [IsoCode639_1.from_str(tag) for tag in tags]
        detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()
        # Looks at runs of three letters alone: where it is sure of the wanted language, which is
        # nearly always, the slower one need not be asked.
        quick = (
            LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_low_accuracy_mode().build()
        )

        def judge(fields: Fields) -> Verdict:
            for name, tag in self.fields.items():
                text = judged_part(text_of(fields, name) or "")
                if count_letters(text) < self.minimum_letters:
                    continue
                if quick.compute_language_confidence(text, known[tag]) >= _QUICKLY_SURE:
                    continue
                best = detector.compute_language_confidence_values(text)[0]
                found = best.language.iso_code_639_1.name.lower()
                if found != tag and best.value >= self.certainty:
                    return Removed(f"{name} is in another language", f"{found}, wanted {tag}")
            return None

        return judge
