"""Parquet bytes that carry their checksums: one per page for readers, one of the whole file for `curate verify`."""

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["checksummed_parquet", "has_valid_checksum"]

SEAL = b"curate.blake2b"
BLANK = b"0" * 32  # stands where the digest goes while the digest is computed


def checksummed_parquet(table: pa.Table) -> bytes:
    """Return `table` as a Parquet file whose footer holds a digest of all other bytes; equal tables give equal bytes.

    Page checksums alone would miss a flipped bit in the footer: a column name, an offset, a statistic.
    """
    stream = io.BytesIO()
    with pq.ParquetWriter(stream, table.schema, compression="zstd", write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({SEAL: BLANK})
    data = stream.getvalue()
    place = _place(data)
    return data[:place] + _digest(data) + data[place + len(BLANK) :]


def has_valid_checksum(data: bytes) -> bool:
    """Tell whether a sealed file still has every bit it was written with; a file without a seal has not."""
    place = _place(data)
    if place < 0:
        return False
    blank = data[:place] + BLANK + data[place + len(BLANK) :]
    return data[place : place + len(BLANK)] == _digest(blank)


def _place(data: bytes) -> int:
    """Return where the digest stands, or -1: the last key of that name, some bytes of Thrift, then the digest."""
    key = data.rfind(SEAL)
    return -1 if key < 0 else key + len(SEAL) + THRIFT_BYTES


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).hexdigest().encode()


THRIFT_BYTES = 2  # field header and length of the value in Thrift's compact protocol
