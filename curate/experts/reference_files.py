"""References: Parquet files of fingerprints, digests and maybe embeddings of images that a dataset must not hold."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import PlanError
from schemas.image_fingerprint import IMAGE_FINGERPRINT

__all__ = ["KIND", "REFERENCE_FILE", "check_reference", "read_references", "write_reference"]

KIND: Final = "image_fingerprint-v2"
"""The hash that references hold: raised with the version of `ImageFingerprint`."""

REFERENCE_FILE: Final = pa.schema(
    [
        pa.field("reference_key", pa.string()),
        pa.field("image_sha256", pa.string()),
        *IMAGE_FINGERPRINT,
        pa.field("embedding", pa.list_(pa.float16())),
    ]
)


@dataclass(frozen=True, slots=True)
class References:
    """The rows of several references, and the name of each row's reference."""

    rows: pa.Table
    sources: list[str]


def write_reference(path: Path, name: str, rows: Iterable[pa.RecordBatch]) -> int:
    """Write a reference, whole or not at all, and return how many images it holds."""
    part, count = path.with_name(path.name + ".part"), 0
    schema = REFERENCE_FILE.with_metadata({"curate.reference.name": name, "curate.reference.kind": KIND})
    with pq.ParquetWriter(part, schema, compression="zstd") as writer:
        for batch in rows:
            writer.write_batch(batch)
            count += batch.num_rows
    part.rename(path)
    return count


def check_reference(path: str) -> str:
    """Return the name of a reference; raises PlanError if it is none, or holds another hash."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise PlanError(f"{path} cannot be read as a reference; make it with `curate reference`") from error
    about = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    kind = about.get("curate.reference.kind")
    if kind != KIND:
        found = f"holds {kind}" if kind else "is not a reference"
        raise PlanError(f"{path} {found}, and {KIND} is compared; make it again with `curate reference`")
    return str(about["curate.reference.name"])


def read_references(paths: Sequence[str]) -> References:
    """Return all rows of references, in their order."""
    tables = [_rows(path) for path in paths]
    names = [name for path, table in zip(paths, tables, strict=True) for name in [check_reference(path)] * len(table)]
    return References(pa.concat_tables(tables or [REFERENCE_FILE.empty_table()]), names)


def _rows(path: str) -> pa.Table:
    """Return the rows of a file; one that was made before references held embeddings has none."""
    table = pq.read_table(path)
    if "embedding" not in table.column_names:
        table = table.append_column("embedding", pa.nulls(len(table), pa.list_(pa.float16())))
    return table.cast(REFERENCE_FILE)
