"""The command that writes a trained model as a folder of its own."""

from pathlib import Path

import click

from civicbench.cli.output import print_json


@click.command()
@click.argument("model")
@click.argument("overrides", nargs=-1)
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True,
              help="Folder for the model; must not stand yet.")  # fmt: skip
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]),
              help="Number format of the weights; the base's own where not given.")  # fmt: skip
@click.option("--for", "target", type=click.Choice(["transformers", "gguf"]),
              default="transformers", show_default=True,
              help="gguf: hold the folder to what llama.cpp's converter reads.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def export(
    model: str,
    overrides: tuple[str, ...],
    folder: Path,
    precision: str | None,
    target: str,
    as_json: bool,
) -> None:
    """Write MODEL as a folder that any program with transformers loads.

    MODEL is a registered version (NAME, NAME:NUMBER or the beginning of a digest) or a recipe that
    has been trained, with its key=value OVERRIDES; a name that is both stands for the version. An
    adapter is merged into its base in float32, and the written model has to give held-out answers
    the log-likelihoods that base and adapter give them; else nothing is left behind.
    """
    from typing import get_args

    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.models.gguf_ready import CONVERT_COMMAND
    from civicbench.models.loading import Precision
    from civicbench.pipeline.exporting import export_model

    made = export_model(
        model,
        overrides=overrides,
        folder=folder,
        precision=next((name for name in get_args(Precision) if name == precision), None),
        for_gguf=target == "gguf",
        workspace=Workspace.locate(),
        reporter=Reporter(),
    )
    parity = made.parity
    if as_json:
        print_json(
            {
                "folder": str(made.folder),
                "precision": made.precision,
                "gguf_tensors": made.gguf_tensors,
                "parity": {
                    "split": made.split,
                    "rows": parity.rows,
                    "tokens": parity.tokens,
                    "largest_nats_a_token": parity.largest_nats,
                    "tolerance_nats_a_token": parity.tolerance_nats,
                },
            }
        )
        return
    click.echo(f"Model: {made.folder} ({made.precision})")
    click.echo(
        f"Parity: {parity.rows} rows of the split {made.split}, at most "
        f"{parity.largest_nats:.1e} nats a token apart ({parity.tolerance_nats:g} allowed)"
    )
    if made.gguf_tensors is not None:
        click.echo(f"GGUF: {made.gguf_tensors} tensors, every one with a place")
        click.echo(f"Convert with llama.cpp: {CONVERT_COMMAND.format(folder=made.folder)}")
