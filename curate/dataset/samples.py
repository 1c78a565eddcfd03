"""Samples as read from a source, as rows of the sample cell."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from curate.dataset.cells import Outcomes, cell_schema, measured_table
from curate.sources.shard import SourceSample, sample_uid
from schemas.sample import MEMBER, SAMPLE

__all__ = ["empty_samples", "sample_table"]


def empty_samples() -> pa.Table:
    """Return a sample cell without rows."""
    return cell_schema(SAMPLE).empty_table()


def sample_table(shard: str, samples: Sequence[SourceSample], first: int, key_counts: dict[str, int]) -> pa.Table:
    """Return the sample cell rows of some samples; `first` is the row of the first one.

    `key_counts` counts the keys of the shard so far, so that a repeated key still gets a uid of its own.
    """
    uids = []
    for sample in samples:
        key_counts[sample.key] = occurrence = key_counts.get(sample.key, -1) + 1
        uids.append(sample_uid(shard, sample.key, occurrence))
    members = [
        [{"name": m.name, "offset": m.offset, "size": m.size_bytes} for m in sample.members] for sample in samples
    ]
    sizes = [next((m.size_bytes for m in s.members if m.name == s.image_member), None) for s in samples]
    columns = {
        "shard": pa.array([shard] * len(samples), pa.string()),
        "key": pa.array([s.key for s in samples], pa.string()),
        "image_member": pa.array([s.image_member for s in samples], pa.string()),
        "image_size_bytes": pa.array(sizes, pa.int64()),
        "alt_text": pa.array([s.alt_text for s in samples], pa.string()),
        "alt_text_cut": pa.array([s.alt_text_cut for s in samples], pa.bool_()),
        "metadata": pa.array([s.metadata for s in samples], pa.string()),
        "members": pa.array(members, pa.list_(MEMBER)),
    }
    outcomes = Outcomes([s.error for s in samples], np.ones(len(samples), dtype=np.int16))
    rows = np.arange(first, first + len(samples), dtype=np.int32)
    return measured_table(SAMPLE, rows, pa.array(uids, pa.string()), columns, outcomes)
