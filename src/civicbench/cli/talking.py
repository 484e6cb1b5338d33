"""The command to talk with a model."""

import sys

import click


@click.command()
@click.argument("model")
@click.option("--system", help="A system turn to begin with.")
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Longest answer in tokens.",
)
@click.option(
    "--temperature", type=click.FloatRange(min=0.0), default=0.0, show_default=True,
    help="0 always takes the likeliest token.",
)  # fmt: skip
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of sampled answers.",
)
def chat(
    model: str, system: str | None, max_new_tokens: int, temperature: float, seed: int
) -> None:
    """Talk with MODEL in the terminal: a base model's name, or a registered version.

    A version is NAME, NAME:NUMBER or the beginning of a digest. Each line is a turn; an empty
    line or the end of input ends the talk.
    """
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.models.conversation import Sampling
    from civicbench.pipeline.talking import open_conversation

    sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
    conversation = open_conversation(
        model, system=system, sampling=sampling, workspace=Workspace.locate(), reporter=Reporter()
    )
    interactive = sys.stdin.isatty()
    while True:
        if interactive:
            click.echo("you> ", nl=False)
        line = sys.stdin.readline().strip()
        if not line:
            return
        for piece in conversation.answer(line):
            # Control characters of a model's answer must not reach the terminal.
            click.echo("".join(c for c in piece if c.isprintable() or c in "\n\t"), nl=False)
        click.echo()
