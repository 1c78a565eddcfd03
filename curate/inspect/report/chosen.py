"""Which samples a report shows: few, and always the same ones of a run."""

from typing import Final

import duckdb
import pyarrow as pa

__all__ = ["PICKED", "drawn", "pick"]

PICKED: Final = 'uid, shard, "row", key, alt_text, dropped_by, error'
"""The columns that every picture of a report needs."""


def pick(connection: duckdb.DuckDBPyConnection, sql: str, most: int) -> pa.Table:
    """Return the first rows of a SELECT."""
    return connection.sql(f"SELECT * FROM ({sql}) LIMIT {most}").to_arrow_table()


def drawn(connection: duckdb.DuckDBPyConnection, condition: str, most: int, columns: str = PICKED) -> pa.Table:
    """Return some samples that match a condition, drawn by a hash of their uid: the same ones each time."""
    return pick(connection, f"SELECT {columns} FROM samples WHERE {condition} ORDER BY md5(uid), uid", most)
