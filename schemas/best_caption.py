"""The best of several texts about one image."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["BEST_CAPTION"]


def _column(name: str, kind: pa.DataType, unit: str, null: str, doc: str) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="best_caption", doc=doc)


BEST_CAPTION = pa.schema(
    [
        _column("best_caption", pa.string(), "text", "none of the texts is there", "The best of the texts."),
        _column("best_caption_column", pa.string(), "name", "none of the texts is there", "The column that it is."),
        _column(
            "best_caption_score",
            pa.float32(),
            "score",
            "none of the texts is there, or none could be scored: then the first that is there was taken",
            "Its score: by evidence the F1 of docs/preference-pairs.md, by a judge the alignment and a tenth of the "
            "richness.",
        ),
        _column(
            "best_caption_scores",
            pa.list_(pa.float32()),
            "score",
            "none of the texts is there",
            "The scores of all texts in the order of the stage; null: not there, or not to be scored.",
        ),
        _column(
            "best_caption_margin",
            pa.float32(),
            "score",
            "fewer than two texts were scored",
            "By how much its score is above the next one's; 0: equal, the one that the stage names first was taken; "
            "below 0: the next one had marks.",
        ),
    ]
)
