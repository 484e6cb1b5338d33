"""The fields of an ATRS record, under keys that stay when the standard renumbers its headings.

Numbers and headings are those of records published under versions 3 and 4 of the standard
(GOV.UK, Algorithmic Transparency Recording Standard, records of 2024 and 2025); each is checked
against the template of the day before a record is published.
"""

from dataclasses import dataclass
from typing import Literal

FilledBy = Literal["measured", "drafted", "person"]
"""measured: from the evidence, and not to be edited; drafted: a text is proposed, and a person may
put another in its place; person: nobody but a person knows."""
STANDARD_VERSION = "4.0"


@dataclass(frozen=True)
class AtrsField:
    """One field.

    Attributes:
        key: Its name here, for ever.
        number: Its number in the standard; empty for metadata.
        title: Its heading in the standard.
        section: The part it stands in.
        filled_by: Where its text comes from.
        asks: What belongs in it.
        only_if: The key of a field that has to be answered "yes" for this one to be needed.
        optional: Whether it may stay empty.
    """

    key: str
    number: str
    title: str
    section: str
    filled_by: FilledBy
    asks: str
    only_if: str = ""
    optional: bool = False

    @property
    def tier(self) -> int:
        """The tier: 1 is for everybody, 2 for those who want to know more; 0 is metadata."""
        return {"": 0, "1": 1}.get(self.number[:1], 2)


_METADATA = "Metadata"
_OVERVIEW = "Tier 1: overview"
_OWNER = "2.1 Owner and responsibility"
_RATIONALE = "2.2 Description and rationale"
_DECISION = "2.3 Deployment context"
_SYSTEM = "2.4.1 System specification"
_MODEL = "2.4.2 Model specification"
_DEVELOPMENT = "2.4.3 Development data"
_OPERATIONAL = "2.4.4 Operational data"
_RISK = "2.5 Risks, mitigations and impact assessments"
_SUPPLIER = "third_party_involvement"

FIELDS: tuple[AtrsField, ...] = (
    AtrsField("organisation", "", "Organisation", _METADATA, "person",
              "The organisation that publishes the record."),
    AtrsField("organisation_type", "", "Organisation type", _METADATA, "person",
              "Such as ministerial department, arm's-length body or local authority."),
    AtrsField("phase", "", "Phase", _METADATA, "person",
              "Such as pre-deployment, private beta, public beta, production or retired."),
    AtrsField("region", "", "Region", _METADATA, "person", "Where the tool is used."),
    AtrsField("function", "", "Function", _METADATA, "person",
              "The public function it serves, such as housing or health.", optional=True),
    AtrsField("name", "1.1", "Name", _OVERVIEW, "drafted", "What the tool is called."),
    AtrsField("description", "1.2", "Description", _OVERVIEW, "drafted",
              "What the tool does and why, for a reader who knows nothing of it."),
    AtrsField("website", "1.3", "Website URL", _OVERVIEW, "person",
              "Where more is to be read.", optional=True),
    AtrsField("contact_email", "1.4", "Contact email", _OVERVIEW, "person",
              "Where questions about the tool are answered."),
    AtrsField("owner_organisation", "2.1.1", "Organisation or department", _OWNER, "person",
              "Who is responsible for the tool's use."),
    AtrsField("team", "2.1.2", "Team", _OWNER, "person", "The team within it."),
    AtrsField("senior_responsible_owner", "2.1.3", "Senior responsible owner", _OWNER, "person",
              "The post of the person who answers for it."),
    AtrsField(_SUPPLIER, "2.1.4", "Third party involvement", _OWNER, "person",
              "Yes where anyone outside the organisation helped to make or run it, else no."),
    AtrsField("third_party", "2.1.4.1", "Third party", _OWNER, "person", "Who.",
              only_if=_SUPPLIER),
    AtrsField("companies_house_number", "2.1.4.2", "Companies House Number", _OWNER, "person",
              "The supplier's number.", only_if=_SUPPLIER),
    AtrsField("third_party_role", "2.1.4.3", "Third party role", _OWNER, "person",
              "What the supplier did or does.", only_if=_SUPPLIER),
    AtrsField("procurement", "2.1.4.4", "Procurement procedure type", _OWNER, "person",
              "How the supplier was chosen.", only_if=_SUPPLIER),
    AtrsField("third_party_data_access", "2.1.4.5", "Third party data access terms", _OWNER,
              "person", "To which data the supplier has access, and on what terms.",
              only_if=_SUPPLIER),
    AtrsField("detailed_description", "2.2.1", "Detailed description", _RATIONALE, "drafted",
              "How the tool works, for a reader who knows such tools."),
    AtrsField("scope", "2.2.2", "Scope", _RATIONALE, "drafted",
              "What it was made for, and what it was not made for."),
    AtrsField("benefit", "2.2.3", "Benefit", _RATIONALE, "person",
              "What is gained, and how that is known."),
    AtrsField("previous_process", "2.2.4", "Previous process", _RATIONALE, "person",
              "How the work was done before."),
    AtrsField("alternatives_considered", "2.2.5", "Alternatives considered", _RATIONALE,
              "person", "What else was looked at, and why it was turned down."),
    AtrsField("process_integration", "2.3.1", "Process integration", _DECISION, "person",
              "At which step of which decision it is used."),
    AtrsField("provided_information", "2.3.2", "Provided information", _DECISION, "person",
              "What it tells whoever decides, and in which form."),
    AtrsField("frequency_and_scale", "2.3.3", "Frequency and scale of usage", _DECISION,
              "person", "How often it is used, and on how many people or cases."),
    AtrsField("human_review", "2.3.4", "Human decisions and review", _DECISION, "drafted",
              "Where people check, overrule and decide."),
    AtrsField("required_training", "2.3.5", "Required training", _DECISION, "person",
              "What people have to learn before they use it or look after it."),
    AtrsField("appeals_and_review", "2.3.6", "Appeals and review", _DECISION, "person",
              "How somebody affected can have a decision looked at again."),
    AtrsField("system_architecture", "2.4.1.1", "System architecture", _SYSTEM, "drafted",
              "The parts, and how they work together."),
    AtrsField("system_input", "2.4.1.2", "System-level input", _SYSTEM, "drafted",
              "What goes in."),
    AtrsField("system_output", "2.4.1.3", "System-level output", _SYSTEM, "drafted",
              "What comes out."),
    AtrsField("maintenance", "2.4.1.4", "Maintenance", _SYSTEM, "person",
              "How often it is looked at and brought up to date, and by whom."),
    AtrsField("models", "2.4.1.5", "Models", _SYSTEM, "measured", "The models within it."),
    AtrsField("model_name", "2.4.2.1", "Model name", _MODEL, "measured", "The model's name."),
    AtrsField("model_version", "2.4.2.2", "Model version", _MODEL, "measured", "Its version."),
    AtrsField("model_task", "2.4.2.3", "Model task", _MODEL, "drafted", "What it is for."),
    AtrsField("model_input", "2.4.2.4", "Model input", _MODEL, "measured", "What it reads."),
    AtrsField("model_output", "2.4.2.5", "Model output", _MODEL, "measured", "What it writes."),
    AtrsField("model_architecture", "2.4.2.6", "Model architecture", _MODEL, "measured",
              "What kind of model it is, and what was done to it."),
    AtrsField("model_performance", "2.4.2.7", "Model performance", _MODEL, "measured",
              "How it did in tests, and how sure that is."),
    AtrsField("datasets_and_purposes", "2.4.2.8", "Datasets and their purposes", _MODEL,
              "measured", "Which data it was trained and tested on."),
    AtrsField("data_description", "2.4.3.1", "Development data description", _DEVELOPMENT,
              "measured", "What the data are."),
    AtrsField("data_modality", "2.4.3.2", "Data modality", _DEVELOPMENT, "measured",
              "Text, pictures, sound, tables."),
    AtrsField("data_quantities", "2.4.3.3", "Data quantities", _DEVELOPMENT, "measured",
              "How much."),
    AtrsField("sensitive_attributes", "2.4.3.4", "Sensitive attributes", _DEVELOPMENT,
              "drafted", "Personal and sensitive data within it."),
    AtrsField("completeness", "2.4.3.5", "Data completeness and representativeness",
              _DEVELOPMENT, "person", "Who and what is missing from it."),
    AtrsField("data_cleaning", "2.4.3.6", "Data cleaning", _DEVELOPMENT, "measured",
              "What was done to it."),
    AtrsField("data_collection", "2.4.3.7", "Data collection", _DEVELOPMENT, "person",
              "How and why it was collected."),
    AtrsField("data_access", "2.4.3.8", "Data access and storage", _DEVELOPMENT, "person",
              "Who can get at it, where it stands, for how long."),
    AtrsField("data_sharing", "2.4.3.9", "Data sharing agreements", _DEVELOPMENT, "person",
              "Agreements under which it was had or passed on."),
    AtrsField("operational_sources", "2.4.4.1", "Data sources", _OPERATIONAL, "person",
              "Which data the tool sees in use."),
    AtrsField("operational_sensitive_attributes", "2.4.4.2", "Sensitive attributes",
              _OPERATIONAL, "person", "Personal and sensitive data within them."),
    AtrsField("operational_processing", "2.4.4.3", "Data processing methods", _OPERATIONAL,
              "person", "What is done to them."),
    AtrsField("operational_access", "2.4.4.4", "Data access and storage", _OPERATIONAL,
              "person", "Who can get at them, where they stand, for how long."),
    AtrsField("operational_sharing", "2.4.4.5", "Data sharing agreements", _OPERATIONAL,
              "person", "Agreements under which they are had or passed on."),
    AtrsField("impact_assessments", "2.5.1", "Impact assessments", _RISK, "person",
              "Data protection, equality and other assessments, with dates and links."),
    AtrsField("risks", "2.5.2", "Risks and mitigations", _RISK, "person",
              "What could go wrong, and what is done about it."),
)  # fmt: skip
"""Every field, in the standard's order."""
BY_KEY = {field.key: field for field in FIELDS}
