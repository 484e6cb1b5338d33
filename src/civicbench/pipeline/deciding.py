"""Whether what stands in the project now is what a decision was signed over."""

from civicbench.core.errors import InvalidInputError
from civicbench.registry.decisions.recording import NotAllowedError
from civicbench.registry.gate_files import gate_digest, load_gate
from civicbench.registry.registry import Registry


def project_differences(registry: Registry, reference: str) -> tuple[str, ...]:
    """Return what of the project differs from what a version was judged by.

    The gate as it stands in the project now is compared. A gate that the project does not have is
    no difference: a registry is read on machines without the project.

    Args:
        registry: An open registry.
        reference: The version.
    """
    gate = registry.load_evidence(reference).gate
    try:
        now = gate_digest(load_gate(gate.gate))
    except InvalidInputError:
        return ()
    if now == gate.digest:
        return ()
    return (
        f"the gate {gate.gate} was edited after the version was judged: "
        f"{gate.digest[:12]} then, {now[:12]} now",
    )


def check_project(registry: Registry, reference: str) -> None:
    """Refuse a release while the project differs from what was decided on.

    Raises:
        NotAllowedError: With each thing that differs.
    """
    differs = project_differences(registry, reference)
    if differs:
        raise NotAllowedError(
            f"the approval of {reference} no longer applies",
            got="; ".join(differs),
            remedy="evaluate and review it by the gate as it is now, or put the gate back",
        )
