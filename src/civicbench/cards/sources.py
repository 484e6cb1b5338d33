"""What a model was made of: the data, and the base model with its licence's duties."""

from civicbench.cards.data_origin import tabulate_splits
from civicbench.datasets.record import SnapshotRecord
from civicbench.pages.document import (
    Block,
    Bullets,
    Caution,
    Cell,
    Details,
    Inset,
    Link,
    Pairs,
    Paragraph,
    Section,
    Subheading,
    Table,
    Tag,
    Words,
    code,
    words,
)
from civicbench.pages.wording import format_count
from civicbench.registry.evidence import Evidence
from civicbench.registry.planted import PlantedCanaries


def describe_data(evidence: Evidence) -> Section:
    """Return where the training data comes from, what was done to it, and its limits."""
    if evidence.trained_elsewhere is not None:
        unknown = evidence.dataset
        return Section(
            "data",
            "The data it was trained on",
            (
                Caution(unknown.description),
                Paragraph(unknown.personal_data),
                Bullets(unknown.limits),
            ),
        )
    blocks = _describe_dataset(evidence.dataset)
    if evidence.mixed:
        blocks += [
            Subheading("Rows of other datasets that were mixed in"),
            Paragraph(
                "They were drawn from the train split by the training seed. Rows held out for the "
                "held-out loss are the dataset's own."
            ),
            Table(
                "Training rows by dataset",
                ("Dataset", "Rows", "Share asked for", "Licence", "Digest"),
                tuple(
                    (
                        words(mixed.dataset.title),
                        words(format_count(mixed.rows)),
                        words(f"{mixed.share:.1%}"),
                        words(mixed.dataset.licence),
                        code(mixed.dataset.digest),
                    )
                    for mixed in evidence.mixed
                ),
            ),
            *(
                Details(
                    f"The dataset {mixed.dataset.name}", tuple(_describe_dataset(mixed.dataset))
                )
                for mixed in evidence.mixed
            ),
        ]
    if evidence.canaries is not None:
        blocks += _describe_canaries(evidence.canaries)
    return Section("data", "The data it was trained on", tuple(blocks))


def _describe_canaries(planted: PlantedCanaries) -> list[Block]:
    exposure = planted.exposure_bits
    repeats = ", ".join(f"{count:,}" for count in planted.repeats)
    return [
        Subheading("Synthetic canaries that were planted"),
        Caution(
            "Made-up secrets were planted in the training rows to see whether the model gives them "
            "away. Nobody's data is in them. A model that was trained on them must not be released."
        ),
        Pairs(
            (
                ("Planted", words(f"{planted.planted:,}, in {planted.rows:,} training rows")),
                ("Times each", words(repeats)),
                ("Secrets", words(f"{planted.digits} digits, drawn at random")),
                ("Not planted, to compare with", words(format_count(planted.controls))),
                (
                    "Highest exposure",
                    words(
                        f"{exposure.value:.1f} bits ({exposure.low:.1f} to {exposure.high:.1f}); "
                        "a secret that was never seen has 1.4 on average"
                    ),
                ),
                ("Written out whole", words(f"{planted.extracted:,} of {planted.planted:,}")),
                ("How", words(planted.method)),
                ("Digest", code(planted.digest)),
            )
        ),
    ]


def _describe_dataset(data: SnapshotRecord) -> list[Block]:
    return [
        Paragraph(data.description),
        Pairs(
            (
                ("Dataset", words(data.title)),
                ("Licence", words(data.licence)),
                ("Languages", words(", ".join(data.languages))),
                ("Personal data", words(data.personal_data)),
                ("Digest", code(data.digest)),
            )
        ),
        Table(
            "Where the rows come from",
            ("Source", "Rows", "Licence", "Whom to name", "Digest"),
            tuple(
                (
                    words(source.name),
                    words(format_count(source.rows)),
                    words(source.licence),
                    words(source.attribution),
                    code(source.sha256),
                )
                for source in data.sources
            ),
        ),
        Table(
            "What was done to the rows, in order",
            ("Step", "Rows before", "Rows after", "What it did"),
            tuple(
                (
                    words(step.name),
                    words(format_count(step.rows_in)),
                    words(format_count(step.rows_out)),
                    words(step.note),
                )
                for step in data.steps
            ),
        ),
        Paragraph(
            "The rows were split by group, such as a family of wordings or a document: the rows "
            "of one group stand in one split only."
        ),
        tabulate_splits("How the rows were split", data),
        Subheading("Known limits of the data"),
        Bullets(data.limits) if data.limits else Paragraph("None were stated."),
    ]


def describe_base(evidence: Evidence) -> Section:
    """Return the base model and what its licence asks of whoever passes this model on."""
    base, licence = evidence.base, evidence.base.licence
    rows: list[tuple[str, Cell]] = [
        ("Base model", words(base.title)),
        ("Where it came from", words(base.source)),
        ("Weights", words(f"{format_count(base.parameters)} parameters")),
        ("Longest text it reads", words(f"{format_count(base.context_length_tokens)} tokens")),
        ("Licence", (Link(licence.name, licence.url), Words(licence.identifier, "hint"))),
    ]
    if licence.use_policy_url is not None:
        rows.append(("Use policy", (Link(licence.use_policy_url, licence.use_policy_url),)))
    if licence.name_prefix is not None:
        kept = evidence.model_name.startswith(licence.name_prefix)
        rows.append(
            (
                "Name has to begin with",
                (
                    Words(licence.name_prefix),
                    Tag("met", "green") if kept else Tag("not met", "red"),
                    Words(f"This model's name: {evidence.model_name}", "hint"),
                ),
            )
        )
    if licence.display is not None:
        rows.append(("Words to show prominently", words(licence.display)))
    blocks: list[Block] = [Pairs(tuple(rows))]
    if licence.attribution is not None:
        blocks.extend((Subheading("Attribution"), Inset(licence.attribution)))
    blocks.append(Subheading("What the licence asks of whoever passes this model on"))
    blocks.append(Bullets(licence.duties) if licence.duties else Paragraph("No duty is recorded."))
    return Section("base-model", "The base model and its licence", tuple(blocks))
