from pathlib import Path

import pytest
from tests.cli.conftest import Command


@pytest.mark.parametrize("model", ["tiny-random", "smoke"])
def test_each_line_is_answered_until_the_input_ends(
    civicbench: Command, smoke_home: Path, model: str
) -> None:
    options = ("--max-new-tokens", "8")
    done = civicbench("chat", model, *options, home=smoke_home, typed="hello\nagain\n")
    assert done.code == 0, done.err
    assert done.out.count("\n") >= 2
    assert all(character.isprintable() or character in "\n\t" for character in done.out)
    again = civicbench("chat", model, *options, home=smoke_home, typed="hello\nagain\n\nnever\n")
    assert again.out == done.out  # an empty line ends the talk, and answers are the likeliest


def test_sampled_answers_follow_their_seed(civicbench: Command, smoke_home: Path) -> None:
    def answer(seed: str) -> str:
        options = ("--temperature", "1.5", "--seed", seed, "--max-new-tokens", "16")
        return civicbench("chat", "tiny-random", *options, home=smoke_home, typed="hello\n").out

    assert answer("1") == answer("1")
    assert answer("1") != answer("2")


def test_a_talk_longer_than_the_model_reads_is_refused(
    civicbench: Command, smoke_home: Path
) -> None:
    done = civicbench("chat", "tiny-random", home=smoke_home, typed="word " * 20_000 + "\n")
    assert done.code == 2
    assert "longer than the model can read" in done.err


def test_no_input_is_no_error(civicbench: Command, smoke_home: Path) -> None:
    done = civicbench("chat", "tiny-random", home=smoke_home)
    assert (done.code, done.out) == (0, "")
