"""Change images on request, after their checksum: make them smaller, encode them anew, blur faces or boxes."""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa
from PIL import Image

from curate.errors import PlanError
from curate.pixels import decode, encode_jpeg, fit_within, probe, resize
from curate.stages import Pixels

__all__ = ["UNMEASURED", "Pictures", "box_columns", "boxes_of"]

FACES: Final = "faces"
FACE_COUNT: Final = "face_count"  # of MainFace: that it is there tells that the detector was asked for faces
MARGIN: Final = 0.15  # of a box's sides: hair and ears tell who it is, and a detector's box cuts them
BLOCKS: Final = 5  # of a blurred box, a side: a face of five by five means cannot be told from another
UNMEASURED: Final = "boxes_unmeasured"
"""Error code of an image whose boxes nobody looked for: it is not shipped, since it may show what must not be seen."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What is done to images; by default nothing, they keep their bytes.

    An image whose longest side is over `max_side_px`, or that has boxes to blur, is encoded anew: as `encode` says, or
    as JPEG. With `encode` all images are. `blur` is `faces`, or a column of one box, of boxes, or of detections.
    """

    max_side_px: int | None = None
    encode: Literal["jpeg", "webp"] | None = None
    quality: int = 90
    blur: str | None = None

    def __post_init__(self) -> None:
        if self.max_side_px is not None and self.max_side_px < 16:
            raise PlanError(f"--max-side {self.max_side_px}: give at least 16 pixels")
        if not 1 <= self.quality <= 100:
            raise PlanError(f"--quality {self.quality}: give 1 to 100")
        if self.encode not in (None, "jpeg", "webp"):
            raise PlanError(f"--encode {self.encode}: give jpeg or webp")

    @property
    def changes(self) -> bool:
        """Tell whether any image may be changed."""
        return any(value is not None for value in (self.max_side_px, self.encode, self.blur))

    @property
    def extension(self) -> str:
        """Return the extension of an image that was changed, without its dot."""
        return "webp" if self.encode == "webp" else "jpg"

    def apply(self, image: bytes, boxes: Sequence[Sequence[float]]) -> tuple[bytes, str | None]:
        """Return an image and what was done to it, None for nothing; raises SampleError if it cannot be decoded.

        `boxes` are x0, y0, x1, y1 in fractions of the upright image.
        """
        header = probe(image)
        smaller = self.max_side_px is not None and max(header.width_px, header.height_px) > self.max_side_px
        if not (smaller or boxes or self.encode):
            return image, None
        pixels = decode(image, 0)
        if smaller and self.max_side_px:
            pixels = fit_within(pixels, self.max_side_px, self.max_side_px)
        for box in boxes:
            _blur(pixels, box)
        done = [f"blurred {len(boxes)}"] if boxes else []
        done += [f"max side {self.max_side_px} px"] if smaller else []
        encode = _encode_webp if self.encode == "webp" else encode_jpeg
        return encode(pixels, self.quality), ", ".join([*done, f"{self.encode or 'jpeg'} {self.quality}"])


def box_columns(blur: str | None, columns: pa.Schema) -> tuple[str, ...]:
    """Return the columns that tell what to blur; raises PlanError if the run does not have them."""
    if blur is None:
        return ()
    if blur == FACES:
        if FACE_COUNT not in columns.names:
            raise PlanError(
                f"--blur faces: the run has no column {FACE_COUNT}; MainFace over a detector of faces adds it"
            )
        return (FACE_COUNT, *(field.name for field in columns if _is_detections(field.type)))
    if blur not in columns.names:
        raise PlanError(f"--blur {blur}: there is no such column; give faces, or one of {_boxy(columns)}")
    if blur not in _boxy(columns).split(", "):
        raise PlanError(
            f"--blur {blur}: it is {columns.field(blur).type}, no boxes; give faces, or one of {_boxy(columns)}"
        )
    return (blur,)


def boxes_of(blur: str, rows: pa.Table) -> Iterator[list[Sequence[float]] | None]:
    """Yield the boxes to blur of each row; None where nobody looked for them.

    A null is not measured, but for a column of one box each: there it says that there is none.
    """
    columns = [rows[name].to_pylist() for name in rows.column_names]
    kinds = [rows.schema.field(name).type for name in rows.column_names]
    for values in zip(*columns, strict=True):
        if blur == FACES:
            found = [each["box"] for value in values[1:] for each in value or () if "face" in each["label"].lower()]
            yield None if values[0] is None or (values[0] and not found) else found
        elif _is_box(kinds[0]):
            yield [values[0]] if values[0] else []
        else:
            value = values[0]
            yield None if value is None else [each["box"] if isinstance(each, dict) else each for each in value]


def _encode_webp(image: Pixels, quality: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "WEBP", quality=quality)
    return stream.getvalue()


def _boxy(columns: pa.Schema) -> str:
    return ", ".join(field.name for field in columns if _is_boxes(field.name, field.type))


def _is_boxes(name: str, kind: pa.DataType) -> bool:
    one = _is_box(kind) and name.endswith("box")
    many = pa.types.is_list(kind) and _is_box(kind.value_type)
    return one or many or _is_detections(kind, label=False)


def _is_box(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) and pa.types.is_floating(kind.value_type))


def _is_detections(kind: pa.DataType, *, label: bool = True) -> bool:
    if not (pa.types.is_list(kind) and pa.types.is_struct(kind.value_type)):
        return False
    names = {kind.value_type.field(i).name for i in range(kind.value_type.num_fields)}
    return "box" in names and ("label" in names or not label)


def _blur(pixels: Pixels, box: Sequence[float]) -> None:
    """Replace a box and a margin by the means of five by five blocks, smoothed: nothing finer is left of it."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = box
    across, down = MARGIN * (x1 - x0), MARGIN * (y1 - y0)
    left, right = max(0, math.floor((x0 - across) * width)), min(width, math.ceil((x1 + across) * width))
    top, bottom = max(0, math.floor((y0 - down) * height)), min(height, math.ceil((y1 + down) * height))
    if right <= left or bottom <= top:
        return
    region = pixels[top:bottom, left:right]
    small = resize(region.copy(), min(BLOCKS, right - left), min(BLOCKS, bottom - top))
    pixels[top:bottom, left:right] = resize(small, right - left, bottom - top)
