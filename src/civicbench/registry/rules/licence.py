"""The rule on the base model's licence: its duties, and its use policy against declared uses."""

from collections.abc import Iterator, Sequence
from typing import Literal

from civicbench.models.licences import LicenceTerms, UseClause, find_terms
from civicbench.models.record import ModelRecord
from civicbench.registry.rules.facts import Facts, Waiver
from civicbench.registry.rules.outcomes import Check, NamedRule, cannot_tell, judged, met, not_met


class LicenceDuties(NamedRule):
    """The base model's licence is kept when the version is passed on, and its use is allowed."""

    kind: Literal["licence"]
    """The kind of rule."""
    licensee_in: Literal["UK", "EU", "elsewhere"]
    """Where the organisation that takes the licence has its principal place of business."""
    monthly_users: Literal["under 700 million", "over 700 million"] = "under 700 million"
    """Monthly users of the licensee's products at the model's release, where the licence asks."""

    def check(self, facts: Facts) -> tuple[Check, ...]:
        """Return a check for each duty and for each clause that the declared uses touch."""
        base = facts.base
        if base is None:
            return (cannot_tell("the base model's licence is known", "no base is recorded"),)
        terms = find_terms(base.licence.identifier)
        if terms is None:
            return (
                cannot_tell(
                    f"the duties of {base.licence.name} are known",
                    f"no file in configs/licences/ is of {base.licence.identifier}",
                ),
            )
        return (
            *_duties(terms, base, facts),
            *self._who(terms, base),
            *_uses(terms, facts),
        )

    def _who(self, terms: LicenceTerms, base: ModelRecord) -> Iterator[Check]:
        if terms.multimodal_bars_eu:
            asked = "a multimodal model's rights are granted to this licensee (not in the EU)"
            if "image" not in base.modalities:
                yield met(asked, f"{base.title} reads text only: the clause does not apply")
            else:
                found = f"the licensee is in the {self.licensee_in}, the model reads images"
                if self.licensee_in == "elsewhere":
                    found = "the licensee is neither in the UK nor in the EU"
                yield judged(self.licensee_in != "EU", asked, found)
        if terms.users_limit_section is not None:
            yield judged(
                self.monthly_users == "under 700 million",
                f"no licence of its own is needed (section {terms.users_limit_section})",
                f"declared: {self.monthly_users} monthly users",
            )


def _duties(terms: LicenceTerms, base: ModelRecord, facts: Facts) -> Iterator[Check]:
    if terms.name_prefix is not None:
        yield judged(
            facts.model_name.startswith(terms.name_prefix),
            f"the name begins with \N{LEFT DOUBLE QUOTATION MARK}{terms.name_prefix}"
            f"\N{RIGHT DOUBLE QUOTATION MARK} (section {terms.name_section})",
            facts.model_name,
        )
    if terms.attribution is not None:
        exact = base.licence.attribution == terms.attribution
        yield judged(
            exact,
            f"the Notice file carries the attribution, word for word (section "
            f"{terms.attribution_section})",
            "exports and publications carry it"
            if exact
            else f"the catalogue has: {base.licence.attribution or 'none'}",
        )
    if terms.display is not None:
        shown = base.licence.display == terms.display
        yield judged(
            shown,
            f"\N{LEFT DOUBLE QUOTATION MARK}{terms.display}\N{RIGHT DOUBLE QUOTATION MARK} is shown"
            f" (section {terms.display_section})",
            "at the top of the card, and in what is published"
            if shown
            else f"the catalogue has: {base.licence.display or 'none'}",
        )
    if terms.copy_section is not None:
        asked = f"a copy of the agreement goes with the model (section {terms.copy_section})"
        if facts.licence_texts:
            yield met(asked, ", ".join(facts.licence_texts))
        else:
            yield not_met(
                asked,
                "its text came with no file of the base model; put it into "
                f"configs/licences/{terms.name}.txt",
            )


def _uses(terms: LicenceTerms, facts: Facts) -> Iterator[Check]:
    if not terms.clauses:
        return
    if not facts.sectors:
        yield cannot_tell(
            f"the declared uses keep to the use policy ({terms.use_policy_url})",
            "the recipe declares no `sectors`",
        )
        return
    touched = False
    for clause in terms.clauses:
        sectors = sorted({*clause.sectors} & {*facts.sectors})
        if not sectors:
            continue
        touched = True
        yield _clause(clause, sectors=sectors, terms=terms, facts=facts)
    if not touched:
        yield met(
            "the declared uses keep to the use policy",
            f"no clause touches {', '.join(facts.sectors)}",
        )


def _clause(
    clause: UseClause, *, sectors: Sequence[str], terms: LicenceTerms, facts: Facts
) -> Check:
    asked = f"{clause.key}: {clause.bars} (use policy, {clause.place})"
    used = f"declared: {', '.join(sectors)}"
    if clause.needs == "attention":
        return met(asked, f"{used}; barred is doing it in a wrong way: the reviewer looks")
    waiver = next(
        (w for w in facts.waivers if _covers(w, clause, sectors, terms=terms, facts=facts)), None
    )
    if waiver is None:
        return not_met(
            asked,
            f"{used}; no waiver is in force: civicbench registry waive {facts.model_name} "
            f"--clause {clause.key}",
        )
    return met(
        asked,
        f"{used}; waived by {waiver.by} as {waiver.role} until {waiver.expires.isoformat()}: "
        f"{waiver.reason} (event {waiver.event[:12]})",
    )


def _covers(
    waiver: Waiver, clause: UseClause, sectors: Sequence[str], *, terms: LicenceTerms, facts: Facts
) -> bool:
    return (
        waiver.clause == clause.key
        and set(sectors) <= set(waiver.sectors)
        and waiver.licence == terms.identifier
        and waiver.model == facts.model_name
    )
