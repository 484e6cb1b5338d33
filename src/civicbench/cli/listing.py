"""Commands that list and show what there is."""

import click

from civicbench.cli.output import print_json, print_table, printable

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def models() -> None:
    """Base models of the catalogue."""


@models.command("list")
@_json
def list_models(as_json: bool) -> None:
    """List every base model, and whether it stands ready on this machine."""
    from civicbench.core.workspace import Workspace
    from civicbench.models.catalogue import list_model_entries
    from civicbench.models.prepare import describe_source, find_prepared

    workspace = Workspace.locate()
    rows = [
        {
            "name": entry.name,
            "title": entry.title,
            "parameters": entry.architecture.parameters,
            "context_length_tokens": entry.architecture.context_length_tokens,
            "licence": entry.licence.identifier,
            "source": describe_source(entry),
            "ready": find_prepared(entry, workspace=workspace) is not None,
        }
        for entry in list_model_entries()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        "",
        ("name", "weights", "context", "licence", "ready", "source"),
        [
            (
                str(row["name"]),
                f"{row['parameters']:,}",
                f"{row['context_length_tokens']:,}",
                str(row["licence"]),
                "yes" if row["ready"] else "no",
                str(row["source"]),
            )
            for row in rows
        ],
    )


@models.command("fetch")
@click.argument("name")
def fetch_model(name: str) -> None:
    """Fetch, verify and make ready the base model NAME."""
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.models.catalogue import load_model_entry
    from civicbench.models.prepare import prepare_model

    prepared = prepare_model(
        load_model_entry(name), workspace=Workspace.locate(), reporter=Reporter()
    )
    click.echo(str(prepared.folder))


@models.command("show")
@click.argument("name")
@_json
def show_model(name: str, as_json: bool) -> None:
    """Show the catalogue entry of NAME, with its licence duties, and its files where ready."""
    from civicbench.core.workspace import Workspace
    from civicbench.models.catalogue import load_model_entry
    from civicbench.models.prepare import describe_source, find_prepared, folder_digest

    entry = load_model_entry(name)
    prepared = find_prepared(entry, workspace=Workspace.locate())
    if as_json:
        found = prepared.record.model_dump(mode="json") if prepared else None
        print_json({**entry.model_dump(mode="json"), "ready": found})
        return
    numbers = entry.architecture
    lines = [
        ("Name", entry.name),
        ("Title", entry.title),
        ("Description", entry.description),
        ("Source", describe_source(entry)),
        ("Weights", f"{numbers.parameters:,}"),
        ("Layers and width", f"{numbers.layers} of {numbers.hidden_size}"),
        ("Context", f"{numbers.context_length_tokens:,} tokens"),
        ("Licence", f"{entry.licence.name} ({entry.licence.identifier}), {entry.licence.url}"),
        *(("Licence duty", duty) for duty in entry.licence.duties),
    ]
    digest = folder_digest(entry)
    if digest is not None:
        lines.append(("Folder digest", digest))
    if prepared is not None:
        lines += [
            ("Ready at", str(prepared.folder)),
            ("Weights digest", prepared.record.weights_digest),
        ]
    print_table("", ("", ""), lines)


@click.group()
def datasets() -> None:
    """Curated datasets and their snapshots."""


@datasets.command("list")
@_json
def list_all_datasets(as_json: bool) -> None:
    """List every dataset."""
    from civicbench.datasets.building import list_datasets

    rows = [
        {
            "name": dataset.settings.name,
            "title": dataset.settings.title,
            "licence": dataset.settings.licence,
            "languages": list(dataset.settings.languages),
        }
        for dataset in list_datasets()
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        "",
        ("name", "title", "licence", "languages"),
        [
            (str(r["name"]), str(r["title"]), str(r["licence"]), ", ".join(r["languages"]))
            for r in rows
        ],
    )


@datasets.command("build")
@click.argument("name")
def build_dataset(name: str) -> None:
    """Build the snapshot of NAME, unless it stands done, with its card beside the rows."""
    from civicbench.core.progress import Reporter
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.data_cards import build_dataset

    click.echo(str(build_dataset(name, workspace=Workspace.locate(), reporter=Reporter())))


@datasets.command("show")
@click.argument("name")
@click.option(
    "--samples", type=click.IntRange(min=0), default=2, show_default=True,
    help="Rows to print of the train split.",
)  # fmt: skip
@_json
def show_dataset(name: str, samples: int, as_json: bool) -> None:
    """Show the counts, licences, steps and some rows of NAME's snapshot.

    Nothing is built or fetched: where no snapshot stands, it says how to build one.
    """
    from civicbench.core.workspace import Workspace
    from civicbench.pipeline.showing import describe_dataset

    described = describe_dataset(name, samples=samples, workspace=Workspace.locate())
    if as_json:
        print_json(described.model_dump(mode="json"))
        return
    record = described.record
    click.echo(f"{record.title}\n{record.description}\n")
    print_table(
        "",
        ("split", "rows", "groups", "characters"),
        [(s.name, str(s.rows), str(s.groups), f"{s.characters:,}") for s in record.splits],
    )
    print_table(
        "",
        ("field", "value", "rows"),
        [(c.field, c.value, str(c.rows)) for c in described.counts],
    )
    print_table(
        "",
        ("step", "rows in", "rows out", "what"),
        [(s.name, str(s.rows_in), str(s.rows_out), s.note) for s in record.steps],
    )
    print_table(
        "",
        ("source", "licence", "attribution", "rows"),
        [(s.name, s.licence, s.attribution, str(s.rows)) for s in record.sources],
    )
    for row in described.samples:
        click.echo(f"--- {printable(row.id)}")
        for message in row.messages:
            click.echo(f"[{message.role}] {printable(message.content)}")
        if row.rejected is not None:
            click.echo(f"[rejected] {printable(row.rejected)}")


@click.group()
def recipes() -> None:
    """Recipes: what can be run."""


@recipes.command("list")
@_json
def list_all_recipes(as_json: bool) -> None:
    """List every recipe."""
    from civicbench.recipes.loading import list_recipes, load_recipe

    loaded = [load_recipe(name) for name in list_recipes()]
    rows = [
        {
            "name": recipe.settings.name,
            "purpose": recipe.settings.purpose,
            "model": recipe.model.name,
            "dataset": recipe.settings.dataset,
            "training": recipe.settings.training.use,
            "evaluation": list(recipe.settings.evaluation),
            "gate": recipe.gate.name,
        }
        for recipe in loaded
    ]
    if as_json:
        print_json(rows)
        return
    print_table(
        "",
        ("name", "model", "dataset", "training", "suites", "gate"),
        [
            (
                str(row["name"]), str(row["model"]), str(row["dataset"]), str(row["training"]),
                ", ".join(row["evaluation"]), str(row["gate"]),
            )
            for row in rows
        ],
    )  # fmt: skip


@recipes.command("show")
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY.PATH=VALUE]...")
@_json
def show_recipe(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Show RECIPE with everything it extends and changes filled in."""
    from civicbench.recipes.loading import load_recipe

    loaded = load_recipe(recipe, overrides=overrides)
    if as_json:
        print_json(loaded.settings.model_dump(mode="json"))
    else:
        click.echo(loaded.resolved_yaml, nl=False)


@recipes.command("validate")
@click.argument("names", nargs=-1, required=True, metavar="RECIPE...")
def validate_recipes(names: tuple[str, ...]) -> None:
    """Check recipes with every part they name; each given by name or by file."""
    from civicbench.recipes.loading import load_recipe

    for name in names:
        loaded = load_recipe(name)
        click.echo(f"{name}: valid ({loaded.digest[:12]})")
