import resource
import subprocess
import sys
from collections.abc import Callable, Iterator

import click
import pytest
from tests.cli.conftest import Command

from civicbench.cli import application

_HEAVY = (
    *("alembic", "datasets", "jinja2", "lm_eval", "matplotlib", "numpy", "peft", "pydantic"),
    *("rich", "sqlalchemy", "torch", "transformers", "trl", "wandb", "yaml"),
)
_ALL_HELP = """
import contextlib, io, sys
import click
from civicbench.cli import application

def walk(command, path):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert application.main([*path, "--help"], standalone_mode=False) == 0
    assert "Usage:" in out.getvalue()
    for name in getattr(command, "commands", {}):
        walk(command.commands[name], [*path, name])

walk(application, [])
print(sorted(set(sys.argv[1:]) & set(sys.modules)))
"""


def test_no_help_imports_what_is_slow() -> None:
    command = [sys.executable, "-c", _ALL_HELP, *_HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_help_is_quick(record_property: Callable[[str, object], None]) -> None:
    """The aim is 0.2 s of CPU; the bound is wide, because machines differ."""
    figures = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "civicbench", "--help"], capture_output=True, check=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    record_property("help_cpu_s", round(min(figures), 3))
    print(f"civicbench --help: {min(figures):.3f} s of CPU")
    assert min(figures) < 2.0


def _commands(
    command: click.Command = application, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path), command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _commands(below, (*path, name))


def test_the_commands_that_are_promised_are_there() -> None:
    assert {path for path, command in _commands() if not isinstance(command, click.Group)} >= {
        *("init", "plan", "run", "train", "evaluate", "compare", "card", "chat", "doctor"),
        *("registry list", "registry show", "registry verify"),
        *("models list", "models fetch", "models show"),
        *("datasets list", "datasets build", "datasets show"),
        *("recipes list", "recipes show", "recipes validate"),
    }


@pytest.mark.parametrize(("path", "command"), list(_commands()))
def test_every_command_and_option_has_help(path: str, command: click.Command) -> None:
    assert (command.help or "").strip().split("\n")[0].endswith((".", ":"))
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.name}"


def test_every_command_that_lists_or_shows_has_json() -> None:
    listing = ("list", "show", "verify", "plan", "run", "compare", "evaluate", "doctor")
    without = [
        path
        for path, command in _commands()
        if path.split(" ")[-1] in listing
        and "--json" not in [name for parameter in command.params for name in parameter.opts]
    ]
    assert without == []


def test_the_help_names_the_exit_codes(civicbench: Command) -> None:
    shown = " ".join(civicbench("--help").out.split())
    for code in ("0 done", "2 usage", "3 a gate failed", "5 a needed part", "130 interrupted"):
        assert code in shown
