"""Describe the records of an export in Croissant: each column as a field, with who made it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from curate.exports.layout import Contents
from curate.exports.metadata.provenance import Provenance
from curate.exports.parquet_files import IMAGE

__all__ = ["file_set_of", "records"]

TYPES: Final = {"string": "sc:Text", "bool": "sc:Boolean", "halffloat": "cr:Float16", "float": "cr:Float32"}
SAMPLES: Final = "samples"
COLUMNS: Final = "columns"


def file_set_of(kind: str) -> str:
    """Return the id of the set of all Parquet files, or of all members of one extension."""
    return f"{kind}-files"


def records(contents: Contents, made: Provenance) -> Iterator[dict[str, Any]]:
    """Yield the record sets: one of all columns, or one for each kind of member, with the sample's key in common."""
    if contents.extension == "parquet":
        fields = [_field(SAMPLES, field, made, {"column": field.name}) for field in contents.columns]
        yield _record_set(SAMPLES, file_set_of("parquet"), fields)
        return
    said = {contents.image: ("image", "sc:ImageObject"), "txt": ("text", "sc:Text"), "json": ("document", "sc:Text")}
    for member, (name, kind) in said.items():
        fields = [_key(member), _leaf(f"{member}-records/{name}", name, kind, {"extract": {"fileProperty": "content"}})]
        yield _record_set(f"{member}-records", file_set_of(member), fields)
    yield _dictionary(contents, made)


def _dictionary(contents: Contents, made: Provenance) -> dict[str, Any]:
    """Return a record for each column in the JSON documents: readers of Croissant do not look into files of a tar."""
    rows = [{"column": field.name, "type": _type(field.type), **_about(field.name, made)} for field in contents.fields]
    return {
        "@type": "cr:RecordSet",
        "@id": COLUMNS,
        "name": COLUMNS,
        "description": "The values of a JSON document, and the stage of the run that made each.",
        "field": [
            {"@type": "cr:Field", "@id": f"{COLUMNS}/{name}", "name": name, "dataType": "sc:Text"}
            for name in ("column", "type", "description", "made_by")
        ],
        "data": [{f"{COLUMNS}/{name}": value for name, value in row.items()} for row in rows],
    }


def _record_set(name: str, file_set: str, fields: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [_from(field, file_set) for field in fields],
    }


def _from(field: dict[str, Any], file_set: str) -> dict[str, Any]:
    """Return a field, and those in it, that are read from a set of files."""
    inner = {"subField": [_from(each, file_set) for each in field["subField"]]} if "subField" in field else {}
    return {**field, **inner, "source": {"fileSet": {"@id": file_set}, **field["source"]}}


def _key(member: str) -> dict[str, Any]:
    source = {"extract": {"fileProperty": "filename"}, "transform": {"regex": r"([^.]*)\..*"}}
    return _leaf(f"{member}-records/uid", "uid", "sc:Text", source)


def _field(parent: str, field: pa.Field, made: Provenance, extract: dict[str, Any]) -> dict[str, Any]:
    """Return a column of a table as a field, with what is in a struct or in a list of structs below it."""
    identity = f"{parent}/{field.name}"
    if field.type == IMAGE:
        return _leaf(identity, field.name, "sc:ImageObject", {"extract": extract, "transform": {"jsonPath": "bytes"}})
    kind, depth = field.type, 0
    while pa.types.is_list(kind):
        kind, depth = kind.value_type, depth + 1
    array = {"isArray": True, "arrayShape": ",".join(["-1"] * depth)} if depth else {}
    leaf = {**_leaf(identity, field.name, _type(kind), {"extract": extract}), **array, **_told(field.name, made)}
    if not pa.types.is_struct(kind):
        return leaf
    leaf.pop("dataType")
    return {**leaf, "subField": [_inner(identity, each, extract) for each in kind]}


def _inner(parent: str, field: pa.Field, extract: dict[str, Any]) -> dict[str, Any]:
    kind = field.type
    while pa.types.is_list(kind):
        kind = kind.value_type
    source = {"extract": extract, "transform": {"jsonPath": field.name}}
    return _leaf(f"{parent}/{field.name}", field.name, _type(kind), source)


def _leaf(identity: str, name: str, kind: str, source: dict[str, Any]) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": identity, "name": name, "dataType": kind, "source": source}


def _told(column: str, made: Provenance) -> dict[str, Any]:
    """Return what a field says of a column: description, unit, and the stage of the run that made it."""
    about = _about(column, made)
    description = {"description": about["description"]} if about["description"] else {}
    return description | ({"prov:wasGeneratedBy": {"@id": about["made_by"]}} if about["made_by"] else {})


def _about(column: str, made: Provenance) -> dict[str, str]:
    """Return the description of a column, and the activity that made it; empty where it is not known."""
    about, at = made.documented.get(column, {}), made.made_by.get(column)
    sentence = f"{about['doc']} Unit: {about['unit']}. Null: {about['null']}." if about else ""
    return {"description": sentence, "made_by": "" if at is None else f"stage-{at}"}


def _type(kind: pa.DataType) -> str:
    """Return the data type of a value; what Croissant has no type for is text."""
    if pa.types.is_integer(kind):
        return f"cr:{'UInt' if pa.types.is_unsigned_integer(kind) else 'Int'}{kind.bit_width}"
    return TYPES.get(str(kind), "cr:Float64" if pa.types.is_floating(kind) else "sc:Text")
