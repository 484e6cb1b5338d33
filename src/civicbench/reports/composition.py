"""The report: its parts in reading order."""

from civicbench.pages.document import Document
from civicbench.reports.changes import describe_changes, describe_worst
from civicbench.reports.making import (
    describe_judges,
    describe_noise,
    describe_provenance,
    describe_speed,
)
from civicbench.reports.reading import describe_prompts
from civicbench.reports.report import Report
from civicbench.reports.slices import describe_slices
from civicbench.reports.suites import describe_suite
from civicbench.reports.summary import describe_differences, describe_summary


def compose_report(report: Report) -> Document:
    """Return a report as blocks, for any rendering."""
    sections = (
        describe_summary(report),
        describe_differences(report),
        *(describe_suite(report, suite, place=n + 1) for n, suite in enumerate(report.suites)),
        describe_slices(report),
        describe_changes(report),
        describe_worst(report),
        describe_judges(report),
        describe_noise(report),
        describe_prompts(report),
        describe_speed(report),
        describe_provenance(report),
    )
    return Document(
        title=report.title,
        caption=report.caption,
        display=None,
        sections=tuple(section for section in sections if section is not None),
    )
