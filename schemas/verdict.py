"""What became of each sample of a run."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["GATE", "VERDICT"]

VERDICT = pa.schema(
    [
        column(
            "row",
            pa.int32(),
            unit="index",
            null="never",
            producer="runner",
            doc="Position of the sample in its source shard, from 0.",
        ),
        column("uid", pa.string(), unit="128-bit hex", null="never", producer="runner", doc="Identity of the sample."),
        column(
            "dropped_by",
            pa.string(),
            unit="filter",
            null="kept, or failed with `error`",
            producer="runner",
            doc="The filter that dropped the sample, as written in the recipe; "
            "`unmeasured: ` before it when a value it needs is null.",
        ),
        column(
            "error",
            pa.string(),
            unit="stage: code",
            null="no error",
            producer="runner",
            doc="The stage that could not measure the sample and its error code; such a sample is never exported.",
        ),
    ]
)

GATE = pa.schema(
    [
        column(
            "caption_dropped_by",
            pa.string(),
            unit="filter",
            null="not dropped, or the sample was before",
            producer="runner",
            doc="The filter that dropped the caption and not the sample, by a gate; `unmeasured: ` before it when "
            "a value it needs is null. A gate of another artefact has its name: `pair_dropped_by`.",
        )
    ]
)
