"""What others measured before and left beside the images."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["IMPORTED_SCORES"]


def _score(name: str, kind: pa.DataType, unit: str, doc: str) -> pa.Field:
    return column(name, kind, unit=unit, null="the source has none", producer="imported_scores", doc=doc)


IMPORTED_SCORES = pa.schema(
    [
        _score("imported_similarity", pa.float32(), "cosine", "LAION's `similarity`, by the CLIP of that release."),
        _score("imported_clip_b32_score", pa.float32(), "cosine", "DataComp's `clip_b32_similarity_score`."),
        _score("imported_clip_l14_score", pa.float32(), "cosine", "DataComp's `clip_l14_similarity_score`."),
        _score("imported_nsfw_score", pa.float32(), "probability", "LAION's `punsafe`."),
        _score("imported_watermark_score", pa.float32(), "probability", "LAION's `pwatermark`."),
        _score("imported_aesthetic_score", pa.float32(), "score", "LAION's `aesthetic`, about 1 to 10."),
        _score("imported_face_count", pa.int32(), "count", "Boxes in DataComp's `face_bboxes`."),
        _score(
            "imported_embedding",
            pa.list_(pa.float16()),
            "vector",
            "Row of an array of the npz beside the file of the scores, such as DataComp's `l14_img`, as it is there.",
        ),
    ]
)
