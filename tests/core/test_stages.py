import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civicbench.core.errors import (
    CivicbenchError,
    DiskFullError,
    IntegrityError,
    InvalidInputError,
)
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage, StageOutput, find_finished, run_stage
from civicbench.core.workspace import Workspace

LIMIT_S = 60
Work = Callable[[Path], None]


class Listener(Reporter):
    """Keeps what is said, and tells when someone waits."""

    def __init__(self) -> None:
        super().__init__(live=False)
        self.lines: list[str] = []
        self.waiting = threading.Event()

    def say(self, text: str) -> None:
        self.lines.append(text)
        if "waiting for it to finish" in text:
            self.waiting.set()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "home")


def make_stage(folder: Path, **changes: Any) -> Stage:
    stage = Stage(
        kind="score",
        name="a stage",
        folder=folder,
        settings={"rank": 4, "seed": 0},
        inputs={"data": "d" * 64, "model": "m" * 64},
        code_version=1,
    )
    return dataclasses.replace(stage, **changes)


def write(text: str) -> Work:
    def work(folder: Path) -> None:
        (folder / "deep").mkdir()
        (folder / "deep" / "out.txt").write_text(text)

    return work


def run(stage: Stage, work: Work, workspace: Workspace) -> StageOutput:
    return run_stage(stage, work, workspace=workspace, reporter=Listener())


def test_a_key_changes_with_what_shapes_the_output_and_with_nothing_else(tmp_path: Path) -> None:
    stage = make_stage(tmp_path)
    changed = [
        make_stage(tmp_path, kind="train"),
        make_stage(tmp_path, settings={"rank": 8, "seed": 0}),
        make_stage(tmp_path, settings={"rank": 4}),
        make_stage(tmp_path, settings={"rank": 4, "seed": 0, "more": None}),
        make_stage(tmp_path, inputs={"data": "e" * 64, "model": "m" * 64}),
        make_stage(tmp_path, inputs={"data": "m" * 64, "model": "d" * 64}),
        make_stage(tmp_path, inputs={"data": "d" * 64}),
        make_stage(tmp_path, code_version=2),
    ]
    assert len({stage.key, *(other.key for other in changed)}) == len(changed) + 1
    same = [
        make_stage(tmp_path, name="another name"),
        make_stage(tmp_path / "elsewhere"),
        make_stage(tmp_path, volatile=frozenset({"times.json"})),
        make_stage(tmp_path, resumable=True),
        make_stage(tmp_path, settings={"seed": 0, "rank": 4}),
    ]
    assert {other.key for other in same} == {stage.key}


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(["rank", "seed"]), st.integers(0, 2), max_size=2),
            st.dictionaries(st.sampled_from(["rank", "data"]), st.sampled_from("ab"), max_size=2),
            st.integers(1, 2),
        ),
        min_size=2,
        max_size=2,
    )
)
def test_two_keys_are_equal_exactly_where_all_three_are(
    shapes: list[tuple[dict[str, int], dict[str, str], int]],
) -> None:
    one, other = (
        make_stage(Path("x"), settings=settings, inputs=inputs, code_version=version).key
        for settings, inputs, version in shapes
    )
    assert (one == other) == (shapes[0] == shapes[1])


def test_a_finished_stage_is_not_run_again(workspace: Workspace, tmp_path: Path) -> None:
    stage = make_stage(tmp_path / "scores")
    first = run(stage, write("once"), workspace)
    assert not first.reused

    def never(_: Path) -> None:
        raise AssertionError("the work was done again")

    listener = Listener()
    again = run_stage(stage, never, workspace=workspace, reporter=listener)
    assert again.reused
    assert again.record == first.record
    assert again.digest == first.digest
    assert (again.folder / "deep" / "out.txt").read_text() == "once"
    assert listener.lines == [f"= a stage: found done under {stage.key[:12]}"]


def test_what_a_stage_is_named_by_covers_bytes_and_not_timings(
    workspace: Workspace, tmp_path: Path
) -> None:
    def output(name: str, *, text: str, time: str) -> StageOutput:
        def work(folder: Path) -> None:
            (folder / "out.txt").write_text(text)
            (folder / "times.json").write_text(time)

        volatile = frozenset({"times.json"})
        return run(make_stage(tmp_path / name, volatile=volatile), work, workspace)

    one = output("a", text="same", time="1")
    assert one.digest == output("b", text="same", time="2").digest
    assert one.digest != output("c", text="other", time="1").digest
    assert list(one.record.outputs) == ["out.txt"]


@pytest.mark.parametrize("lost", ["deep/out.txt", "stage.json"])
def test_a_finished_stage_that_lost_a_file_is_not_used(
    workspace: Workspace, tmp_path: Path, lost: str
) -> None:
    stage = make_stage(tmp_path / "scores")
    (run(stage, write("x"), workspace).folder / lost).unlink()
    with pytest.raises(IntegrityError, match="has lost") as caught:
        run(stage, write("y"), workspace)
    assert lost in str(caught.value)
    assert str(stage.final) in str(caught.value)


@pytest.mark.parametrize("content", ["", "{}", "not json", b"\xff\xfe"])
def test_a_spoilt_record_is_an_integrity_error(
    workspace: Workspace, tmp_path: Path, content: str | bytes
) -> None:
    stage = make_stage(tmp_path / "scores")
    record = run(stage, write("x"), workspace).folder / "stage.json"
    record.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(IntegrityError, match="lost its record"):
        find_finished(stage)


def test_the_output_of_another_stage_is_not_taken(workspace: Workspace, tmp_path: Path) -> None:
    stage, other = make_stage(tmp_path / "scores"), make_stage(tmp_path / "scores", code_version=2)
    run(stage, write("x"), workspace).folder.rename(other.final)
    with pytest.raises(IntegrityError, match="another stage"):
        find_finished(other)


@pytest.mark.parametrize(
    "error", [InvalidInputError("bad rows"), KeyboardInterrupt(), ZeroDivisionError()]
)
def test_failed_work_leaves_nothing(
    workspace: Workspace, tmp_path: Path, error: BaseException
) -> None:
    stage = make_stage(tmp_path / "scores")

    def fail(folder: Path) -> None:
        (folder / "half.txt").write_text("half")
        raise error

    with pytest.raises(type(error)):
        run(stage, fail, workspace)
    assert list(stage.folder.iterdir()) == []
    assert not run(stage, write("whole"), workspace).reused


def test_a_resumable_stage_finds_what_it_had_done(workspace: Workspace, tmp_path: Path) -> None:
    stage = make_stage(tmp_path / "runs", resumable=True)

    def fail(folder: Path) -> None:
        (folder / "checkpoint").write_text("step 3")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(stage, fail, workspace)
    assert find_finished(stage) is None

    def resume(folder: Path) -> None:
        assert (folder / "checkpoint").read_text() == "step 3"
        (folder / "checkpoint").unlink()
        (folder / "out.txt").write_text("whole")

    assert list(run(stage, resume, workspace).record.outputs) == ["out.txt"]
    assert not stage.partial.exists()


def test_a_disk_that_is_full_for_the_record_leaves_nothing(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make_stage(tmp_path / "scores")

    def full(path: Path, _: str) -> None:
        raise DiskFullError("no space left to write", where=str(path))

    with monkeypatch.context() as patch:
        patch.setattr("civicbench.core.stages.write_text_whole", full)
        with pytest.raises(DiskFullError):
            run(stage, write("x"), workspace)
    assert list(stage.folder.iterdir()) == []


def test_two_threads_that_want_one_stage_take_turns(workspace: Workspace, tmp_path: Path) -> None:
    stage = make_stage(tmp_path / "scores")
    listener = Listener()
    outputs: list[StageOutput] = []
    calls: list[str] = []

    def second() -> None:
        work = lambda _: calls.append("second")  # noqa: E731
        outputs.append(run_stage(stage, work, workspace=workspace, reporter=listener))

    thread = threading.Thread(target=second)

    def first(folder: Path) -> None:
        calls.append("first")
        thread.start()
        assert listener.waiting.wait(LIMIT_S)
        (folder / "out.txt").write_text("first")

    run(stage, first, workspace)
    thread.join(LIMIT_S)
    assert calls == ["first"]
    assert [output.reused for output in outputs] == [True]


_SECOND_PROCESS = """
import sys
from pathlib import Path
from civicbench.core.progress import Reporter
from civicbench.core.stages import Stage, run_stage
from civicbench.core.workspace import Workspace
home, folder = map(Path, sys.argv[1:])
stage = Stage(kind="k", name="n", folder=folder, settings={}, inputs={}, code_version=1)
output = run_stage(
    stage, lambda f: sys.exit("worked twice"), workspace=Workspace(home), reporter=Reporter()
)
print(output.reused, (output.folder / "out.txt").read_text())
"""


def test_two_processes_that_want_one_stage_take_turns(workspace: Workspace, tmp_path: Path) -> None:
    stage = Stage("k", "n", tmp_path / "scores", settings={}, inputs={}, code_version=1)
    command = [sys.executable, "-c", _SECOND_PROCESS, str(workspace.home), str(stage.folder)]
    others: list[subprocess.Popen[str]] = []

    def first(folder: Path) -> None:
        other = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        others.append(other)
        assert other.stderr is not None
        assert "waiting for it to finish" in other.stderr.readline()
        (folder / "out.txt").write_text("first")

    run(stage, first, workspace)
    out, err = others[0].communicate(timeout=LIMIT_S)
    assert (others[0].returncode, out) == (0, "True first\n"), err


def test_a_workspace_that_cannot_stand_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file" / "deep"):
        workspace = Workspace(home)
        with pytest.raises(CivicbenchError, match="no folder can stand there") as caught:
            run(make_stage(workspace.scores), write("x"), workspace)
        assert "CIVICBENCH_HOME" in str(caught.value)
