"""What a caption claims against what detector and OCR saw.

The names begin with the judged column: `CaptionEvidence(column="final_caption")` adds `final_caption_...`.
"""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CAPTION_EVIDENCE", "COUNT_CLAIM", "PLACE_CLAIM"]

COUNT_CLAIM = pa.struct([("label", pa.string()), ("said", pa.int32()), ("seen", pa.int32())])
PLACE_CLAIM = pa.struct([("label", pa.string()), ("said", pa.string()), ("seen", pa.string())])
BOXES = "no caption, or no objects measured"
LINES = "no caption, or no text lines measured"


def _share(name: str, null: str, doc: str) -> pa.Field:
    return column(f"caption_{name}", pa.float32(), unit="fraction", null=null, producer="caption_evidence", doc=doc)


def _names(name: str, null: str, doc: str, kind: pa.DataType | None = None) -> pa.Field:
    return column(
        f"caption_{name}",
        pa.list_(kind or pa.string()),
        unit="names" if kind is None else "claims",
        null=null,
        producer="caption_evidence",
        doc=doc,
    )


CAPTION_EVIDENCE = pa.schema(
    [
        _share(
            "object_precision",
            f"{BOXES}, or the caption names no class that the detector knows",
            "Classes that the caption names and the detector saw, of those that it names.",
        ),
        _share(
            "object_recall",
            f"{BOXES}, or nothing was seen for sure",
            "Classes that the detector saw for sure and the caption names, of those that it saw for sure.",
        ),
        _share(
            "text_precision",
            f"{LINES}, or the caption quotes nothing",
            "Quotations of the caption that OCR read, of all its quotations.",
        ),
        _share(
            "text_recall",
            f"{LINES}, or no line was read for sure",
            "Lines that OCR read for sure and the caption holds, quoted or not, of those that it read for sure.",
        ),
        _share(
            "count_accuracy",
            f"{BOXES}, or no number to compare",
            "Numbers of objects that fit the boxes, of those that could be compared, one a class.",
        ),
        _share(
            "place_accuracy",
            f"{BOXES}, or no place to compare",
            "Places in the image (left, top right, centre) that fit a box, of those that could be compared.",
        ),
        _names("unsupported", BOXES, "Classes that the caption names and the detector did not see, in their order."),
        _names("missed", BOXES, "Classes that the detector saw for sure and the caption does not name."),
        _names("unjudged", BOXES, "Classes that the caption names and the detector does not know."),
        _names("unsupported_texts", LINES, "Quotations that OCR did not read. Synthetic text."),
        _names("missed_texts", LINES, "Lines that OCR read for sure and the caption lacks. Untrusted."),
        _names("wrong_counts", BOXES, "Numbers that do not fit: class, number said, boxes seen.", COUNT_CLAIM),
        _names(
            "wrong_places", BOXES, "Places that fit no box of the class: class, place said, place seen.", PLACE_CLAIM
        ),
        column(
            "caption_wrong_claims",
            pa.int32(),
            unit="count",
            null="no caption, or neither objects nor text lines measured",
            producer="caption_evidence",
            doc="Unsupported classes and quotations, wrong numbers and places, together.",
        ),
    ]
)
