"""The first tables, and the triggers that keep them append-only."""

import sqlalchemy as sa
from alembic import op

from civicbench.registry.migrations.refusals import refuse, write_once

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_KEYS = {
    "models": ("name",),
    "versions": ("digest",),
    "artefacts": ("digest",),
    "version_artefacts": ("version", "path"),
    "results": ("version", "position"),
    "verdicts": ("version", "position"),
    "events": ("sequence",),
}
_VERSION_ONCE = (
    "digest, model, number, recipe, base, evidence_digest, adapter_digest, created_at, gate_passed"
)


def upgrade() -> None:
    _create_versions()
    _create_findings()
    _create_events()
    _create_triggers()


def _create_versions() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_models"),
    )
    op.create_table(
        "versions",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("model", sa.String(100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipe", sa.String(100), nullable=False),
        sa.Column("base", sa.String(100), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("evidence_digest", sa.String(64), nullable=False),
        sa.Column("adapter_digest", sa.String(64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gate_passed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_versions"),
        sa.UniqueConstraint("model", "number", name="uq_versions_model_number"),
        sa.ForeignKeyConstraint(["model"], ["models.name"], name="fk_versions_model_models"),
    )
    op.create_index("ix_versions_created_at", "versions", ["created_at"])
    op.create_table(
        "artefacts",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_artefacts"),
    )
    op.create_table(
        "version_artefacts",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("path", sa.String(400), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("version", "path", name="pk_version_artefacts"),
        sa.ForeignKeyConstraint(
            ["version"], ["versions.digest"], name="fk_version_artefacts_version_versions"
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["artefacts.digest"], name="fk_version_artefacts_digest_artefacts"
        ),
    )
    op.create_index("ix_version_artefacts_digest", "version_artefacts", ["digest"])


def _create_findings() -> None:
    estimates: list[sa.Column[float]] = [
        sa.Column(f"{whose}_{end}", sa.Double(), nullable=False)
        for whose in ("base", "tuned", "difference")
        for end in ("value", "low", "high")
    ]
    op.create_table(
        "results",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("suite", sa.String(100), nullable=False),
        sa.Column("task", sa.String(100), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("metric", sa.String(100), nullable=False),
        sa.Column("better", sa.String(20), nullable=False),
        sa.Column("headline", sa.Boolean(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        *estimates,
        sa.Column("p_value", sa.Double(), nullable=True),
        sa.Column("verdict", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("version", "position", name="pk_results"),
        sa.ForeignKeyConstraint(
            ["version"], ["versions.digest"], name="fk_results_version_versions"
        ),
    )
    op.create_index("ix_results_suite_task_metric", "results", ["suite", "task", "metric"])
    op.create_table(
        "verdicts",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("gate", sa.String(100), nullable=False),
        sa.Column("gate_digest", sa.String(64), nullable=False),
        sa.Column("rule", sa.String(100), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", "position", name="pk_verdicts"),
        sa.ForeignKeyConstraint(
            ["version"], ["versions.digest"], name="fk_verdicts_version_versions"
        ),
    )


def _create_events() -> None:
    op.create_table(
        "events",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(100), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_events"),
        sa.UniqueConstraint("digest", name="uq_events_digest"),
    )
    op.create_index("ix_events_subject", "events", ["subject"])


def _create_triggers() -> None:
    for table, key in _KEYS.items():
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        if table == "versions":
            same = f"({same}) OR (model = NEW.model AND number = NEW.number)"
        write_once(table, same=same, updates=f"OF {_VERSION_ONCE} " if table == "versions" else "")
    postgres = op.get_bind().dialect.name == "postgresql"
    differs = "IS DISTINCT FROM" if postgres else "IS NOT"
    refuse(
        "events_in_order",
        when="BEFORE INSERT ON events WHEN"
        f" NEW.sequence {differs} (SELECT coalesce(max(sequence), 0) + 1 FROM events)"
        f" OR NEW.previous {differs} coalesce("
        "(SELECT digest FROM events ORDER BY sequence DESC LIMIT 1),"
        " '0000000000000000000000000000000000000000000000000000000000000000')",
        message="events: the log is appended in order",
    )
