"""A snapshot's record for tests, with something in every place."""

from civicbench.datasets.record import (
    FileFact,
    ReasonFact,
    SnapshotRecord,
    SourceFact,
    SplitFact,
    StepFact,
)


def make_record(**changes: object) -> SnapshotRecord:
    record = SnapshotRecord(
        name="own",
        title="Own rows",
        description="For a test.",
        licence="MIT AND OGL-UK-3.0",
        languages=("en-GB", "cy-GB"),
        personal_data="None.",
        limits=("Short.", "Old."),
        sources=(
            SourceFact(
                name="pages",
                sha256="1" * 64,
                licence="OGL-UK-3.0",
                attribution="A ministry",
                rows=10,
                malformed=2,
                files=(FileFact(name="https://example.org/a.json", sha256="2" * 64),),
            ),
        ),
        steps=(
            StepFact(
                name="read", rows_in=12, rows_out=10, note="2 removed",
                removed=(ReasonFact(reason="malformed record", rows=2),),
                examples=("a.json:3: malformed record: not JSON",),
            ),
            StepFact(
                name="normalise", rows_in=10, rows_out=10, note="4 changed",
                changed=(ReasonFact(reason="text normalised", rows=4),),
            ),
            StepFact(name="split", rows_in=10, rows_out=10, note="whole groups"),
        ),
        splits=(
            SplitFact(name="train", rows=8, groups=4, characters=80, sha256="3" * 64),
            SplitFact(name="validation", rows=0, groups=0, characters=0, sha256="4" * 64),
            SplitFact(name="test", rows=2, groups=1, characters=20, sha256="5" * 64),
        ),
        excluded=2,
        kept_apart_from=("safety-core",),
        digest="6" * 64,
    )  # fmt: skip
    return record.model_copy(update=changes)
