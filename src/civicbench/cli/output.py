"""Printing: tables for people, JSON for programs."""

import io
import json
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import click

_LOG_COLUMNS = 140


def print_json(value: Any) -> None:
    """Print a JSON-ready value, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under columns; text of models and data is never read as markup."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A log has no width of its own: 80 columns would fold every line.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else _LOG_COLUMNS
    # Written in one piece, so that a reader who has gone is met in one place.
    text = io.StringIO()
    Console(file=text, width=width).print(table)
    click.echo(text.getvalue(), nl=False)


def printable(text: str) -> str:
    """Return a dataset's or model's text without characters that could steer the terminal."""
    return "".join(c for c in text if c.isprintable() or c in "\n\t")
