"""Parquet bytes that carry their checksums: one per page for readers, one of the whole file for `curate verify`."""

import hashlib
import io
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import StoreError

__all__ = ["checksummed_parquet", "has_valid_checksum"]

KEY: Final = b"curate.blake2b"
BLANK: Final = b"0" * 32  # stands where the digest goes while the digest is computed
LABEL: Final = (
    KEY + b"\x18\x20"
)  # as the footer has it: in Thrift's compact protocol a text of 32 bytes follows the key


def checksummed_parquet(table: pa.Table) -> bytes:
    """Return `table` as a Parquet file whose footer holds a digest of all other bytes; equal tables give equal bytes.

    Page checksums alone would miss a flipped bit in the footer: a column name, an offset, a statistic. Raises
    StoreError if the footer is not laid out as expected, rather than writing the digest over something else.
    """
    if any(LABEL in value for value in (table.schema.metadata or {}).values()):
        raise StoreError(f"the metadata of a table holds the footer entry {KEY.decode()} as a value; remove it there")
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, table.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({KEY: BLANK})
    data = stream.getvalue()
    start = data.rfind(LABEL) + len(LABEL)
    if data.count(LABEL + BLANK, start - len(LABEL)) != 1:
        raise StoreError(
            f"the Parquet footers of pyarrow {pa.__version__} have no place for the checksum; install the pyarrow of "
            "requirements.lock"
        )
    return data[:start] + _digest(data) + data[start + len(BLANK) :]


def has_valid_checksum(data: bytes) -> bool:
    """Tell whether a file still has every bit it was written with; a file without a checksum has not."""
    label = data.rfind(LABEL)
    if label < 0:
        return False
    start = label + len(LABEL)
    blank = data[:start] + BLANK + data[start + len(BLANK) :]
    return data[start : start + len(BLANK)] == _digest(blank)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).hexdigest().encode()
