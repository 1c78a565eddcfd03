"""Preference pairs as messages, in TRL's explicit form: `images`, `prompt`, `chosen`, `rejected`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.gates import alive
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.lessons import clean
from curate.exports.parquet_files import IMAGE, image_cells, with_features, write_parquet
from curate.storage.store import Store

__all__ = ["PAIR_COLUMNS", "TURNS", "Pairs", "assistant", "has_pair", "pairs_of", "user"]

PAIR: Final = ("pair_chosen", "pair_rejected")
PAIR_COLUMNS: Final = ("pair_prompt", *PAIR)

_CONTENT = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
TURNS: Final = pa.list_(pa.struct([("role", pa.string()), ("content", _CONTENT)]))
"""Messages as TRL takes them with images: the content of each is a list of parts."""
_PAIR = [("uid", pa.string()), ("images", pa.list_(IMAGE)), *((n, TURNS) for n in ("prompt", "chosen", "rejected"))]


def has_pair(columns: Sequence[str]) -> str:
    """Return the SQL condition for samples that hold a pair which no gate dropped; raises PlanError without pairs."""
    if not set(PAIR) <= set(columns):
        raise PlanError(f"the run has no {' and '.join(PAIR)}: pairs come from a recipe such as stic")
    return " AND ".join([*(f"{name} IS NOT NULL" for name in PAIR), *alive(columns, PAIR)])


def pairs_of(name: str, samples_per_file: int, more: Sequence[pa.Field] = ()) -> "Pairs":
    """Return what writes the pairs of the chosen samples, then the columns `more` as the run has them."""
    schema = with_features(pa.schema([*_PAIR, *more]), {"images": [{"_type": "Image"}]})
    return Pairs(name, Reads(samples_per_file, columns=(*PAIR_COLUMNS, *(column.name for column in more))), schema)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Writes one Parquet file a part."""

    name: str
    reads: Reads
    schema: pa.Schema

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        return write_parquet(folder, part.file(self.name, "parquet"), self.schema, samples, self._table)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        return Finished()

    def _table(self, samples: Samples) -> pa.Table:
        rows, images = samples.rows.to_pylist(), image_cells(samples)
        pairs = [_pair(row, image) for row, image in zip(rows, images, strict=True)]
        table = pa.Table.from_pylist(pairs, schema=pa.schema(_PAIR))
        for name in self.reads.columns[len(PAIR_COLUMNS) :] if self.reads.columns else ():
            column = self.schema.field(name)
            table = table.append_column(column, samples.rows[name].cast(column.type))
        return table.cast(self.schema)


def user(text: str) -> list[dict[str, Any]]:
    """Return the turn of a user who shows an image and asks."""
    return [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]


def assistant(text: str) -> list[dict[str, Any]]:
    """Return the turn that answers."""
    return [{"role": "assistant", "content": [{"type": "text", "text": text}]}]


def _pair(row: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "uid": row["uid"],
        "images": [image],
        "prompt": user(clean(row["pair_prompt"] or "")),
        "chosen": assistant(clean(row["pair_chosen"])),
        "rejected": assistant(clean(row["pair_rejected"])),
    }
