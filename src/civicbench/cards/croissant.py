"""A snapshot's description as Croissant 1.1: JSON-LD that dataset searches and loaders read.

Source: Croissant format specification 1.1 (MLCommons, 2026), https://mlcommons.org/croissant/1.1.
"""

import json
from typing import Any

from civicbench.cards.licence_links import licence_address
from civicbench.datasets.record import SnapshotRecord, SplitFact
from civicbench.datasets.split_files import SplitFormat

CROISSANT_NAME = "croissant.json"
_CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
# The specification's own context, word for word, so that no loader has to fetch one.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_ENCODINGS: dict[SplitFormat, str] = {
    "jsonl": "application/jsonlines",
    "parquet": "application/x-parquet",
}
_FIELDS = {
    "id": "The row's name, unique in the snapshot.",
    "group": "The row's group: no group stands in two splits.",
}
_PREFERENCE_FIELDS = {
    "rejected": "The answer that the conversation's last turn is preferred to.",
}
_TURN_FIELDS = {
    "role": "Who speaks: system, user or assistant.",
    "content": "What is said. The last turn is the answer that is trained on.",
}


def render_croissant(record: SnapshotRecord, *, created: str, url: str | None = None) -> str:
    """Return a snapshot's Croissant description as JSON text, with the splits beside it.

    Args:
        record: What the snapshot says of itself.
        created: When the dataset was made, as YYYY-MM or YYYY-MM-DD.
        url: Where the dataset is published; None names it by its digest.
    """
    splits = [fact for fact in record.splits if fact.rows]
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": record.name,
        "alternateName": record.title,
        "description": record.description,
        # Semantic versioning asks for three numbers; what names the bytes is the digest after +.
        "version": f"1.0.0+{record.digest[:12]}",
        "identifier": f"sha256:{record.digest}",
        "license": _licences(record.licence),
        "url": url or f"urn:civicbench:{record.name}:{record.digest}",
        "datePublished": created if len(created) > len("YYYY-MM") else f"{created}-01",
        "inLanguage": list(record.languages),
        "isLiveDataset": False,
        "creator": [{"@type": "sc:Organization", "name": name} for name in _creators(record)],
        "citeAs": f"{record.title}. {'; '.join(_creators(record))}. sha256:{record.digest}",
        "isBasedOn": [
            {
                "@type": "sc:CreativeWork",
                "name": source.name,
                "license": source.licence,
                "creditText": source.attribution,
                "identifier": f"sha256:{source.sha256}",
            }
            for source in record.sources
        ],
        "rai:personalSensitiveInformation": record.personal_data,
        "rai:dataLimitations": list(record.limits),
        "rai:dataPreprocessingProtocol": [
            f"{step.name}: {step.rows_in} rows in, {step.rows_out} out; {step.note}"
            for step in record.steps
        ],
        "distribution": [_file(fact, record.written_as) for fact in splits],
        "recordSet": [
            _records(fact, record.written_as, preferences=record.preferences) for fact in splits
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _licences(expression: str) -> str | list[str]:
    """Return the addresses of a licence expression's parts, or the identifier where unknown."""
    parts = expression.replace(" OR ", " AND ").split(" AND ")
    found = [licence_address(part) or part for part in parts]
    return found[0] if len(found) == 1 else found


def _creators(record: SnapshotRecord) -> list[str]:
    return list(dict.fromkeys(source.attribution for source in record.sources))


def _file(fact: SplitFact, written_as: SplitFormat) -> dict[str, Any]:
    name = f"{fact.name}.{written_as}"
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": f"The split {fact.name}: {fact.rows} rows in {fact.groups} groups.",
        "contentUrl": name,
        "encodingFormat": _ENCODINGS[written_as],
        "sha256": fact.sha256,
    }


def _records(fact: SplitFact, written_as: SplitFormat, *, preferences: bool) -> dict[str, Any]:
    columns = {**_FIELDS, **(_PREFERENCE_FIELDS if preferences else {})}
    return {
        "@type": "cr:RecordSet",
        "@id": fact.name,
        "name": fact.name,
        "description": f"Rows of the split {fact.name}.",
        "key": {"@id": f"{fact.name}/id"},
        "field": [
            *(
                _field(fact.name, name, description, written_as)
                for name, description in columns.items()
            ),
            {
                "@type": "cr:Field",
                "@id": f"{fact.name}/messages",
                "name": f"{fact.name}/messages",
                "description": "The conversation, turn by turn.",
                "repeated": True,
                "subField": [
                    _field(fact.name, f"messages/{name}", description, written_as)
                    for name, description in _TURN_FIELDS.items()
                ],
            },
        ],
    }


def _field(split: str, path: str, description: str, written_as: SplitFormat) -> dict[str, Any]:
    """Return a field of text: a column, or a key of each entry of a column's list."""
    column, _, key = path.partition("/")
    source = {"fileObject": {"@id": f"{split}.{written_as}"}, "extract": {"column": column}}
    return {
        "@type": "cr:Field",
        "@id": f"{split}/{path}",
        "name": f"{split}/{path}",
        "description": description,
        "dataType": "sc:Text",
        "source": source | ({"transform": {"jsonPath": f"$.{key}"}} if key else {}),
    }
