"""The pictures of a gallery: made on demand from range reads, the latest kept in memory."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from typing import Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import CurateError, SampleError
from curate.inspect.gallery.frame import Frame
from curate.inspect.report.pictures import DRAWING_PX, NEEDED, THUMBNAIL_PX, drawing_jpeg, thumbnail_jpeg
from curate.pixels import decode
from curate.sources import fetch
from curate.stages import Pixels

__all__ = ["Picture", "Thumbnails", "draw", "make_thumbnails", "placeholder"]

Picture: TypeAlias = tuple[str, bytes]  # media type and bytes
Thumbnails: TypeAlias = Callable[[str], Picture]

THUMBNAILS: Final = 4_096  # kept, of some 6 kB
SHARDS: Final = 32  # whose rows are kept: where the images lie


def make_thumbnails(frame: Frame) -> Thumbnails:
    """Return the function that makes the thumbnail of a uid; where there is no image a placeholder that says why."""
    shard_rows = lru_cache(maxsize=SHARDS)(lambda name: frame.view.shard_table(frame.shards[name], NEEDED))

    @lru_cache(maxsize=THUMBNAILS)
    def thumbnail(uid: str) -> Picture:
        found = frame.find(uid)
        try:
            image = _pixels(frame, found["shard"], _row(shard_rows(found["shard"]), uid), THUMBNAIL_PX)
        except CurateError as error:
            return placeholder(_reason(error))
        return "image/jpeg", thumbnail_jpeg(image)

    return thumbnail


def draw(frame: Frame, row: pa.Table, boxes: Sequence[tuple[str, Any]]) -> Picture:
    """Return the image of a sample with boxes; `row` has NEEDED and shard. Raises CurateError without an image."""
    image = _pixels(frame, row["shard"][0].as_py(), row, DRAWING_PX)
    return "image/jpeg", drawing_jpeg(image, boxes)


def placeholder(reason: str) -> Picture:
    """Return a picture that says why there is none."""
    lines = [reason[at : at + 24] for at in range(0, min(len(reason), 120), 24)]
    spans = "".join(f'<tspan x="96" dy="1.3em">{escape(line)}</tspan>' for line in ["no image:", *lines])
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 192 144" font-family="sans-serif" font-size="13">'
    return "image/svg+xml", f'{svg}<text y="16" text-anchor="middle" fill="#888">{spans}</text></svg>'.encode()


def _pixels(frame: Frame, shard: str, row: pa.Table, side: int) -> Pixels:
    if not row.num_rows or row["image_member"][0].as_py() is None:
        raise SampleError("missing_image", "the sample has none, or it is blocked")
    image = next(iter(fetch(frame.shards[shard], row)))
    if isinstance(image, SampleError):
        raise image
    return decode(image, side)


def _row(rows: pa.Table, uid: str) -> pa.Table:
    return rows.filter(pc.equal(rows["uid"], uid))


def _reason(error: CurateError) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in str(error))
