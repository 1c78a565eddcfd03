"""Write `croissant.json`: files with their SHA-256, records, and who made each column, in MLCommons' Croissant 1.1.

Source: the specification of Croissant 1.1, http://mlcommons.org/croissant/1.1; provenance by W3C PROV-O.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from curate.exports.layout import Contents, PartFacts
from curate.exports.metadata.croissant_records import file_set_of, records
from curate.exports.metadata.provenance import Model, Provenance

__all__ = ["croissant"]

SPECIFICATIONS: Final = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
MEDIA: Final = {"parquet": "application/x-parquet", "tar": "application/x-tar"}
TERMS: Final = (
    "arrayShape citeAs column containedIn equivalentProperty extract field fileProperty fileObject fileSet format "
    "includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in TERMS.split()},
}


def croissant(contents: Contents, parts: Sequence[PartFacts], made: Provenance) -> dict[str, Any]:
    """Return the document; what a stage is called in it is `stage-NUMBER`, its place in the run from 0."""
    run = made.run
    tools = [f"{model.stage}: {model.name} {model.revision} ({model.licence})" for model in made.models]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": SPECIFICATIONS,
        "name": run.id,
        "description": f"{made.samples:,} images and what is known of them, as the recipe {run.recipe} kept them.",
        "license": contents.licence or "unknown",
        "rai:dataManipulationProtocol": "; ".join(f"{what}: {samples:,}" for what, samples in made.funnel),
        **({"rai:machineAnnotationTools": tools} if tools else {}),
        "prov:wasGeneratedBy": [_activity(i, made) for i in range(len(run.stages))],
        "distribution": [*_files(contents, parts), *_file_sets(contents, parts)],
        "recordSet": list(records(contents, made)),
    }


def _activity(index: int, made: Provenance) -> dict[str, Any]:
    """Return what a stage of the run is in PROV: its parameters, the models and prompts that it used."""
    stage = made.run.stages[index]
    models = [_agent(model) for model in made.models if model.stage == stage.name and stage.id]
    prompts = [{"@type": "prov:Plan", "name": p.id, "text": p.text} for p in made.prompts if p.stage == stage.name]
    return {
        "@type": "prov:Activity",
        "@id": f"stage-{index}",
        "name": stage.id or stage.name,
        "description": stage.repr,
        **({"prov:wasAssociatedWith": models} if models else {}),
        **({"prov:hadPlan": prompts} if prompts and stage.id else {}),
    }


def _agent(model: Model) -> dict[str, Any]:
    return {
        "@type": "prov:SoftwareAgent",
        "name": model.name,
        "license": model.licence,
        **({"version": model.revision} if model.revision else {}),
    }


def _files(contents: Contents, parts: Sequence[PartFacts]) -> Iterator[dict[str, Any]]:
    for part in parts:
        for name, facts in part.files.items():
            yield {
                "@type": "cr:FileObject",
                "@id": name,
                "name": name,
                "contentUrl": name,
                "contentSize": f"{facts['size_bytes']} B",
                "encodingFormat": MEDIA[contents.extension],
                "sha256": facts["sha256"],
            }


def _file_sets(contents: Contents, parts: Sequence[PartFacts]) -> Iterator[dict[str, Any]]:
    """Yield the sets that records are read from: all Parquet files, or each kind of member of the tars."""
    if contents.extension == "parquet":
        yield _file_set(file_set_of("parquet"), f"{contents.name}-*.parquet", MEDIA["parquet"])
        return
    tars = [{"@id": name} for part in parts for name in part.files]
    for member, media in ((contents.image, "image/*"), ("txt", "text/plain"), ("json", "application/json")):
        yield {**_file_set(file_set_of(member), f"*.{member}", media), "containedIn": tars}


def _file_set(name: str, pattern: str, media: str) -> dict[str, Any]:
    return {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": media, "includes": pattern}
