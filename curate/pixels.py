"""Encoded images in, RGB pixels out: the only place that decodes or resizes images."""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from curate.errors import SampleError
from curate.stages import Pixels

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE_PX",
    "Extent",
    "Header",
    "decode",
    "decode_each",
    "encode_jpeg",
    "encode_png",
    "extent",
    "fit_within",
    "probe",
    "resize",
    "sniff",
]

MAX_PIXELS: Final = 2**27  # 400 MB as RGB: an upper bound on what one decode thread may hold
MAX_SIDE_PX: Final = 65_535  # what a JPEG header can say
MAX_EXIF_BYTES: Final = 4 << 20  # PIL takes quadratic time to collect it: 24 s for 64 MB
MAX_SEGMENTS: Final = 10_000  # of a JPEG before its scan, and bytes between them; PIL reads each on its own
MAX_FRAMES: Final = 10_000  # of a TIFF; PIL takes quadratic time to count them
ORIENTATION: Final = 274  # EXIF tag
DCT_EIGHTHS: Final = (1, 2, 3, 4)  # 5/8 to 7/8 take longer than the whole image: ADR 0008

# PIL's classes are used directly: Image.open() would try more formats and warn about large headers.
READERS: Final[dict[str, Any]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "gif": GifImageFile,
    "avif": AvifImageFile,
    "bmp": BmpImageFile,
    "tiff": TiffImageFile,
}

# What PIL's plugins raise on bytes that are damaged; collected by fuzzing, see tests/curate/test_pixels.py.
BROKEN: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    UnidentifiedImageError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says about itself before any pixel is decoded.

    `format` is one of jpeg, png, webp, gif, avif, bmp, tiff, by content; width and height are after EXIF rotation;
    `mode` is PIL's name of the stored pixel layout (RGB, CMYK, P, I;16...); `orientation` is the EXIF value, 1 to 8.
    """

    format: str
    width_px: int
    height_px: int
    frames: int
    mode: str
    orientation: int


@dataclass(frozen=True, slots=True)
class Extent:
    """The shortest side of an image, and the steps in which decoding may make it smaller.

    "eighths": by DCT scales, then by box averages; "box": by those alone; "draft": by what PIL does with the JPEG.
    """

    shortest_px: int
    steps: Literal["eighths", "box", "draft"]

    def reduction(self, side: int) -> tuple[int, int]:
        """Return the eighths of its size at which `decode` reads an image, and the box that it averages after that.

        Equal reductions of one image give equal pixels.
        """
        if self.steps == "draft":
            return side, 0
        scales = DCT_EIGHTHS if side and self.steps == "eighths" else ()
        eighths = next((k for k in scales if -(-self.shortest_px * k // 8) >= side), 8)
        scaled = -(-self.shortest_px * eighths // 8)
        return eighths, max(1, _surplus((scaled,), side))


def sniff(payload: bytes) -> str | None:
    """Return the format that the first bytes claim, or None if they are not an image that we read."""
    if payload[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if payload[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if payload[:4] == b"RIFF" and payload[8:12] == b"WEBP":
        return "webp"
    if payload[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if payload[4:8] == b"ftyp" and payload[8:12] in (b"avif", b"avis"):
        return "avif"
    if payload[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if payload[:2] == b"BM" and len(payload) > 26:
        return "bmp"
    return None


def probe(payload: bytes) -> Header:
    """Read an image's header without decoding pixels.

    Raises SampleError: image_undecodable, image_truncated, image_too_large or image_unsupported.
    """
    if plain := _plain_jpeg(payload):
        return plain
    image, kind = _open(payload)
    orientation = _orientation(image, kind, payload)
    width, height = image.size
    if orientation >= 5 and kind != "tiff":  # PIL turns TIFF sizes itself
        width, height = height, width
    try:
        frames = 1 if kind == "jpeg" else _pages(image) if kind == "tiff" else int(getattr(image, "n_frames", 1))
    except BROKEN as error:
        raise _decode_error(error, kind) from error
    return Header(kind, width, height, frames, image.mode, orientation)


def decode(payload: bytes, side: int, *, luma: bool = False) -> Pixels:
    """Decode the first frame to upright RGB uint8[h, w, 3], or with `luma` to uint8[h, w]; writable and contiguous.

    `side` is the shortest side in px that must be kept, 0 all: larger images may come back smaller (JPEG by the
    smallest DCT scale of 1/8 to 4/8, others and what is left by whole-number box averages) but never below it.
    Alpha is laid over white; 16-bit samples keep their high byte; CMYK goes through PIL's plain conversion.
    Raises SampleError: image_undecodable, image_truncated, image_too_large or image_unsupported.
    """
    return decode_each(payload, [(side, luma)])[0]


def decode_each(payload: bytes, asked: Sequence[tuple[int, bool]]) -> list[Pixels]:
    """Return what `decode` gives for each (side, luma); but for JPEG, the file is unpacked once for all of them."""
    try:
        if plain := _plain_jpeg(payload):
            shortest = min(plain.width_px, plain.height_px)
            quick = [_simplejpeg(payload, shortest, side, luma) for side, luma in asked]
            if all(pixels is not None for pixels in quick):
                return [pixels for pixels in quick if pixels is not None]
    except BROKEN as error:
        raise _decode_error(error, "jpeg") from error
    image, kind = _open(payload)
    orientation = 1 if kind == "tiff" else _orientation(image, kind, payload)  # PIL turns TIFF pixels itself
    try:
        if kind == "jpeg":
            each = [_decode_jpeg(payload, _open(payload)[0], side, luma) for side, luma in asked]
        else:
            whole = _rgb(image)
            each = [_shrink(whole, side) for side, _ in asked]
    except BROKEN as error:
        raise _decode_error(error, kind) from error
    return [_upright(_luma(p) if luma else p, orientation) for p, (_, luma) in zip(each, asked, strict=True)]


def extent(payload: bytes) -> Extent:
    """Return what decides how `decode` makes an image smaller; raises what `decode` does for a broken header."""
    if plain := _plain_jpeg(payload):
        return Extent(min(plain.width_px, plain.height_px), "eighths")
    image, kind = _open(payload)
    return Extent(min(image.size), "box" if kind != "jpeg" else "eighths" if image.mode in ("L", "RGB") else "draft")


def resize(image: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return the image at exactly the given size, bicubic with antialiasing; deterministic."""
    if image.shape[:2] == (height_px, width_px):
        return image
    resized = Image.fromarray(image).resize((width_px, height_px), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.array(resized)


def fit_within(image: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return the image scaled down to fit into a box, aspect kept; never scaled up, at least 1 px a side."""
    height, width = image.shape[:2]
    scale = min(width_px / width, height_px / height)
    if scale >= 1:
        return image
    return resize(image, max(1, round(width * scale)), max(1, round(height * scale)))


def encode_jpeg(image: Pixels, quality: int) -> bytes:
    """Return a baseline JPEG without chroma subsampling (text keeps its colour edges); `quality` is 1 to 100."""
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality, "RGB", "444"))


def encode_png(image: Pixels) -> bytes:
    """Return a PNG of the pixels, losslessly."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _open(payload: bytes) -> tuple[Any, str]:
    """Return PIL's lazy image and its format; the size is checked here, before anything is decoded."""
    kind = sniff(payload)
    if kind is None:
        raise _unsupported(payload)
    if kind == "webp" and int.from_bytes(payload[4:8], "little") + 8 > len(payload) + 1:  # the last pad byte may lack
        raise SampleError("image_truncated", f"the WebP file ends after {len(payload)} bytes, before its declared end")
    if kind == "gif":  # checked by hand: PIL reads the whole first frame when it opens the file
        _check_size(*struct.unpack("<HH", payload[6:10].ljust(4, b"\0")))
    if kind == "jpeg":
        _check_segments(payload)
    try:
        image = READERS[kind](io.BytesIO(payload))
    except BROKEN as error:
        raise _decode_error(error, kind) from error
    _check_size(*image.size)
    return image, kind


def _check_segments(payload: bytes) -> None:
    """Refuse a JPEG with so much before its scan that PIL would be busy with it for minutes."""
    at, steps, exif = 2, 0, 0
    while (mark := payload.find(b"\xff", at, at + MAX_SEGMENTS)) >= 0 and mark + 4 <= len(payload):
        kind, size = payload[mark + 1], int.from_bytes(payload[mark + 2 : mark + 4])
        if kind == 0xDA:
            return
        steps += 1 + mark - at
        exif += size if kind == 0xE1 else 0
        if steps > MAX_SEGMENTS or exif > MAX_EXIF_BYTES:
            break
        alone = kind < 0xC0 or 0xD0 <= kind <= 0xD9 or kind == 0xFF  # markers without content, and padding
        at = mark + (1 if kind == 0xFF else 2) + (0 if alone else size)
    else:
        if len(payload) - at <= MAX_SEGMENTS or at > len(payload):
            return
    limits = f"{MAX_SEGMENTS} segments or stray bytes, or {MAX_EXIF_BYTES >> 20} MiB of EXIF"
    raise SampleError("image_undecodable", f"the jpeg file has more than {limits} before its image")


def _pages(image: Any) -> int:
    """Count the pages of a TIFF, at most `MAX_FRAMES`, and go back to the first."""
    pages = 1
    try:
        while pages < MAX_FRAMES:
            image.seek(pages)
            pages += 1
    except EOFError:
        pass
    image.seek(0)
    return pages


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE_PX:
        most = f"the limits are {MAX_PIXELS} pixels and {MAX_SIDE_PX} px a side"
        raise SampleError("image_too_large", f"the header says {width} x {height} px; {most}")


def _unsupported(payload: bytes) -> SampleError:
    names = {b"<svg": "SVG", b"%PDF": "PDF", b"8BPS": "Photoshop", b"\0\0\1\0": "ICO", b"\xff\x0a": "JPEG XL"}
    name = next((name for magic, name in names.items() if payload.startswith(magic)), None)
    if name is None and payload[4:8] == b"ftyp":
        name = "HEIF" if payload[8:12] in (b"heic", b"heix", b"mif1", b"msf1") else "ISO media"
    if name:
        return SampleError("image_unsupported", f"{name} files are not read; convert them to one of {list(READERS)}")
    if not payload:
        return SampleError("image_undecodable", "the image is 0 bytes long")
    return SampleError("image_undecodable", f"not an image: it begins with the bytes {payload[:8].hex(' ')}")


def _decode_error(error: BaseException, kind: str) -> SampleError:
    if isinstance(error, SampleError):
        return error
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return SampleError("image_too_large", f"the {kind} file unpacks to more than {MAX_PIXELS} pixels")
    text = " ".join(str(error).split())[:200] or type(error).__name__
    cut = isinstance(error, EOFError) or any(word in text.lower() for word in ("truncat", "premature", "not enough"))
    code, what = ("image_truncated", "ends early") if cut else ("image_undecodable", "cannot be decoded")
    return SampleError(code, f"the {kind} file {what}: {text}")


def _orientation(image: Any, kind: str, payload: bytes) -> int:
    """Return the EXIF orientation, 1 where there is none or it is unreadable."""
    if kind in ("gif", "bmp") or (kind == "png" and b"eXIf" not in payload):  # PIL would decode a PNG to look for it
        return 1
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except BROKEN:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _plain_jpeg(payload: bytes) -> Header | None:
    """Return the header of a grey or colour JPEG without EXIF or XMP, else None: PIL reads those, 50 times slower."""
    at = 2 if payload[:2] == b"\xff\xd8" else len(payload)
    for _ in range(MAX_SEGMENTS):
        if at + 4 > len(payload) or payload[at] != 0xFF:
            return None
        if payload[at + 1] == 0xDA:  # the scan
            break
        if payload[at + 1] < 0xC0 or 0xD0 <= payload[at + 1] <= 0xD9 or payload[at + 1] in (0xE1, 0xFF):
            return None
        at += 2 + int.from_bytes(payload[at + 2 : at + 4])
    else:
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(payload)
    except ValueError:
        return None
    _check_size(width, height)
    mode = {"Gray": "L", "YCbCr": "RGB", "RGB": "RGB"}.get(colours)
    return Header("jpeg", width, height, 1, mode, 1) if mode else None


def _simplejpeg(payload: bytes, shortest: int, side: int, luma: bool) -> Pixels | None:
    """Decode a grey or colour JPEG; None: its strict mode refuses the file. Raises ValueError if the file is cut."""
    least = side if Extent(shortest, "eighths").reduction(side)[0] < 8 else 0
    try:
        pixels = simplejpeg.decode_jpeg(payload, "GRAY" if luma else "RGB", min_height=least, min_width=least)
    except ValueError as error:
        if "premature" in str(error).lower():  # PIL would return an image with a grey bottom for some of these
            raise
        return None
    pixels = pixels[:, :, 0] if luma else pixels
    return _shrink(Image.fromarray(pixels), side) if _surplus(pixels.shape[:2], side) > 1 else pixels


def _decode_jpeg(payload: bytes, image: Any, side: int, luma: bool) -> Pixels:
    """Decode with simplejpeg; what it refuses goes to PIL, which forgives stray bytes but not a cut."""
    if image.mode in ("L", "RGB") and (pixels := _simplejpeg(payload, min(image.size), side, luma)) is not None:
        return pixels
    if side:
        image.draft(None, (side, side))
    return _shrink(_rgb(image), side)


def _rgb(image: Any) -> Any:
    """Return a PIL RGB image of any mode: alpha over white, 16-bit grey scaled rather than clipped."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise SampleError("image_unsupported", f"pixels of mode {image.mode} (32 bits a sample) have no defined white")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGB", rgba.size, "white")
        white.paste(rgba, mask=rgba.getchannel("A"))
        return white
    return image.convert("RGB")


def _surplus(size: tuple[int, ...], side: int) -> int:
    return min(size) // side if side else 1


def _luma(pixels: Pixels) -> Pixels:
    return pixels if pixels.ndim == 2 else np.array(Image.fromarray(pixels).convert("L"))


def _shrink(image: Any, side: int) -> Pixels:
    return np.array(image.reduce(surplus) if (surplus := _surplus(image.size, side)) > 1 else image)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo the EXIF orientation; 5 to 8 swap width and height."""
    if orientation == 1:
        return pixels
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
