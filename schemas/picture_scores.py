"""What small models say of the whole image: unfit for work, beautiful, watermarked."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["AESTHETIC", "NSFW", "WATERMARK"]


def _score(name: str, producer: str, unit: str, doc: str) -> pa.Schema:
    null = "not measured, or no embedding"
    return pa.schema([column(name, pa.float32(), unit=unit, null=null, producer=producer, doc=doc)])


NSFW = _score(
    "nsfw_score",
    "nsfw",
    "score",
    "How likely the image is unsafe to show at work, 0 to 1 for a classifier. Belongs to its model: the stage id names "
    "it.",
)
AESTHETIC = _score(
    "aesthetic_score",
    "aesthetic",
    "score",
    "How much people would like the image; LAION's head gives about 1 to 10. Belongs to its model.",
)
WATERMARK = _score(
    "watermark_score",
    "watermark",
    "score",
    "How likely the image bears a watermark, 0 to 1 for a classifier. Belongs to its model.",
)
