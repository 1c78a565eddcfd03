"""What a caption claims against what detector and OCR saw.

The names begin with the judged column: `CaptionEvidence(column="final_caption")` adds `final_caption_...`.
"""

import pyarrow as pa

from schemas.fields import column

__all__ = ["CAPTION_EVIDENCE", "COUNT_CLAIM", "PLACE_CLAIM", "VERDICT_OF_CLAIM"]

COUNT_CLAIM = pa.struct([("label", pa.string()), ("said", pa.int32()), ("seen", pa.int32())])
PLACE_CLAIM = pa.struct([("label", pa.string()), ("said", pa.string()), ("seen", pa.string())])
VERDICT_OF_CLAIM = pa.struct([("kind", pa.string()), ("claim", pa.string()), ("verdict", pa.string())])
BOXES = "no caption, or no objects measured"
NOBODY = "no caption, or neither objects nor text lines measured"
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
            f"{BOXES}, or nothing that the caption names could be judged",
            "Objects that the caption names and a detector or tag bears out, of those that could be judged (supported "
            "or contradicted). At a low `caption_evidence_coverage` it speaks of few of the claims.",
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
        _names(
            "unsupported",
            BOXES,
            "Contradicted: objects that the caption names and a detector that knows them did not see.",
        ),
        _names("missed", BOXES, "Classes that the detector saw for sure and the caption does not name."),
        _names(
            "unjudged",
            BOXES,
            "Objects that the caption names and nobody could have seen: classes that no detector knows or was asked "
            "for, and nouns outside of the lexicon.",
        ),
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
            null=NOBODY,
            producer="caption_evidence",
            doc="Contradicted objects and quotations, wrong numbers and places, together.",
        ),
        column(
            "caption_verdicts",
            pa.list_(VERDICT_OF_CLAIM),
            unit="claims",
            null=NOBODY,
            producer="caption_evidence",
            doc="Every claim of the caption: kind (object, text, number, place), what is claimed, and supported, "
            "contradicted or unjudged. Each object and quotation once; numbers of two or more, or none, and places, "
            "but not those of a contradicted object. Synthetic text.",
        ),
        column(
            "caption_evidence_coverage",
            pa.float32(),
            unit="fraction",
            null=f"{NOBODY}, or the caption claims nothing",
            producer="caption_evidence",
            doc="Claims that could be judged at all (supported or contradicted), of all in `caption_verdicts`.",
        ),
    ]
)
