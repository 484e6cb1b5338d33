import pytest
from tests.reports.factory import make_report

from civicbench.reports.report import Report


@pytest.fixture(scope="session")
def two_models() -> Report:
    """Two models, without hostile texts."""
    return make_report(2, hostile=False, items=60)


@pytest.fixture(scope="session")
def hostile_models() -> Report:
    """Three models, with hostile texts everywhere."""
    return make_report(3, items=60)
