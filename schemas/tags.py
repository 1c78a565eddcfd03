"""Names of what an image shows, of a large vocabulary."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["TAG", "TAGS"]

TAG = pa.struct([("label", pa.string()), ("score", pa.float32())])

TAGS = pa.schema(
    [
        column(
            "tags",
            pa.list_(TAG),
            unit="names",
            null="not measured",
            producer="tags",
            doc="Distinct names, highest score first: label of the model's vocabulary, and the best score 0 to 1 of "
            "what it was given to. Empty: nothing known was seen.",
        ),
    ]
)
