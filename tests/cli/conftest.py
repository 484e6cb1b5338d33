import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from civicbench.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command(Protocol):
    def __call__(self, *arguments: str, home: Path | None = None, typed: str = "") -> Outcome: ...


@pytest.fixture
def civicbench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, as its entry point does."""

    def run(*arguments: str, home: Path | None = None, typed: str = "") -> Outcome:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setenv("CIVICBENCH_OFFLINE", "1")  # and put back, where the command sets it
            patch.setattr(sys, "argv", ["civicbench", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(typed))
            if home is not None:
                patch.setenv("CIVICBENCH_HOME", str(home))
            code: object = 0
            try:
                main()
            except SystemExit as finished:
                code = finished.code
        captured = capsys.readouterr()
        assert isinstance(code, int | None)
        return Outcome(int(code or 0), captured.out, captured.err)

    return run
