"""The pictures of a report: small JPEGs, drawn anew from pixels, with what the experts saw if asked."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image, ImageDraw

from curate.errors import CurateError, SampleError
from curate.inspect.view import View
from curate.pixels import decode, encode_jpeg, fit_within
from curate.sources import fetch
from curate.stages import Pixels
from curate.storage.store import Store

__all__ = [
    "DRAWING_PX",
    "NEEDED",
    "THUMBNAIL_PX",
    "drawing_jpeg",
    "thumbnail_jpeg",
    "write_drawing",
    "write_thumbnails",
]

THUMBNAIL_PX: Final = 192
DRAWING_PX: Final = 640
QUALITY: Final = 80
NEEDED: Final = ("uid", "key", "row", "image_member", "image_size_bytes", "members")
COLOURS: Final = {"object": (220, 50, 47), "text": (38, 139, 210)}


def write_thumbnails(view: View, rows: pa.Table, out: Store) -> set[str]:
    """Write a thumbnail per sample to `thumbs/UID.jpg`, unless it is there; return the uids that have one.

    `rows` have uid, shard and row. An image that cannot be read or decoded has none.
    """
    made = set()
    for uid, image in _images(view, rows, THUMBNAIL_PX):
        if not out.exists(f"thumbs/{uid}.jpg"):
            out.write_bytes(f"thumbs/{uid}.jpg", thumbnail_jpeg(image))
        made.add(uid)
    return made


def write_drawing(view: View, rows: pa.Table, boxes: Mapping[str, Sequence[tuple[str, Any]]], out: Store) -> set[str]:
    """Write each sample's image with boxes to `drawings/UID.jpg`; return the uids that have one.

    `boxes` are, by uid, pairs of kind ("object", "text") and {label or text, box}: xyxy as fractions of the image.
    """
    made = set()
    for uid, image in _images(view, rows, DRAWING_PX):
        out.write_bytes(f"drawings/{uid}.jpg", drawing_jpeg(image, boxes.get(uid, ())))
        made.add(uid)
    return made


def thumbnail_jpeg(image: Pixels) -> bytes:
    """Return an image as a small JPEG."""
    return encode_jpeg(fit_within(image, THUMBNAIL_PX, THUMBNAIL_PX), QUALITY)


def drawing_jpeg(image: Pixels, boxes: Sequence[tuple[str, Any]]) -> bytes:
    """Return an image as a JPEG with boxes drawn into it; see `write_drawing`."""
    canvas = Image.fromarray(fit_within(image, DRAWING_PX, DRAWING_PX))
    draw = ImageDraw.Draw(canvas)
    for kind, found in boxes:
        left, top, right, bottom = (
            float(edge) * side for edge, side in zip(found["box"], canvas.size * 2, strict=True)
        )
        draw.rectangle((min(left, right), min(top, bottom), max(left, right), max(top, bottom)), None, COLOURS[kind])
        label = "".join(c for c in str(found.get("label") or "")[:40] if c.isascii() and c.isprintable())
        draw.text((min(left, right) + 2, max(min(top, bottom) - 11, 0)), label, COLOURS[kind])
    return encode_jpeg(np.asarray(canvas), QUALITY)


def _images(view: View, rows: pa.Table, side: int) -> Iterator[tuple[str, Pixels]]:
    """Yield uid and pixels of some samples, a shard at a time; what cannot be read or decoded is left out."""
    shards = {shard.name: shard for shard in view.shards}
    for name in pc.unique(rows["shard"]).to_pylist():
        wanted = rows.filter(pc.equal(rows["shard"], name))["uid"]
        table = view.shard_table(shards[name], NEEDED)
        table = table.filter(pc.and_(pc.is_in(table["uid"], pc.unique(wanted)), pc.is_valid(table["image_member"])))
        uids = table["uid"].to_pylist()
        try:
            for uid, image in zip(uids, fetch(shards[name], table), strict=True):
                if not isinstance(image, SampleError):
                    try:
                        pixels = decode(image, side)
                    except SampleError:
                        continue
                    yield uid, pixels
        except CurateError:  # the shard is gone: its samples are shown without pictures
            continue
