"""The documentation cannot drift from the code: what it names exists, its lists are whole."""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from civicbench.cli import application
from civicbench.core.errors import ExitCode
from civicbench.core.stages import StageRecord
from civicbench.core.workspace import Workspace
from civicbench.datasets.building import list_datasets
from civicbench.evaluation.records import ItemRecord
from civicbench.evaluation.suites import load_suite
from civicbench.launch.slurm.profile import ClusterProfile
from civicbench.models.catalogue import list_model_entries
from civicbench.recipes.loading import list_recipes, load_recipe
from civicbench.recipes.settings import Hardware, RecipeSettings
from civicbench.registry.gate_files import list_gates
from civicbench.registry.gates import Rule
from civicbench.training.methods import list_methods
from civicbench.training.settings import TrainingSettings
from tests.documents import ROOT, Page, command_words, first_codes, pages, rows
from tests.pipeline.runner import run

PAGES = pages()
SHOWN = [
    (page.name, words)
    for page in PAGES
    for line in page.shell_lines
    if (words := command_words(line)) is not None
]
# Read as a user would: each page's commands stand on those of the pages before it.
READING = ("README", "docs/engineers", "docs/evaluators", "docs/workspace", "docs/reviewers")
CHEAP = ("plan smoke", "recipes", "models list", "models show", "datasets list", "doctor")
# What needs the quickstart's wheel is run by `make quickstart`.
NEEDS_A_DOWNLOAD = {("run", "enquiry-triage")}


def page(name: str) -> Page:
    return Page(ROOT / name)


def named(path: str) -> list[str]:
    return first_codes(page(path).path.read_text("utf-8"))


def is_cheap(words: list[str]) -> bool:
    return " ".join(words).startswith(CHEAP)


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from leaves(below, (*path, name))
    else:
        yield path


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, with its own arguments; options of groups are checked."""
    command: click.Command = application
    rest = list(words)
    while isinstance(command, click.Group) and rest:
        if rest[0].startswith("-"):
            if rest[0] in ("--help", "-h"):
                return command, rest
            known = {option for parameter in command.params for option in parameter.opts}
            assert rest[0] in known, f"{rest[0]} is no option of {command.name}"
            rest.pop(0)
            continue
        assert rest[0] in command.commands, f"there is no command {rest[0]!r}"
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.mark.parametrize(("where", "words"), SHOWN, ids=lambda v: v if isinstance(v, str) else "_")
def test_a_shown_command_is_one_that_the_command_line_takes(where: str, words: list[str]) -> None:
    command, arguments = find_command(words)
    context = command.make_context("civicbench", arguments)
    recipe = context.params.get("recipe")
    if recipe in list_recipes():
        load_recipe(recipe, overrides=context.params.get("overrides", ()))


def test_commands_in_running_text_exist_with_their_options() -> None:
    seen = 0
    for shown in PAGES:
        for code in shown.inline_codes:
            words = command_words(code) or []
            if not words or "COMMAND" in words:
                continue
            command, arguments = find_command(words)
            known = {option for parameter in command.params for option in parameter.opts}
            known |= {"--help", "-h"}
            wrong = [word for word in arguments if word.startswith("-") and word not in known]
            assert not wrong, f"{shown.name}: {code}"
            seen += 1
    assert seen > 20


@pytest.mark.parametrize(
    "words",
    [words for _, words in SHOWN if is_cheap(words)],
    ids=" ".join,
)
def test_a_cheap_command_does_what_it_is_shown_for(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_HOME", str(tmp_path))
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "1")
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(application, words, catch_exceptions=False)
    assert done.exit_code == ExitCode.DONE
    assert done.output.strip()


@pytest.mark.slow
def test_the_guides_commands_run_in_the_order_in_which_they_are_read(tmp_path: Path) -> None:
    home, project = tmp_path / "home", tmp_path / "project"
    project.mkdir()
    for name in READING:
        folder = project
        for line in page(f"{name}.md").shell_lines:
            if line.startswith("cd "):
                folder = folder / line.removeprefix("cd ")
            words = command_words(line)
            # The cheap ones are run on their own, above.
            if words is None or tuple(words[:2]) in NEEDS_A_DOWNLOAD or is_cheap(words):
                continue
            done = run(home, *words, cwd=folder)
            assert done.returncode == ExitCode.DONE, f"{name}: {line}\n{done.stderr}"
    assert (project / "card-again" / "card.html").is_file()


def test_the_readme_lists_every_command() -> None:
    listed = {code for row in rows(page("README.md").section("Commands"))[1:] for code in [row[0]]}
    text = " ".join(listed)
    missing = [path for path in leaves(application) if f"`civicbench {' '.join(path)}" not in text]
    assert not missing


def test_every_make_target_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.M))
    texts = [text for p in PAGES for text in (*p.shell_lines, *p.inline_codes)]
    used = {found[1] for text in texts if (found := re.match(r"make ([a-z][a-z-]*)", text))}
    assert used >= {"quickstart", "test", "check"}
    assert used <= targets


@pytest.mark.parametrize("shown", PAGES, ids=lambda p: p.name)
def test_relative_links_resolve(shown: Page) -> None:
    for link in shown.links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (shown.path.parent / path).resolve() if path else shown.path
        assert target.exists(), f"{shown.name}: {link}"
        assert target.is_relative_to(ROOT)
        if anchor:
            assert anchor in Page(target).anchors, f"{shown.name}: {link}"


def test_folders_of_the_map_exist() -> None:
    cells = rows(page("README.md").section("Where things are"))[1:]
    folders = [name for row in cells for name in re.findall(r"[a-z/]+/(?=[\]`])", row[0])]
    assert len(folders) >= len(cells)
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_every_recipe_is_listed_with_its_parts() -> None:
    table = {row[0].strip("`"): row for row in rows(page("recipes/README.md").path.read_text())[1:]}
    assert set(table) == set(list_recipes())
    for name, row in table.items():
        recipe = load_recipe(name)
        assert row[1] == f"`{recipe.model.name}`"
        assert row[2] == f"`{recipe.settings.training.use}`"
        wanted = recipe.settings.hardware
        plural = "s" if wanted and wanted.devices > 1 else ""
        each = " each" if plural else ""
        assert row[3] == (
            f"{wanted.devices} GPU{plural}, {wanted.memory_gb:g} GB{each}" if wanted else "CPU"
        )


def test_every_model_dataset_and_suite_is_listed() -> None:
    models = {entry.name for entry in list_model_entries()}
    assert models <= set(named("configs/models/README.md"))
    assert {d.settings.name for d in list_datasets()} == set(named("datasets/README.md"))
    suites = {path.parent.name for path in ROOT.glob("evaluation/*/suite.yaml")}
    assert suites == set(named("evaluation/README.md"))
    kinds = {
        row[0].split("]")[0].strip("[`"): row[1]
        for row in rows(page("evaluation/README.md").path.read_text())[1:]
    }
    assert kinds == {name: load_suite(name).settings.kind for name in suites}


def test_every_gate_is_listed_with_its_rules() -> None:
    table = rows(page("configs/gates/README.md").path.read_text("utf-8").split("## ")[0])[1:]
    assert [row[:3] for row in table] == [
        [f"`{gate.name}`", gate.title, "; ".join(rule.name for rule in gate.rules)]
        for gate in list_gates()
    ]


def test_every_method_is_listed() -> None:
    listed = rows(page("training/README.md").path.read_text("utf-8").split("## ")[0])[1:]
    assert [row[:2] for row in listed] == [[f"`{m.name}`", m.title] for m in list_methods()]


@pytest.mark.parametrize(
    ("path", "title", "fields"),
    [
        ("docs/engineers.md", "A recipe, key by key", {*RecipeSettings.model_fields, "extends"}),
        ("training/README.md", "Settings", set(TrainingSettings.model_fields)),
        ("configs/gates/README.md", "A rule", set(Rule.model_fields)),
        ("docs/evaluators.md", "What is kept", set(ItemRecord.model_fields)),
        ("docs/workspace.md", "Stages", set(StageRecord.model_fields)),
        ("slurm/README.md", "A profile, key by key", set(ClusterProfile.model_fields)),
    ],
)
def test_a_table_of_keys_is_whole(path: str, title: str, fields: set[str]) -> None:
    assert set(first_codes(page(path).section(title))) == fields


def test_hardware_keys_are_explained() -> None:
    text = page("docs/engineers.md").section("A recipe, key by key")
    assert all(f"`{name}`" in text for name in Hardware.model_fields)


def test_every_folder_of_the_workspace_is_listed() -> None:
    workspace = Workspace(Path("home"))
    values = [getattr(workspace, name) for name in vars(Workspace)
              if isinstance(vars(Workspace)[name], property)]  # fmt: skip
    folders = {f"{value.name}/" for value in values if isinstance(value, Path)}
    listed = set(named("docs/workspace.md"))
    assert len(folders) >= 8
    assert folders | {os.path.basename(workspace.registry_url)} <= listed  # noqa: PTH119


def test_exit_codes_are_documented_as_they_are() -> None:
    table = rows(page("docs/exit-codes.md").path.read_text("utf-8"))[1:]
    assert [(int(row[0]), row[1].strip("`")) for row in table] == [
        (code.value, code.name) for code in ExitCode
    ]
    assert all(cell for row in table for cell in row)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wanted = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(name for extra in project["project"]["optional-dependencies"].values() for name in extra),
    ]
    names = sorted(re.split(r"[<>=!~\[ ]", text)[0] for text in wanted)
    assert sorted(named("docs/decisions/0002-dependencies.md")) == names


def test_every_decision_is_in_the_index() -> None:
    files = {path.name for path in (ROOT / "docs/decisions").glob("*.md")}
    assert {
        Path(link).name for link in page("docs/README.md").links if "decisions/" in link
    } == files
