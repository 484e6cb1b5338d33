"""A version's ATRS record as it stands in a registry."""

from civicbench.registry.atrs.record import ATRS_EDITED, AtrsRecord, make_record
from civicbench.registry.registry import Registry


def load_record(registry: Registry, reference: str) -> AtrsRecord:
    """Return a registered version's ATRS record as it stands now.

    Raises:
        InvalidInputError: The reference names no version, or several.
        IntegrityError: The version's evidence is missing or was changed.
    """
    version = registry.show(reference)
    edits = registry.log.entries(ATRS_EDITED, subject=version.model)
    evidence = registry.load_evidence(version.digest)
    return make_record(evidence, number=version.number, edits=edits)
