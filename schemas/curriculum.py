"""How hard a text-image sample is to learn from, and the tier of a curriculum that it belongs to."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CURRICULUM_JUDGE", "CURRICULUM_TIER", "SAMPLE_LOT"]

UNREAD = "no text, or not judged, or the answer could not be read"


def _judged(name: str, kind: pa.DataType, unit: str, doc: str, null: str = UNREAD) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="curriculum_judge", doc=doc)


CURRICULUM_JUDGE = pa.schema(
    [
        _judged("difficulty", pa.int8(), "score", "How hard the text is to get right from the image, 1 to 5."),
        _judged("complexity", pa.int8(), "score", "How much image and text hold and relate, 1 to 5."),
        _judged("relevance", pa.int8(), "score", "How much the text is about this very image, 1 to 5."),
        _judged(
            "curriculum_score", pa.float32(), "score", "Mean of the three scores: what tiers are cut by by default."
        ),
        _judged(
            "curriculum_reason",
            pa.string(),
            "text",
            "The judge's reason; its whole answer where it was not read.",
            "no text, or not judged",
        ),
        _judged("curriculum_prompt_id", pa.string(), "id", "Id of the prompt.", "no text, or not judged"),
        _judged("curriculum_model", pa.string(), "name", "Name of the judge.", "no text, or not judged"),
    ]
)

CURRICULUM_TIER = pa.schema(
    [
        column(
            "curriculum_tier",
            pa.int8(),
            unit="index",
            null="the sample has no rank",
            producer="curriculum_tier",
            doc="Stage of the curriculum, 1 the first and easiest.",
        )
    ]
)

SAMPLE_LOT = pa.schema(
    [
        column(
            "lot",
            pa.int64(),
            unit="index",
            null="not measured",
            producer="sample_lot",
            doc="63 bits of a hash of seed and uid: the samples with the lowest lots are a random subset.",
        )
    ]
)
