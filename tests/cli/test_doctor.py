from pathlib import Path

import pytest
from tests.cli.conftest import Command

PROJECT_MODEL = Path("configs/models/tiny-random.yaml").resolve()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a model whose padding token ends turns."""
    folder = tmp_path / "project"
    for kind in ("recipes", "configs/models"):
        (folder / kind).mkdir(parents=True)
    text = PROJECT_MODEL.read_text("utf-8")
    assert "pad_token: <|pad|>" in text
    broken = text.replace("name: tiny-random", "name: broken")
    (folder / "configs/models/broken.yaml").write_text(
        broken.replace("pad_token: <|pad|>", "pad_token: <|im_end|>"), "utf-8"
    )
    (folder / "recipes/broken.yaml").write_text("extends: smoke\nname: broken\nmodel: broken\n")
    monkeypatch.chdir(folder)
    return folder


def test_a_sound_recipe_is_shown_check_by_check_and_token_by_token(civicbench: Command) -> None:
    done = civicbench("doctor", "--recipe", "smoke")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert any("end of turn is trained" in line and " ok" in line for line in lines)
    head = next(place for place, line in enumerate(lines) if line.split()[:2] == ["place", "id"])
    table = [line.split(maxsplit=3) for line in lines[head + 1 :]]
    assert [int(row[0]) for row in table] == list(range(len(table)))
    assert table[0][2:] == ["-", "<|im_start|>"]
    assert table[-1][2:] == ["trained", "<|im_end|>"]
    assert "\x1b" not in done.out  # a log has no colours
    found = civicbench("doctor", "--recipe", "smoke", "--json").json
    assert [token["id"] for token in found["example"]["tokens"]] == [int(row[1]) for row in table]
    assert {finding["state"] for finding in found["findings"]} <= {"good", "note"}


def test_a_check_that_fails_is_2_and_all_is_printed_before(
    civicbench: Command, project: Path
) -> None:
    done = civicbench("doctor", "--recipe", "broken")
    assert done.code == 2
    assert "padding token, padding in the loss" in done.err
    assert "what to do" in done.err
    assert "WOULD FAIL" in done.out
    assert "Traceback" not in done.err
    as_json = civicbench("doctor", "--recipe", "broken", "--json")
    assert as_json.code == 2
    bad = [f["what"] for f in as_json.json["findings"] if f["state"] == "bad"]
    assert bad == ["padding token", "padding in the loss"]


def test_a_row_that_is_not_there_is_2(civicbench: Command) -> None:
    done = civicbench("doctor", "--recipe", "smoke", "--example", "nobody")
    assert done.code == 2
    assert "there is no such row" in done.err
    assert civicbench("doctor", "--example", "1").code == 2


def test_text_that_would_steer_the_terminal_is_shown_not_obeyed(
    civicbench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from civicbench.cli.findings import print_tokens
    from civicbench.pipeline.previewing import PreviewRow, PreviewToken

    texts = ("[bold]", "\x1b[2J", "\u202eevil", "a\nb", "\u061c", "\t", "\r")
    tokens = tuple(PreviewToken(id=n, text=text, trained=True) for n, text in enumerate(texts))
    printed: list[str] = []
    monkeypatch.setattr("click.echo", lambda text, nl: printed.append(text))
    print_tokens(PreviewRow(id="row", tokens=tokens, spans=(), shared_tokens=0))
    (text,) = printed
    lines = text.splitlines()
    assert len(lines) == 2 + len(texts)
    assert lines[2].endswith("  [bold]")
    assert not set(text) & set("\x1b\u202e\u061c\t\r")
