"""People, keys, signatures, reviews, decisions and aliases, and the rules that hold for them."""

import sqlalchemy as sa
from alembic import op

from civicbench.registry.migrations.decision_rules import create_rules
from civicbench.registry.migrations.refusals import write_once

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEYS = {
    "people": ("name",),
    "accounts": ("account",),
    "role_grants": ("sequence", "role"),
    "role_withdrawals": ("granted", "role"),
    "keys": ("id",),
    "key_retirements": ("key",),
    "signatures": ("sequence",),
    "version_makers": ("version", "account", "did"),
    "reviews": ("sequence",),
    "assignments": ("sequence",),
    "decisions": ("sequence",),
    "alias_moves": ("sequence", "alias"),
    "transitions": ("sequence", "version"),
}
_ALSO_SAME = {
    "signatures": "statement = NEW.statement",
    "assignments": "review = NEW.review AND person = NEW.person",
    "decisions": "review = NEW.review AND person = NEW.person",
}


def upgrade() -> None:
    _create_people()
    _create_reviews()
    _create_projections()
    # What earlier releases registered has makers too.
    op.execute(
        "INSERT INTO version_makers (version, account, did, sequence)"
        " SELECT subject, actor, 'registered', sequence FROM events"
        " WHERE kind = 'version registered'"
    )
    for table, key in _KEYS.items():
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        if table in _ALSO_SAME:
            same = f"({same}) OR ({_ALSO_SAME[table]})"
        write_once(table, same=same)
    create_rules()


def _text(name: str, length: int, *, nullable: bool = False) -> "sa.Column[str]":
    return sa.Column(name, sa.String(length), nullable=nullable)


def _event(name: str = "sequence") -> "sa.Column[int]":
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def _points(table: str, column: str, *, to: str) -> sa.ForeignKeyConstraint:
    target = to.partition(".")[0]
    return sa.ForeignKeyConstraint([column], [to], name=f"fk_{table}_{column}_{target}")


def _create_people() -> None:
    op.create_table(
        "people",
        _text("name", 100),
        sa.Column("full_name", sa.Text(), nullable=False),
        _event(),
        sa.PrimaryKeyConstraint("name", name="pk_people"),
        _points("people", "sequence", to="events.sequence"),
    )
    op.create_table(
        "accounts",
        _text("account", 100),
        _text("person", 100),
        _event(),
        sa.PrimaryKeyConstraint("account", name="pk_accounts"),
        _points("accounts", "person", to="people.name"),
        _points("accounts", "sequence", to="events.sequence"),
    )
    op.create_table(
        "role_grants",
        _event(),
        _text("role", 40),
        _text("person", 100),
        sa.PrimaryKeyConstraint("sequence", "role", name="pk_role_grants"),
        _points("role_grants", "person", to="people.name"),
        _points("role_grants", "sequence", to="events.sequence"),
    )
    op.create_index("ix_role_grants_person_role", "role_grants", ["person", "role"])
    op.create_table(
        "role_withdrawals",
        _event("granted"),
        _text("role", 40),
        _event(),
        sa.PrimaryKeyConstraint("granted", "role", name="pk_role_withdrawals"),
        _points("role_withdrawals", "sequence", to="events.sequence"),
    )
    op.create_table(
        "keys",
        _text("id", 64),
        _text("person", 100),
        _text("public_key", 64),
        _event(),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        _points("keys", "person", to="people.name"),
        _points("keys", "sequence", to="events.sequence"),
    )
    op.create_index("ix_keys_person", "keys", ["person"])
    op.create_table(
        "key_retirements",
        _text("key", 64),
        _event(),
        sa.PrimaryKeyConstraint("key", name="pk_key_retirements"),
        _points("key_retirements", "key", to="keys.id"),
        _points("key_retirements", "sequence", to="events.sequence"),
    )
    op.create_table(
        "signatures",
        _event(),
        _text("person", 100),
        _text("role", 40),
        _text("key", 64),
        _text("statement", 64),
        sa.PrimaryKeyConstraint("sequence", name="pk_signatures"),
        sa.UniqueConstraint("statement", name="uq_signatures_statement"),
        _points("signatures", "sequence", to="events.sequence"),
        _points("signatures", "person", to="people.name"),
        _points("signatures", "key", to="keys.id"),
    )


def _create_reviews() -> None:
    op.create_table(
        "version_makers",
        _text("version", 64),
        _text("account", 100),
        _text("did", 20),
        _event(),
        sa.PrimaryKeyConstraint("version", "account", "did", name="pk_version_makers"),
        _points("version_makers", "version", to="versions.digest"),
        _points("version_makers", "sequence", to="events.sequence"),
    )
    op.create_table(
        "reviews",
        _event(),
        _text("version", 64),
        _text("gate", 64),
        sa.Column("reviewers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_reviews"),
        _points("reviews", "sequence", to="signatures.sequence"),
        _points("reviews", "version", to="versions.digest"),
    )
    op.create_index("ix_reviews_version", "reviews", ["version"])
    op.create_table(
        "assignments",
        _event(),
        _event("review"),
        _text("person", 100),
        sa.PrimaryKeyConstraint("sequence", name="pk_assignments"),
        sa.UniqueConstraint("review", "person", name="uq_assignments_review_person"),
        _points("assignments", "sequence", to="signatures.sequence"),
        _points("assignments", "review", to="reviews.sequence"),
        _points("assignments", "person", to="people.name"),
    )
    op.create_table(
        "decisions",
        _event(),
        _text("version", 64),
        _event("review"),
        _text("person", 100),
        _text("outcome", 40),
        _text("evidence", 64),
        _text("gate", 64),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_decisions"),
        sa.UniqueConstraint("review", "person", name="uq_decisions_review_person"),
        _points("decisions", "sequence", to="signatures.sequence"),
        _points("decisions", "version", to="versions.digest"),
        _points("decisions", "review", to="reviews.sequence"),
        _points("decisions", "person", to="people.name"),
    )
    op.create_index("ix_decisions_version", "decisions", ["version"])


def _create_projections() -> None:
    op.create_table(
        "alias_moves",
        _event(),
        _text("alias", 20),
        _text("model", 100),
        _text("version", 64, nullable=True),
        sa.PrimaryKeyConstraint("sequence", "alias", name="pk_alias_moves"),
        _points("alias_moves", "sequence", to="signatures.sequence"),
        _points("alias_moves", "model", to="models.name"),
        _points("alias_moves", "version", to="versions.digest"),
    )
    op.create_index(
        "ix_alias_moves_model_alias_sequence", "alias_moves", ["model", "alias", "sequence"]
    )
    op.create_table(
        "transitions",
        _event(),
        _text("version", 64),
        _text("from_state", 40),
        _text("to_state", 40),
        sa.PrimaryKeyConstraint("sequence", "version", name="pk_transitions"),
        _points("transitions", "sequence", to="events.sequence"),
        _points("transitions", "version", to="versions.digest"),
    )
    op.create_index("ix_transitions_version_sequence", "transitions", ["version", "sequence"])
