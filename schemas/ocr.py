"""Text seen in the image."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["OCR", "OCR_LINE"]

OCR_LINE = pa.struct([("text", pa.string()), ("box", pa.list_(pa.float32())), ("score", pa.float32())])

OCR = pa.schema(
    [
        column(
            "ocr_lines",
            pa.list_(OCR_LINE),
            unit="text lines",
            null="not measured",
            producer="ocr",
            doc="Lines in reading order: text (untrusted), box as x0, y0, x1, y1 in fractions of the image, "
            "recognition score 0 to 1. Empty: no text seen.",
        ),
        column(
            "ocr_text",
            pa.string(),
            unit="text",
            null="not measured",
            producer="ocr",
            doc="The lines in reading order, one a line; empty when no text was seen. Untrusted.",
        ),
        column(
            "ocr_text_area_frac",
            pa.float32(),
            unit="fraction",
            null="not measured",
            producer="ocr",
            doc="Share of the image that the boxes of the lines cover; overlaps count once.",
        ),
        column(
            "ocr_score_mean",
            pa.float32(),
            unit="probability",
            null="no text seen",
            producer="ocr",
            doc="Mean recognition score of the lines.",
        ),
    ]
)
