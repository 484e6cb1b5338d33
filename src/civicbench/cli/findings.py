"""Printing what doctor found: checks with their verdicts, and a row token by token."""

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from civicbench.cli.output import print_table, printable

if TYPE_CHECKING:
    from civicbench.pipeline.finding import Finding
    from civicbench.pipeline.previewing import PreviewRow

_MARKS = {"good": "ok", "note": "note", "bad": "WOULD FAIL"}
_TRAINED = "bold green"
_READ = "dim"


def print_findings(findings: "Sequence[Finding]") -> None:
    """Print each thing that was looked at, on a line."""
    print_table(
        "",
        ("what", "found", "", "what to do"),
        [(f.what, printable(f.found), _MARKS[f.state], printable(f.remedy)) for f in findings],
    )


def print_tokens(row: "PreviewRow") -> None:
    """Print a row's tokens, one a line: place, id, whether it is trained, text.

    Trained tokens are green on a terminal. The text comes last and with its blanks, control and
    direction marks as symbols, so that no token can hide or move what stands before it.
    """
    from rich.console import Console
    from rich.text import Text

    from civicbench.pages.characters import show_piece

    trained = sum(token.trained for token in row.tokens)
    lines = [Text(f"{row.id}: {len(row.tokens)} tokens, {trained} trained on", style="bold")]
    lines.append(Text(f"{'place':>6} {'id':>7}  {'loss':<7}  text"))
    for place, token in enumerate(row.tokens):
        shown = show_piece(token.text).replace("\n", "")
        said = "trained" if token.trained else "-"
        lines.append(
            Text(
                f"{place:>6} {token.id:>7}  {said:<7}  {shown}",
                style=_TRAINED if token.trained else _READ,
            )
        )
    # Written in one piece, so that a reader who has gone is met in one place.
    text = io.StringIO()
    console = Console(file=text, force_terminal=sys.stdout.isatty(), highlight=False)
    console.print(Text("\n").join(lines), soft_wrap=True)
    click.echo(text.getvalue(), nl=False)
