"""The steps that a dataset may declare."""

from typing import Annotated

from pydantic import Field

from civicbench.datasets.steps.balance import Balance
from civicbench.datasets.steps.decontaminate import Decontaminate
from civicbench.datasets.steps.exact_duplicates import ExactDuplicates
from civicbench.datasets.steps.extract import Extract
from civicbench.datasets.steps.filter_agreement import FilterAgreement
from civicbench.datasets.steps.filter_language import FilterLanguage
from civicbench.datasets.steps.filter_length import FilterLength
from civicbench.datasets.steps.filter_pattern import FilterPattern, FilterSame
from civicbench.datasets.steps.licences import Licences
from civicbench.datasets.steps.near_duplicates import NearDuplicates
from civicbench.datasets.steps.normalise import Normalise
from civicbench.datasets.steps.personal_data import PersonalData

AnyStep = (
    Balance
    | Decontaminate
    | ExactDuplicates
    | Extract
    | FilterAgreement
    | FilterLanguage
    | FilterLength
    | FilterPattern
    | FilterSame
    | Licences
    | NearDuplicates
    | Normalise
    | PersonalData
)
StepSettings = Annotated[AnyStep, Field(discriminator="step")]
