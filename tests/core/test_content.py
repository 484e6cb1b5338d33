from pathlib import Path

import pytest

from civicbench.core.content import find_content, list_content, project_root, shipped_content_root
from civicbench.core.errors import InvalidInputError

_MODELS = "configs/models/{name}.yaml"
_DATASETS = "datasets/{name}/dataset.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "recipes").mkdir(parents=True)
    (folder / "configs" / "models").mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_the_project_is_looked_up_before_what_is_shipped(project: Path) -> None:
    assert find_content(_MODELS, "tiny-random").is_relative_to(shipped_content_root())
    own = project / "configs" / "models" / "tiny-random.yaml"
    own.write_text("name: tiny-random\n")
    assert find_content(_MODELS, "tiny-random") == own
    found = list_content(_MODELS)
    assert found["tiny-random"] == own
    assert found["smollm2-135m-instruct"].is_relative_to(shipped_content_root())


def test_the_project_is_found_from_a_folder_within(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = project / "notes" / "deep"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert project_root() == project
    (project / "configs" / "models" / "own.yaml").write_text("name: own\n")
    assert find_content(_MODELS, "own").parent == project / "configs" / "models"


def test_a_folder_without_a_project_is_its_own_root(tmp_path: Path) -> None:
    assert project_root(tmp_path) == tmp_path.resolve()


def test_a_mistyped_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(InvalidInputError, match=r"no 'enquiry-triag' in datasets/") as caught:
        find_content(_DATASETS, "enquiry-triag")
    assert caught.value.remedy == "did you mean enquiry-triage?"


def test_a_name_that_is_near_nothing_gets_all_that_are_known() -> None:
    with pytest.raises(InvalidInputError) as caught:
        find_content(_DATASETS, "zzzzzz")
    assert caught.value.remedy == f"known: {', '.join(sorted(list_content(_DATASETS)))}"


@pytest.mark.parametrize("name", ["", "../smoke", "smoke/../smoke", "/etc", "smoke/", "*", "."])
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(InvalidInputError):
        find_content(_DATASETS, name)


def test_a_folder_without_its_file_is_not_a_part(project: Path) -> None:
    (project / "datasets" / "empty").mkdir(parents=True)
    (project / "datasets" / "odd" / "dataset.yaml").mkdir(parents=True)
    assert list_content(_DATASETS).keys().isdisjoint({"empty", "odd"})
