"""Opening a conversation with a base model or a registered version."""

import tempfile
from pathlib import Path

from pydantic import TypeAdapter

from civicbench.core.progress import Reporter
from civicbench.core.workspace import Workspace
from civicbench.models.catalogue import list_model_entries, load_model_entry
from civicbench.models.conversation import Conversation, Sampling
from civicbench.models.loading import Quantisation, load_base
from civicbench.models.prepare import prepare_model
from civicbench.models.rendering import load_renderer
from civicbench.models.trained import load_trained, trained_folder
from civicbench.registry.registry import Registry


def open_conversation(
    reference: str,
    *,
    system: str | None,
    sampling: Sampling,
    workspace: Workspace,
    reporter: Reporter,
) -> Conversation:
    """Load a base model or a registered version and begin a talk.

    Args:
        reference: A name of the catalogue, or a version's reference.
        system: A system turn to begin with.
        sampling: How answers are drawn.
        workspace: Where models and registry are.
        reporter: Told what is going on.

    Raises:
        InvalidInputError: Neither a base model nor a version has that name.
        IntegrityError: The version's files differ from what was registered.
    """
    if reference in {entry.name for entry in list_model_entries()}:
        prepared = prepare_model(
            load_model_entry(reference), workspace=workspace, reporter=reporter
        )
        model = load_base(prepared, precision="float32").eval()
    else:
        with Registry.open(workspace) as registry:
            evidence = registry.load_evidence(reference)
            prepared = prepare_model(
                load_model_entry(evidence.base.name), workspace=workspace, reporter=reporter
            )
            with tempfile.TemporaryDirectory() as folder:
                laid_out = registry.lay_out(reference, folder=Path(folder) / "version")
                trained = evidence.training.settings
                # As it was trained: a base that had to be quantised then has to be now.
                model = load_trained(
                    prepared,
                    laid_out / trained_folder(evidence.training.method),
                    precision="bfloat16" if trained["precision"] == "bfloat16" else "float32",
                    quantisation=TypeAdapter(Quantisation | None).validate_python(
                        trained["quantisation"]
                    ),
                )
    return Conversation(
        model,
        renderer=load_renderer(prepared),
        system=system,
        sampling=sampling,
        context_length_tokens=prepared.record.context_length_tokens,
    )
