"""The main person of an image: face, body and attributes."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["HUMAN_ATTRIBUTE", "HUMAN_ATTRIBUTES", "MAIN_FACE"]

HUMAN_ATTRIBUTE = pa.struct(
    [("part", pa.string()), ("name", pa.string()), ("present", pa.bool_()), ("probability", pa.float32())]
)


def _face(name: str, kind: pa.DataType, unit: str, null: str, doc: str) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="main_face", doc=doc)


MAIN_FACE = pa.schema(
    [
        _face("face_count", pa.int32(), "count", "objects not measured", "Faces among the detections."),
        _face(
            "face_box",
            pa.list_(pa.float32()),
            "fractions",
            "no face",
            "Box of the main face, the largest: x0, y0, x1, y1 in fractions of the image.",
        ),
        _face("face_score", pa.float32(), "score", "no face", "The detector's score of it."),
        _face("face_width_px", pa.float32(), "px", "no face", "Its width in pixels of the original image."),
        _face("face_height_px", pa.float32(), "px", "no face", "Its height in pixels of the original image."),
        _face(
            "body_box",
            pa.list_(pa.float32()),
            "fractions",
            "no face, or no person around it",
            "Box of the person that the main face belongs to, the smallest that holds most of it.",
        ),
    ]
)

HUMAN_ATTRIBUTES = pa.schema(
    [
        column(
            "human_attributes",
            pa.list_(HUMAN_ATTRIBUTE),
            unit="names",
            null="no face",
            producer="human_attributes",
            doc="What the model answered to each question about the main person: part (face, body, background), name "
            "of the attribute, whether it is present, and the probability of the answer (null: the engine does not "
            "tell). Body attributes are missing where there is no `body_box`.",
        ),
    ]
)
