"""Triggers that refuse, written once for both databases."""

from alembic import op


def refuse(name: str, *, when: str, message: str) -> None:
    """Refuse a change of a row.

    Args:
        name: The trigger's name.
        when: Moment and table, such as `BEFORE DELETE ON models`, then ` WHEN ` and a condition
            in SQL that both databases read, where it is not always refused.
        message: What whoever tries is told.
    """
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{message}'); END")
        return
    moment, _, condition = when.partition(" WHEN ")
    row = "OLD" if "DELETE" in moment else "NEW"
    # A trigger's own WHEN may not look at other rows there, so the function does.
    function = f"IF ({condition or 'true'}) THEN RAISE EXCEPTION '{message}'; END IF; RETURN {row};"
    _create(name, moment=moment, body=function, each="ROW")


def refuse_truncation(table: str) -> None:
    """Refuse the emptying of a table at once, which PostgreSQL has and SQLite has not."""
    if op.get_bind().dialect.name == "postgresql":
        _create(
            f"{table}_never_truncated",
            moment=f"BEFORE TRUNCATE ON {table}",
            body=f"RAISE EXCEPTION '{table}: nothing is deleted';",
            each="STATEMENT",
        )


def act(name: str, *, when: str, statement: str) -> None:
    """Run a statement after a change of a row.

    Args:
        name: The trigger's name.
        when: Moment and table.
        statement: The statement, in SQL that both databases read.
    """
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER {name} {when} BEGIN {statement}; END")
    else:
        _create(name, moment=when, body=f"{statement}; RETURN NULL;", each="ROW")


def write_once(table: str, *, same: str, updates: str = "") -> None:
    """Let rows of a table be inserted, and never replaced, deleted or updated.

    Args:
        table: The table.
        same: The condition under which a row stands already, in terms of `NEW`.
        updates: `OF columns ` where other columns may be updated.
    """
    # INSERT OR REPLACE deletes without firing delete triggers, so it is refused on its own.
    refuse(
        f"{table}_never_replaced",
        when=f"BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})",
        message=f"{table}: a row is written once",
    )
    refuse(
        f"{table}_never_deleted",
        when=f"BEFORE DELETE ON {table}",
        message=f"{table}: nothing is deleted",
    )
    refuse(
        f"{table}_never_updated",
        when=f"BEFORE UPDATE {updates}ON {table}",
        message=f"{table}: a row is written once",
    )
    refuse_truncation(table)


def _create(name: str, *, moment: str, body: str, each: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    )
    op.execute(f"CREATE TRIGGER {name} {moment} FOR EACH {each} EXECUTE FUNCTION {name}()")
