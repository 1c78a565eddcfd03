"""Whether something faint repeats all over the image."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["TILED_WATERMARK"]

TILED_WATERMARK = pa.schema(
    [
        column(
            "watermark_tile_score",
            pa.float32(),
            unit="correlation",
            null="not measured",
            producer="tiled_watermark",
            doc="How strongly the fine structure of the image, laid over itself at the best distance, matches itself, "
            "0 to 1, over its surroundings: high for a watermark in tiles, and for brick walls.",
        ),
        column(
            "watermark_tile_px",
            pa.list_(pa.int32()),
            unit="px",
            null="not measured, or nothing repeats",
            producer="tiled_watermark",
            doc="That distance, to the right and down, in pixels of the original image.",
        ),
    ]
)
