"""Columns of the StratifiedSample corpus stage."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["STRATIFIED_SAMPLE"]

STRATIFIED_SAMPLE = pa.schema(
    [
        column(
            "stratum_rank",
            pa.int64(),
            unit="index",
            null="never measured",
            producer="stratified_sample",
            doc="Place in a random order of the samples of the same stratum, from 0 on.",
        ),
        column(
            "stratum_count",
            pa.int64(),
            unit="count",
            null="never measured",
            producer="stratified_sample",
            doc="Samples of the pool in the same stratum.",
        ),
        column(
            "sample_rank",
            pa.int64(),
            unit="index",
            null="never measured",
            producer="stratified_sample",
            doc="Place in an order of all samples of which the first n are the sample of size n, from 0 on.",
        ),
        column(
            "sample_frac",
            pa.float64(),
            unit="fraction",
            null="never measured",
            producer="stratified_sample",
            doc="(`sample_rank` + 1) / size of the pool.",
        ),
    ]
)
