"""Comparing a database's tables, indices and triggers with what the migrations make."""

import secrets
from collections.abc import Iterator, Mapping

from sqlalchemy import Connection, text

from civicbench.registry.database import upgrade
from civicbench.registry.engines import memory_engine

_SQLITE = (
    "SELECT type, name, coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"
)
_HERE = "SELECT oid FROM pg_namespace WHERE nspname = current_schema()"
_POSTGRESQL = (
    "SELECT 'table' AS kind, c.relname AS name, a.attname || ' ' ||"
    " format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END"
    " || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') AS shape"
    " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0"
    " AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    f" WHERE c.relkind IN ('r', 'v', 'm', 'p') AND c.relnamespace = ({_HERE})",
    "SELECT 'index' AS kind, c.relname AS name, pg_get_indexdef(c.oid) AS shape"
    f" FROM pg_class c WHERE c.relkind = 'i' AND c.relnamespace = ({_HERE})",
    "SELECT 'constraint' AS kind, k.conname AS name, pg_get_constraintdef(k.oid) AS shape"
    f" FROM pg_constraint k WHERE k.connamespace = ({_HERE})",
    # A trigger that was switched off, or fires for replicas alone, guards nothing.
    "SELECT 'trigger' AS kind, t.tgname AS name,"
    " CAST(t.tgenabled AS text) || ' ' || pg_get_triggerdef(t.oid) AS shape"
    " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    f" WHERE NOT t.tgisinternal AND c.relnamespace = ({_HERE})",
    "SELECT 'function' AS kind, p.proname AS name, pg_get_functiondef(p.oid) AS shape"
    f" FROM pg_proc p WHERE p.pronamespace = ({_HERE})",
)
_Shape = dict[tuple[str, str], str]


def compare_shape(connection: Connection) -> Iterator[str]:
    """Yield what differs from the tables, indices and triggers that this release makes.

    Args:
        connection: In a transaction that may be rolled back afterwards. At PostgreSQL the user
            needs the right to make a schema, which is gone again when this ends.
    """
    if connection.dialect.name == "sqlite":
        with memory_engine().connect() as fresh:
            upgrade(fresh)
            expected = _sqlite(fresh)
        yield from _differences(expected, present=_sqlite(connection))
        for row in connection.execute(text("PRAGMA integrity_check")).scalars():
            if row != "ok":
                yield f"changed: the database file: {row}"
        for row in connection.execute(text("PRAGMA foreign_key_check")):
            yield f"missing: what a row of {row[0]} points to in {row[2]}"
        return
    present = _postgresql(connection)
    own = connection.execute(text("SELECT current_schema()")).scalar_one()
    schema = f"civicbench_shape_{secrets.token_hex(8)}"
    with connection.begin_nested() as made:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        connection.exec_driver_sql(f"SET LOCAL search_path TO {schema}")
        upgrade(connection)
        expected = _postgresql(connection)
        made.rollback()
    yield from _differences(expected, present=present)
    connection.exec_driver_sql(f'SET LOCAL search_path TO "{own}"')
    yield from _dangling(connection)


def _sqlite(connection: Connection) -> _Shape:
    return {(kind, name): sql for kind, name, sql in connection.execute(text(_SQLITE))}


def _postgresql(connection: Connection) -> _Shape:
    own = connection.execute(text("SELECT current_schema()")).scalar_one()
    found: dict[tuple[str, str], list[str]] = {}
    for query in _POSTGRESQL:
        for kind, name, shape in connection.execute(text(query)):
            plain = shape.replace(f"{own}.", "").replace(f'"{own}".', "")
            found.setdefault((kind, name), []).append(plain)
    return {key: "\n".join(sorted(parts)) for key, parts in found.items()}


def _dangling(connection: Connection) -> Iterator[str]:
    """Yield rows that point to none: a session without triggers could have left them."""
    keys = connection.execute(
        text(
            "SELECT c.relname, a.attname, r.relname, b.attname FROM pg_constraint k"
            " JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]"
            " JOIN pg_attribute b ON b.attrelid = r.oid AND b.attnum = k.confkey[1]"
            f" WHERE k.contype = 'f' AND k.connamespace = ({_HERE})"
        )
    ).all()
    for table, column, target, key in keys:
        lost = connection.execute(
            text(
                f"SELECT 1 FROM {table} t WHERE t.{column} IS NOT NULL"
                f" AND NOT EXISTS (SELECT 1 FROM {target} r WHERE r.{key} = t.{column}) LIMIT 1"
            )
        ).first()
        if lost is not None:
            yield f"missing: what a row of {table} points to in {target}"


def _differences(expected: Mapping[tuple[str, str], str], *, present: _Shape) -> Iterator[str]:
    for (kind, name), shape in expected.items():
        if (kind, name) not in present:
            yield f"missing: {kind} {name}"
        elif present[kind, name] != shape:
            yield f"changed: {kind} {name}"
    for kind, name in present:
        if (kind, name) not in expected:
            yield f"added: {kind} {name}"
