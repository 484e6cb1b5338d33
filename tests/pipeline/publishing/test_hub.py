"""A version as a Hugging Face repository: whole, licensed, and sent only when asked."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from peft import PeftConfig, PeftModel
from tests.pipeline.publishing.hub_stand_in import TOKEN, stand_in
from transformers import AutoTokenizer

from civicbench.core.errors import IntegrityError, InvalidInputError, PartAbsentError
from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.catalogue import load_model_entry
from civicbench.models.loading import load_base
from civicbench.models.prepare import prepare_model
from civicbench.pipeline.publishing.hub import HubLayout, publish_to_hub
from civicbench.pipeline.publishing.version import NotApprovedError
from civicbench.registry.registry import Registry

QUIET = Reporter(live=False)


def publish(
    home: Path,
    folder: Path,
    *,
    repository: str | None = None,
    push: bool = False,
    unapproved: bool = False,
) -> HubLayout:
    return publish_to_hub(
        "smoke",
        folder=folder,
        repository=repository,
        push=push,
        unapproved=unapproved,
        workspace=Workspace(home),
        reporter=QUIET,
    )


def test_the_layout_is_a_repository_that_peft_loads(smoke_home: Path, tmp_path: Path) -> None:
    made = publish(smoke_home, tmp_path / "repository")
    assert made.commit is None
    assert set(made.files) >= {
        ".gitattributes", "README.md", "card.html", "evidence.json", "civicbench.json",
        "adapter_config.json", "adapter_model.safetensors", "tokenizer.json",
        "chat_template.jinja", "LICENCE-DUTIES.txt",
    }  # fmt: skip
    front = (made.folder / "README.md").read_text().split("---\n")[1]
    assert yaml.safe_load(front)["library_name"] == "peft"
    with Registry.open(Workspace(smoke_home)) as registry:
        shown = registry.show("smoke")
        head = registry.head()
    facts = json.loads((made.folder / "civicbench.json").read_text())
    assert (facts["digest"], facts["state"], facts["chain_head"]) == (
        shown.digest, shown.state, head.digest,
    )  # fmt: skip
    assert PeftConfig.from_pretrained(made.folder).base_model_name_or_path == "tiny-random"
    prepared = prepare_model(
        load_model_entry("tiny-random"), workspace=Workspace(smoke_home), reporter=QUIET
    )
    model = PeftModel.from_pretrained(load_base(prepared, precision="float32"), made.folder)
    assert model.active_adapters == ["default"]
    assert AutoTokenizer.from_pretrained(made.folder, local_files_only=True).chat_template


def test_nothing_is_written_over_and_nothing_left_behind(smoke_home: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(InvalidInputError, match="stands already"):
        publish(smoke_home, tmp_path / "there")
    with pytest.raises(InvalidInputError, match="OWNER/NAME"):
        publish(smoke_home, tmp_path / "other", repository="../etc/passwd")
    assert {path.name for path in tmp_path.iterdir()} <= {"there", "home"}


@pytest.mark.parametrize("how", ["missing", "changed"])
def test_a_version_whose_stored_file_is_not_what_it_was_is_not_handed_on(
    smoke_home: Path, tmp_path: Path, how: str
) -> None:
    used = Path(shutil.copytree(smoke_home, tmp_path / "used", symlinks=True))
    with Registry.open(Workspace(used)) as registry:
        place = registry.artefact_paths("smoke")["adapter/adapter_model.safetensors"]
    if how == "missing":
        place.unlink()
    else:
        place.chmod(0o644)
        content = place.read_bytes()
        place.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError) as refused:
        publish(used, tmp_path / "repository")
    assert refused.value.exit_code == 6
    assert {path.name for path in tmp_path.iterdir()} <= {"used", "home"}


def test_what_nobody_approved_is_not_sent(
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")
    with pytest.raises(NotApprovedError) as refused:
        publish(smoke_home, tmp_path / "repository", repository="council/smoke", push=True)
    assert refused.value.exit_code == 4
    assert not (tmp_path / "repository").exists()


def test_offline_nothing_is_sent_at_all(smoke_home: Path, tmp_path: Path) -> None:
    with pytest.raises(PartAbsentError, match="offline"):
        publish(smoke_home, tmp_path / "repository", repository="a/b", push=True, unapproved=True)


def test_a_push_sends_exactly_the_layout(
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with stand_in() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        made = publish(
            smoke_home,
            tmp_path / "repository",
            repository="council/smoke",
            push=True,
            unapproved=True,
        )
    assert made.commit == "c" * 40
    assert hub.private == {"council/smoke": True}  # nobody has approved it
    assert hub.files == {name: (made.folder / name).read_bytes() for name in made.files}
    assert hub.messages[0].startswith("smoke:1 (")


def test_a_hub_that_refuses_is_told_and_the_layout_stays(
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVICBENCH_OFFLINE", "0")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with stand_in() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        with pytest.raises(PartAbsentError, match="did not take council/smoke"):
            publish(
                smoke_home,
                tmp_path / "repository",
                repository="council/smoke",
                push=True,
                unapproved=True,
            )
    assert (tmp_path / "repository/README.md").is_file()
    assert hub.files == {}
