from pathlib import Path

import mlcroissant
from tests.cli.conftest import Command


def test_preview_marks_what_is_trained_on(civicbench: Command, smoke_home: Path) -> None:
    shown = civicbench("datasets", "preview", "--recipe", "smoke", home=smoke_home)
    assert shown.code == 0, shown.err
    assert "\u27e6Colour: " in shown.out
    assert "<|im_end|>\u27e7" in shown.out
    found = civicbench("datasets", "preview", "--recipe", "smoke", "--json", home=smoke_home).json
    assert [span["trained"] for span in found["rows"][0]["spans"]] == [False, True]


def test_diff_of_one_snapshot_finds_nothing(civicbench: Command, smoke_home: Path) -> None:
    shown = civicbench("datasets", "diff", "smoke", "smoke", home=smoke_home)
    assert shown.code == 0, shown.err
    assert "the same rows" in shown.out
    found = civicbench("datasets", "diff", "smoke", "smoke", "--json", home=smoke_home).json
    assert found["same"] is True


def test_diff_of_what_was_never_built_says_how_to_build_it(civicbench: Command, home: Path) -> None:
    shown = civicbench("datasets", "diff", "smoke", "smoke", home=home)
    assert shown.code == 2
    assert "civicbench datasets build NAME" in shown.err


def test_card_writes_markdown_html_and_croissant(
    civicbench: Command, smoke_home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "card"
    shown = civicbench(
        "datasets", "card", "smoke", "--to", str(folder), "--tokenizer", "tiny-random",
        home=smoke_home,
    )  # fmt: skip
    assert shown.code == 0, shown.err
    assert shown.out.split() == [
        str(folder / name) for name in ("card.md", "card.html", "croissant.json")
    ]
    assert "| `tiny-random` | train | 18 of 18 |" in (folder / "card.md").read_text()


def test_build_puts_card_and_croissant_beside_the_rows(civicbench: Command, home: Path) -> None:
    built = civicbench("datasets", "build", "smoke")
    assert built.code == 0, built.err
    folder = Path(built.out.strip())
    assert {"card.md", "card.html", "croissant.json", "train.jsonl"} <= {
        path.name for path in folder.iterdir()
    }
    card = (folder / "card.md").read_text()
    assert "Declared: en-GB. Measured with the detector lingua on 36 rows" in card
    assert "civicbench datasets card smoke" in card
    assert civicbench("datasets", "build", "smoke").out == built.out
    assert not mlcroissant.Dataset(jsonld=folder / "croissant.json").metadata.ctx.issues.errors


def test_card_without_a_folder_is_written_beside_the_rows(
    civicbench: Command, smoke_home: Path
) -> None:
    shown = civicbench("datasets", "card", "smoke", "--tokenizer", "tiny-random", home=smoke_home)
    assert shown.code == 0, shown.err
    card = Path(shown.out.split()[0])
    assert (card.parent / "train.jsonl").is_file()
    assert "| `tiny-random` | train | 18 of 18 |" in card.read_text()


def test_a_tokenizer_that_is_not_ready_is_refused_before_anything_is_written(
    civicbench: Command, home: Path, tmp_path: Path
) -> None:
    shown = civicbench(
        "datasets", "card", "smoke", "--to", str(tmp_path / "card"), "--tokenizer",
        "smollm2-135m-instruct", home=home,
    )  # fmt: skip
    assert shown.code == 5
    assert "civicbench models fetch smollm2-135m-instruct" in shown.err
    assert not (tmp_path / "card").exists()
