"""How true and how complete both sides of a preference pair are, by what detector and OCR saw."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["PAIR_EVIDENCE"]

NULL = "no pair, or nothing known of the image that its text could be held to"


def _column(name: str, kind: pa.DataType, unit: str, doc: str, null: str = NULL) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="pair_evidence", doc=doc)


PAIR_EVIDENCE = pa.schema(
    [
        _column(
            "pair_chosen_score",
            pa.float32(),
            "fraction",
            "Evidence score of `pair_chosen`: the harmonic mean of the share of its checkable statements that are "
            "right and the share of sure objects and texts that it tells.",
        ),
        _column("pair_rejected_score", pa.float32(), "fraction", "The same of `pair_rejected`."),
        _column(
            "pair_margin",
            pa.float32(),
            "difference",
            "`pair_chosen_score` minus `pair_rejected_score`; 0 or less: the worse text is not measurably worse.",
            "one of the scores is null",
        ),
        _column("pair_chosen_wrong", pa.int32(), "count", "Wrong statements in `pair_chosen`.", "no pair"),
        _column("pair_rejected_wrong", pa.int32(), "count", "Wrong statements in `pair_rejected`.", "no pair"),
    ]
)
