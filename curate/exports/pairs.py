"""Preference pairs as messages, in TRL's explicit form: `images`, `prompt`, `chosen`, `rejected`."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.gates import alive
from curate.exports.index import Written
from curate.exports.parquet_files import IMAGE, ParquetLayout, with_features, write_files
from curate.exports.selection import Selection
from curate.storage.store import Store

__all__ = ["has_pair", "write_pairs"]

PAIR: Final = ("pair_chosen", "pair_rejected")

_CONTENT = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
_TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", _CONTENT)]))
_PAIR = [("uid", pa.string()), ("images", pa.list_(IMAGE)), *((n, _TURNS) for n in ("prompt", "chosen", "rejected"))]


def has_pair(columns: Sequence[str]) -> str:
    """Return the SQL condition for samples that hold a pair which no gate dropped; raises PlanError without pairs."""
    if not set(PAIR) <= set(columns):
        raise PlanError(f"the run has no {' and '.join(PAIR)}: pairs come from a recipe such as stic")
    return " AND ".join([*(f"{name} IS NOT NULL" for name in PAIR), *alive(columns, PAIR)])


def write_pairs(
    selection: Selection, store: Store, name: str, samples_per_file: int, more: Sequence[pa.Field] = ()
) -> Written:
    """Write the pairs of the chosen samples to Parquet files, then the columns `more` as the run has them."""
    schema = with_features(pa.schema([*_PAIR, *more]), {"images": [{"_type": "Image"}]})

    def convert(rows: pa.Table, images: list[dict[str, Any]]) -> pa.Table:
        names = ("uid", "pair_prompt", "pair_chosen", "pair_rejected")
        values = zip(*(rows[column].to_pylist() for column in names), images, strict=True)
        table = pa.Table.from_pylist([_pair(*value) for value in values], schema=pa.schema(_PAIR))
        for column in more:
            table = table.append_column(column, rows[column.name].cast(column.type))
        return table.cast(schema)

    return write_files(selection, store, ParquetLayout(name, samples_per_file, schema, convert))


def _pair(uid: str, prompt: str | None, chosen: str, rejected: str, image: dict[str, Any]) -> dict[str, Any]:
    def turn(role: str, *content: dict[str, str]) -> list[dict[str, Any]]:
        return [{"role": role, "content": list(content)}]

    return {
        "uid": uid,
        "images": [image],
        "prompt": turn("user", {"type": "image"}, {"type": "text", "text": prompt or ""}),
        "chosen": turn("assistant", {"type": "text", "text": chosen}),
        "rejected": turn("assistant", {"type": "text", "text": rejected}),
    }
