"""The footer's digest stands in its own place, whatever else a table says."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import StoreError
from curate.storage import checksums
from curate.storage.checksums import BLANK, KEY, LABEL, checksummed_parquet, has_valid_checksum

LOOKALIKE = (LABEL + BLANK).decode()


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"x": [KEY.decode(), LOOKALIKE, LOOKALIKE]}),
        pa.table({LOOKALIKE: [1]}),
        pa.table({"x": [1]}).replace_schema_metadata({KEY: BLANK}),
        pa.table({"x": [1]}).replace_schema_metadata({KEY: b"mine", "z": KEY}),
        pa.table({"x": [[LOOKALIKE]]}, schema=pa.schema([pa.field("x", pa.list_(pa.string()), metadata={KEY: BLANK})])),
        pa.table({"x": pa.array([], pa.string())}),
    ],
    ids=["values", "column name", "key", "key and value", "nested", "empty"],
)
def test_a_table_that_speaks_of_the_checksum_keeps_every_byte_of_itself(table):
    data = checksummed_parquet(table)
    back = pq.read_table(io.BytesIO(data), page_checksum_verification=True)

    assert has_valid_checksum(data)
    assert back.equals(table)
    assert (back.schema.metadata or {}) == (table.schema.metadata or {})
    assert not has_valid_checksum(data.replace(b"PAR1", b"PAR2", 1))


def test_a_table_whose_metadata_imitates_the_footer_is_refused():
    table = pa.table({"x": [1]}).replace_schema_metadata({"z": LABEL + BLANK})
    with pytest.raises(StoreError, match=r"holds the footer entry curate\.blake2b as a value; remove it there"):
        checksummed_parquet(table)


def test_a_footer_of_another_layout_is_refused_and_not_overwritten(monkeypatch):
    monkeypatch.setattr(checksums, "LABEL", KEY + b"\x28\x20")  # as a pyarrow of another encoding would write it
    with pytest.raises(StoreError, match=r"no place for the checksum; install the pyarrow of requirements\.lock"):
        checksummed_parquet(pa.table({"x": [1]}))


def test_a_file_without_a_checksum_is_not_valid():
    stream = io.BytesIO()
    pq.write_table(pa.table({"x": [KEY.decode()]}), stream)
    assert not has_valid_checksum(stream.getvalue())
    assert not has_valid_checksum(b"")
