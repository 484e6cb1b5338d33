"""The readers that a source may name."""

from typing import Annotated

from pydantic import Field

from civicbench.datasets.readers.akoma_ntoso import AkomaNtoso
from civicbench.datasets.readers.apple_strings import AppleStrings
from civicbench.datasets.readers.delimited import Delimited
from civicbench.datasets.readers.govuk_content import GovukContent
from civicbench.datasets.readers.json_document import JsonDocument
from civicbench.datasets.readers.json_lines import JsonLines
from civicbench.datasets.readers.json_locale import JsonLocale
from civicbench.datasets.readers.parldata import Parldata
from civicbench.datasets.readers.parquet import Parquet
from civicbench.datasets.readers.play_messages import PlayMessages
from civicbench.datasets.readers.qmsum import QMSum
from civicbench.datasets.readers.rails_locale import RailsLocale
from civicbench.datasets.readers.text_lines import TextLines
from civicbench.datasets.readers.themefinder import ThemeFinder
from civicbench.datasets.readers.yaml_document import YamlDocument

ReaderSettings = Annotated[
    AkomaNtoso
    | AppleStrings
    | Delimited
    | GovukContent
    | JsonDocument
    | JsonLines
    | JsonLocale
    | Parldata
    | Parquet
    | PlayMessages
    | QMSum
    | RailsLocale
    | TextLines
    | ThemeFinder
    | YamlDocument,
    Field(discriminator="reader"),
]
