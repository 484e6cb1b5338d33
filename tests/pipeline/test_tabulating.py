"""Tables of named versions: from stored evidence, between a file's marks, safe in Markdown."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from civicbench.cli import application
from civicbench.core.errors import InvalidInputError
from civicbench.core.workspace import Workspace
from civicbench.pages.wording import format_value
from civicbench.pipeline.tabulating import (
    BEGIN,
    END,
    Named,
    render_tables,
    tabulate_versions,
    write_tables,
)
from civicbench.registry.registry import Registry


def test_every_headline_measure_stands_with_both_models_and_its_verdict(smoke_home: Path) -> None:
    workspace = Workspace(smoke_home)
    text = tabulate_versions(["smoke:1"], workspace=workspace)
    with Registry.open(workspace) as registry:
        evidence = registry.load_evidence("smoke:1")
    headline = [c for c in evidence.comparisons if c.headline]
    assert headline
    for comparison in headline:
        (line,) = [row for row in text.splitlines() if row.startswith(f"| {comparison.title} ")]
        assert format_value(comparison.base.value, rate=True) in line
        assert line.endswith(f"| {comparison.verdict} |")
    assert MarkdownIt("commonmark").enable("table").render(text).count("<table>") == 2


def test_titles_cannot_write_markdown_or_markup(smoke_home: Path) -> None:
    with Registry.open(Workspace(smoke_home)) as registry:
        evidence = registry.load_evidence("smoke:1")
    evil = "a | b <script>x</script> [l](https://e.org) `c` *d* \x1b[31m"
    spoilt = evidence.model_copy(
        update={
            "comparisons": tuple(
                c.model_copy(update={"title": evil}) for c in evidence.comparisons
            ),
            "suites": tuple(s.model_copy(update={"title": evil}) for s in evidence.suites),
        }
    )
    text = render_tables([Named("smoke:1", spoilt)])
    html = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script>" not in html
    assert "<a " not in html
    assert "<em>" not in html
    assert "\x1b" not in text


def test_tables_are_written_between_marks_and_nowhere_else(
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_HOME", str(smoke_home))
    page = tmp_path / "README.md"
    page.write_text(f"# Before\n\n{BEGIN}\nwhat stood here\n{END}\n\nAfter.\n")
    for _ in range(2):
        done = CliRunner().invoke(
            application, ["scores", "table", "smoke:1", "--to", str(page)], catch_exceptions=False
        )
        assert done.exit_code == 0
    text = page.read_text()
    assert text.startswith(f"# Before\n\n{BEGIN}\nWritten by")
    assert text.endswith(f"{END}\n\nAfter.\n")
    assert "what stood here" not in text
    for marks in ("", f"{BEGIN}\n{BEGIN}\n{END}", f"{END}\n{BEGIN}"):
        page.write_text(marks)
        with pytest.raises(InvalidInputError, match="one place"):
            write_tables(page, "x")
        assert page.read_text() == marks
    with pytest.raises(InvalidInputError, match="named twice"):
        tabulate_versions(["smoke:1", "smoke"], workspace=Workspace(smoke_home))
