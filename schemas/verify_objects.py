"""What a model answers when it is asked about each object of a caption, twice."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["VERIFIED_OBJECT", "VERIFY_OBJECTS"]

VERIFIED_OBJECT = pa.struct(
    [
        ("label", pa.string()),
        ("full_yes", pa.bool_()),
        ("full_confidence", pa.float32()),
        ("zoom_yes", pa.bool_()),
        ("zoom_confidence", pa.float32()),
        ("agree", pa.bool_()),
        ("zoom_box", pa.list_(pa.float32())),
    ]
)


def _names(name: str, doc: str) -> pa.Field:
    return column(name, pa.list_(pa.string()), unit="names", null="no caption", producer="verify_objects", doc=doc)


VERIFY_OBJECTS = pa.schema(
    [
        column(
            "verified_objects",
            pa.list_(VERIFIED_OBJECT),
            unit="answers",
            null="no caption",
            producer="verify_objects",
            doc="Per class that was asked about: the answer on the full image and on a closer look, each with the "
            "model's probability of that answer (null: the engine does not tell, or an unsure yes counts as no), "
            "whether they agree, and the part that was looked at as x0, y0, x1, y1 in fractions. An answer is null if "
            "it was neither yes nor no.",
        ),
        _names("objects_confirmed", "Classes that both looks confirm."),
        _names("objects_denied", "Classes that both looks deny."),
        _names("objects_disputed", "Classes that one look confirms and the other does not."),
        column(
            "objects_unasked",
            pa.int32(),
            unit="count",
            null="no caption",
            producer="verify_objects",
            doc="Classes of the caption that were not asked about: beyond `max_objects`.",
        ),
        column(
            "verify_prompt_tokens",
            pa.int32(),
            unit="count",
            null="no caption",
            producer="verify_objects",
            doc="Tokens of all prompts together, those of the images included.",
        ),
        column(
            "verify_completion_tokens",
            pa.int32(),
            unit="count",
            null="no caption",
            producer="verify_objects",
            doc="Tokens of all answers together.",
        ),
    ]
)
