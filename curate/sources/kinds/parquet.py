"""Parquet files with encoded images: Hugging Face's struct<bytes, path> layout, or a plain binary column."""

import datetime
import json
import math
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import PlanError, SampleError, SourceError
from curate.pixels import sniff
from curate.sources.image_limits import image_error
from curate.sources.kind import SourceKind
from curate.sources.opening import display_url, open_stream, translate_errors
from curate.sources.shard import Member, Shard, SourceSample
from curate.sources.texts import METADATA_BYTES, read_text

__all__ = ["KIND"]

IMAGE_NAMES: Final = ("image", "jpg", "png", "img", "bytes")
TEXT_NAMES: Final = ("caption", "text", "alt_text", "txt", "TEXT")
KEY_NAMES: Final = ("key", "__key__", "id", "uid", "image_id")
BATCH_BYTES: Final = 32 << 20  # of uncompressed rows read at once
BATCH_ROWS: Final = 256


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """Which column means what; the rest, as far as it is not binary, becomes metadata."""

    image: str
    text: str | None
    key: str | None
    rest: tuple[str, ...]


def parquet_columns(schema: pa.Schema, where: str) -> ColumnRoles:
    """Find image, text and key columns by name and type; PlanError if the image column is missing or ambiguous."""
    images = [field.name for field in schema if _holds_image(field.type)]
    named = [name for name in IMAGE_NAMES if name in images]
    if not images:
        raise PlanError(
            f"{display_url(where)} has no column of image bytes; its columns are: {', '.join(schema.names)}"
        )
    if not named and len(images) > 1:
        raise PlanError(
            f"{display_url(where)} has several binary columns ({', '.join(images)}); "
            "name the one with the images 'image'"
        )
    image = named[0] if named else images[0]
    text = next((n for n in TEXT_NAMES if n in schema.names and _is_string(schema.field(n).type)), None)
    key = next((n for n in KEY_NAMES if n in schema.names and _is_key(schema.field(n).type)), None)
    rest = [f.name for f in schema if f.name not in (image, text, key) and not _has_binary(f.type)]
    return ColumnRoles(image, text, key, tuple(rest))


def scan_parquet(shard: Shard) -> Iterator[SourceSample]:
    """Yield one sample per row, streaming row groups in batches of at most about 32 MiB."""
    with _file(shard) as file:
        columns = parquet_columns(file.schema_arrow, shard.url)
        names = [n for n in (columns.image, columns.text, columns.key, *columns.rest) if n]
        row = 0
        for batch in file.iter_batches(_batch_rows(file), columns=names):
            yield from _samples(batch, columns, row)
            row += batch.num_rows


def check_parquet(shard: Shard) -> None:
    """Raise PlanError unless the file's schema has one clear image column; reads only the footer."""
    with _file(shard) as file:
        parquet_columns(file.schema_arrow, shard.url)


def count_parquet(shard: Shard) -> int:
    """Return the number of rows from the footer."""
    with _file(shard) as file:
        return int(file.metadata.num_rows)


def fetch_parquet(shard: Shard, samples: pa.Table) -> Iterator[bytes | SampleError]:
    """Yield the image bytes of the rows that `samples.row` names, ascending; only their row groups are read."""
    rows = [int(row) for row in samples["row"].to_pylist()]
    with _file(shard) as file:
        image = parquet_columns(file.schema_arrow, shard.url).image
        groups = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        done = first = 0
        for group, count in enumerate(groups):
            upto = bisect_left(rows, first + count, done)
            if upto > done:
                yield from _pick(file, group, image, [row - first for row in rows[done:upto]])
            done, first = upto, first + count
        for row in rows[done:]:
            yield SampleError("missing_image", f"the file has no row {row} any more")


def _pick(file: Any, group: int, image: str, rows: list[int]) -> Iterator[bytes | SampleError]:
    """Yield the images of ascending row numbers of one row group."""
    pending, first = 0, 0
    for batch in file.iter_batches(_batch_rows(file), row_groups=[group], columns=[image]):
        while pending < len(rows) and rows[pending] < first + batch.num_rows:
            payload, _ = _image(batch.column(0)[rows[pending] - first].as_py())
            error = image_error(None if payload is None else len(payload))
            yield error or payload or b""
            pending += 1
        first += batch.num_rows
        if pending == len(rows):
            return


@contextmanager
def _file(shard: Shard) -> Iterator[Any]:
    with translate_errors(shard.url, SourceError), open_stream(shard.url) as stream:
        yield pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False)


def _batch_rows(file: Any) -> int:
    """Return how many rows are about 32 MiB, judged by the row group with the largest rows."""
    groups = [file.metadata.row_group(g) for g in range(file.num_row_groups)]
    heaviest = max((g.total_byte_size / g.num_rows for g in groups if g.num_rows), default=0.0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(heaviest, 1.0))))


def _samples(batch: pa.RecordBatch, columns: ColumnRoles, first: int) -> Iterator[SourceSample]:
    """Yield the samples of a batch whose first row has number `first`.

    A repeated key is no error here: rows are told apart by number, as with COCO's five captions per `image_id`.
    """
    images, texts, keys = batch.column(columns.image), _raw(batch, columns.text), _raw(batch, columns.key)
    metadata = _metadata(batch.select(list(columns.rest)))
    for i in range(batch.num_rows):
        raw_key, raw_text = keys[i], texts[i]
        key = f"{first + i:09d}" if raw_key is None else raw_key.decode("utf-8", "replace")
        payload, path = _image(images[i].as_py())
        member = Member(path or f"{key}.{sniff(payload) or 'bin'}", -1, len(payload)) if payload is not None else None
        text, cut = (None, False) if raw_text is None else read_text(raw_text, len(raw_text))
        error = image_error(member.size_bytes if member else None)
        yield SourceSample(
            key=key,
            image_member=member.name if member else None,
            image=None if error else payload,
            alt_text=text,
            metadata=metadata[i],
            members=(member,) if member else (),
            alt_text_cut=cut,
            error=error,
        )


def _image(value: Any) -> tuple[bytes | None, str | None]:
    """Return bytes and path of a cell. A path without bytes is not followed: it names a file of somebody's machine."""
    return (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)


def _raw(batch: pa.RecordBatch, name: str | None) -> list[bytes | None]:
    """Return a string or integer column as UTF-8 bytes that nobody has validated."""
    if name is None:
        return [None] * batch.num_rows
    column = batch.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    values: list[bytes | None] = column.cast(pa.large_binary()).to_pylist()
    return values


def _metadata(rest: pa.RecordBatch) -> list[str | None]:
    """Return one JSON object per row, keys sorted; null where there are no columns or a value has no Python equal."""
    if not rest.num_columns:
        return [None] * rest.num_rows
    try:
        rows = rest.to_pylist()
    except (ValueError, OverflowError):  # a string that is no UTF-8, a date beyond year 9999
        if rest.num_rows == 1:
            return [None]
        return [text for i in range(rest.num_rows) for text in _metadata(rest.slice(i, 1))]
    return [_as_json(row) for row in rows]


def _as_json(row: dict[str, Any]) -> str | None:
    try:
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:  # NaN or infinity
        text = json.dumps(_finite(row), sort_keys=True, ensure_ascii=False, default=_plain)
    return text if len(text.encode()) <= METADATA_BYTES else None


def _plain(value: Any) -> Any:
    """Return what JSON lacks as text: dates as ISO 8601, time spans as seconds, anything else by `str`."""
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def _is_binary(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(test(kind) for test in tests)


def _has_binary(kind: pa.DataType) -> bool:
    """Tell whether a type holds binary at any depth."""
    if pa.types.is_dictionary(kind):
        return _has_binary(kind.value_type)
    return _is_binary(kind) or any(_has_binary(kind.field(i).type) for i in range(kind.num_fields))


def _holds_image(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(kind.field(i).name == "bytes" and _is_binary(kind.field(i).type) for i in range(kind.num_fields))
    return _is_binary(kind) and not pa.types.is_fixed_size_binary(kind)


def _is_string(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_key(kind: pa.DataType) -> bool:
    return _is_string(kind) or bool(pa.types.is_integer(kind))


KIND = SourceKind(
    order=2,
    label="Parquet files",
    endings=(".parquet",),
    scan=scan_parquet,
    fetch=fetch_parquet,
    count=count_parquet,
    check=check_parquet,
)
