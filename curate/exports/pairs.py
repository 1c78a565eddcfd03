"""Preference pairs as messages, in TRL's explicit form: `images`, `prompt`, `chosen`, `rejected`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from curate.errors import PlanError
from curate.exports.gates import alive
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.parquet_files import IMAGE, image_cells, with_features, write_parquet
from curate.storage.store import Store

__all__ = ["Pairs", "has_pair", "pairs_of"]

PAIR: Final = ("pair_chosen", "pair_rejected")

_CONTENT = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
_TURNS = pa.list_(pa.struct([("role", pa.string()), ("content", _CONTENT)]))
_PAIR = [("uid", pa.string()), ("images", pa.list_(IMAGE)), *((n, _TURNS) for n in ("prompt", "chosen", "rejected"))]


_READ = ("pair_prompt", "pair_chosen", "pair_rejected")


def has_pair(columns: Sequence[str]) -> str:
    """Return the SQL condition for samples that hold a pair which no gate dropped; raises PlanError without pairs."""
    if not set(PAIR) <= set(columns):
        raise PlanError(f"the run has no {' and '.join(PAIR)}: pairs come from a recipe such as stic")
    return " AND ".join([*(f"{name} IS NOT NULL" for name in PAIR), *alive(columns, PAIR)])


def pairs_of(name: str, samples_per_file: int, more: Sequence[pa.Field] = ()) -> "Pairs":
    """Return what writes the pairs of the chosen samples, then the columns `more` as the run has them."""
    schema = with_features(pa.schema([*_PAIR, *more]), {"images": [{"_type": "Image"}]})
    return Pairs(name, Reads(samples_per_file, columns=(*_READ, *(column.name for column in more))), schema)


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
        values = zip(*(samples.rows[name].to_pylist() for name in ("uid", *_READ)), image_cells(samples), strict=True)
        table = pa.Table.from_pylist([_pair(*value) for value in values], schema=pa.schema(_PAIR))
        for name in self.reads.columns[len(_READ) :] if self.reads.columns else ():
            column = self.schema.field(name)
            table = table.append_column(column, samples.rows[name].cast(column.type))
        return table.cast(self.schema)


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
