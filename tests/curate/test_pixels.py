import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from curate.errors import SampleError
from curate.pixels import (
    MAX_SIDE_PX,
    Header,
    decode,
    decode_each,
    encode_jpeg,
    encode_png,
    extent,
    fit_within,
    probe,
    resize,
    sniff,
)
from tests.support.images import FORMATS, animation, encode, image, jpeg, noise, png_bomb, raw_png, turned


def code(call, *args):
    with pytest.raises(SampleError) as caught:
        call(*args)
    return caught.value.code


def close(a, b, tolerance=6.0):
    assert a.shape == b.shape
    assert np.abs(a.astype(float) - b.astype(float)).mean() < tolerance


@pytest.mark.parametrize("kind", FORMATS)
def test_format_comes_from_the_content_and_pixels_are_rgb(kind):
    payload = encode(image(), kind)
    assert sniff(payload) == kind.lower()
    header = probe(payload)
    assert (header.format, header.width_px, header.height_px, header.frames) == (kind.lower(), 64, 48, 1)
    pixels = decode(payload, 0)
    assert pixels.dtype == np.uint8
    assert pixels.flags.writeable
    assert pixels.flags.c_contiguous
    close(pixels, np.asarray(image()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_once(kind, orientation):
    payload = turned(orientation, kind)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(payload))).convert("RGB"))
    assert np.array_equal(decode(payload, 0), expected) or kind == "JPEG"
    close(decode(payload, 0), expected)
    header = probe(payload)
    assert (header.height_px, header.width_px) == expected.shape[:2]
    assert header.orientation == orientation


def test_unreadable_exif_is_no_rotation():
    payload = jpeg(exif=b"Exif\0\0" + b"\xff" * 40)
    assert probe(payload).orientation == 1
    assert decode(payload, 0).shape == (48, 64, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_gives_its_first_frame_and_counts_its_frames(kind):
    payload = animation(3, kind)
    assert probe(payload).frames == 3
    close(decode(payload, 0), np.asarray(image(16, 16)), 40 if kind == "AVIF" else 12)


def test_alpha_is_laid_over_white():
    for mode in ("RGBA", "LA"):
        clear = Image.new(mode, (8, 8), 0)
        assert decode(encode(clear, "PNG"), 0).min() == 255
    palette = image(mode="P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    pixels = decode(encode(palette, "PNG", transparency=palette.getpixel((0, 0))), 0)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[40, 0].tolist() != [255, 255, 255]


def test_transparent_gif_is_laid_over_white():
    still = Image.new("P", (8, 8), 3)
    still.putpalette([0] * 9 + [10, 20, 30])
    assert decode(encode(still, "GIF", transparency=3), 0).min() == 255


def test_grey_palette_and_bilevel_become_rgb():
    for mode in ("L", "P", "1"):
        expected = np.asarray(image(mode=mode).convert("RGB"))
        assert np.array_equal(decode(encode(image(mode=mode), "PNG"), 0), expected)
    assert decode(encode(image(mode="L"), "JPEG"), 0).shape == (48, 64, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_not_clipped(kind):
    values = np.linspace(0, 65_535, 64 * 48).astype(np.uint16).reshape(48, 64)
    payload = encode(Image.fromarray(values), kind)
    assert probe(payload).mode.startswith("I;16")
    assert np.array_equal(decode(payload, 0)[..., 0], values >> 8)


def test_sixteen_bit_colour_keeps_its_high_bytes():
    values = np.linspace(0, 65_535, 8 * 4 * 3).astype(">u2").reshape(4, 8, 3)
    payload = raw_png(8, 4, 16, b"".join(b"\0" + row.tobytes() for row in values))
    assert np.array_equal(decode(payload, 0), values >> 8)


def test_thirty_two_bit_pixels_are_unsupported():
    floats = Image.fromarray(np.zeros((8, 8), np.float32))
    assert code(decode, encode(floats, "TIFF"), 0) == "image_unsupported"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_keeps_its_colours(kind):
    payload = encode(image(mode="CMYK"), kind)
    assert probe(payload).mode == "CMYK"
    close(decode(payload, 0), np.asarray(image()), 12)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_a_cut_image_is_an_error_never_a_grey_bottom(kind, cut):
    pixels = np.random.default_rng(1).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    payload = encode(Image.fromarray(pixels), kind)
    assert code(decode, payload[: int(len(payload) * cut)], 0) in ("image_truncated", "image_undecodable")


@pytest.mark.parametrize("side", [0, 50])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_cut_jpeg_is_truncated_at_any_scale(mode, side):
    payload = encode(Image.open(io.BytesIO(noise(256, 192))).convert(mode), "JPEG")
    for cut in (len(payload) // 2, len(payload) - 2):
        assert code(decode, payload[:cut], side) == "image_truncated"


def test_a_jpeg_whose_scan_ends_early_is_truncated_although_it_has_an_end_marker():
    payload = noise(256, 192)
    assert code(decode, payload[: len(payload) // 2] + b"\xff\xd9", 0) == "image_truncated"


def test_stray_bytes_after_a_jpeg_are_forgiven():
    close(decode(jpeg() + b"stray" * 9, 0), np.asarray(image()))


def test_what_strict_decoding_refuses_falls_back_to_pil():
    payload = jpeg()
    at = payload.index(b"\xff\xdb")
    stray = payload[:at] + b"\0\0\0" + payload[at:]  # extraneous bytes between two segments
    with pytest.raises(ValueError, match="extraneous"):
        simplejpeg.decode_jpeg(stray)
    close(decode(stray, 0), np.asarray(image()))


@pytest.mark.parametrize("payload", [b"", b"\0", b"hello, world", b"<html>404</html>", b"BM", bytes(5000)])
def test_what_is_not_an_image_is_undecodable(payload):
    assert code(decode, payload, 0) == "image_undecodable"
    assert code(probe, payload) == "image_undecodable"


@pytest.mark.parametrize("payload", [b"%PDF-1.4", b"<svg xmlns=''/>", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"])
def test_known_formats_that_are_not_read_say_so(payload):
    assert code(decode, payload, 0) == "image_unsupported"


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (MAX_SIDE_PX + 1, 1), (1, 2**31 - 1)])
def test_a_bomb_is_refused_on_its_header(width, height):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert code(probe, png_bomb(width, height)) == "image_too_large"
        assert code(decode, png_bomb(width, height), 224) == "image_too_large"


@pytest.mark.parametrize("kind", ["BMP", "GIF", "JPEG", "WEBP", "TIFF"])
def test_bombs_of_other_formats_are_refused_without_a_warning(kind):
    payload = bytearray(encode(image(), kind, **({"lossless": True} if kind == "WEBP" else {})))
    where, form = {"BMP": (18, "<ii"), "GIF": (6, "<HH")}.get(kind, (0, ""))
    if kind == "JPEG":
        where = payload.index(b"\xff\xc0") + 5
        payload[where : where + 4] = b"\xff\xff\xff\xff"
    elif kind == "WEBP":
        payload[21:25] = (16_383 | 16_383 << 14).to_bytes(4, "little")
    elif kind == "TIFF":
        for tag in (256, 257):  # width and length: (tag, SHORT or LONG, 1, value)
            at = next(i for i in range(len(payload)) if payload[i : i + 2] == tag.to_bytes(2, "little"))
            payload[at + 2 : at + 12] = (
                (4).to_bytes(2, "little") + (1).to_bytes(4, "little") + (60_000).to_bytes(4, "little")
            )
    else:
        payload[where : where + (8 if form == "<ii" else 4)] = (60_000).to_bytes(
            4 if form == "<ii" else 2, "little"
        ) * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert code(probe, bytes(payload)) == "image_too_large"


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("side", [1, 10, 40, 48, 49, 96, 150, 300])
def test_the_shortest_side_asked_for_is_kept(kind, side):
    pixels = decode(encode(image(256, 192), kind), side)
    height, width = pixels.shape[:2]
    assert min(width, height) >= min(side, 192)
    assert abs(width / height - 256 / 192) < 0.1 or height < 20
    if side <= 48:
        assert pixels.nbytes <= 256 * 192 * 3 // 4


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["jpeg", "png", "grey", "cmyk", "turned"]),
    size=st.tuples(st.integers(1, 260), st.integers(1, 260)),
    sides=st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
def test_equal_reductions_of_an_image_are_equal_pixels(kind, size, sides):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8))
    exif = Image.Exif()
    exif[274] = 6 if kind == "turned" else 1
    mode = {"grey": "L", "cmyk": "CMYK"}.get(kind, "RGB")
    stream = io.BytesIO()
    picture.convert(mode).save(stream, "PNG" if kind == "png" else "JPEG", exif=exif)
    payload = stream.getvalue()
    reductions = [extent(payload).reduction(side) for side in sides]
    for luma in (False, True):
        first, second = decode_each(payload, [(side, luma) for side in sides])
        assert np.array_equal(first, decode(payload, sides[0], luma=luma))
        if reductions[0] == reductions[1]:
            assert np.array_equal(first, second)


def test_a_scaled_decode_shows_the_same_image():
    full, small = decode(jpeg(512, 384), 0), decode(jpeg(512, 384), 100)
    close(resize(full, small.shape[1], small.shape[0]), small, 3)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(FORMATS), st.integers(0, 10**6), st.binary(min_size=1, max_size=8))
def test_broken_bytes_give_pixels_or_a_sample_error_and_nothing_else(kind, where, junk):
    payload = bytearray(encode(image(24, 16), kind))
    where %= len(payload)
    payload[where : where + len(junk)] = junk
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call, args in ((probe, ()), (decode, (0,)), (decode, (8,))):
            try:
                answer = call(bytes(payload), *args)
            except SampleError as error:
                answer = error
            assert isinstance(answer, SampleError | Header | np.ndarray)


def test_threads_decode_the_same_bytes():
    payloads = [noise(128, 96, seed) for seed in range(16)]
    alone = [decode(p, 64) for p in payloads]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda p: decode(p, 64), payloads))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


def test_fit_within_keeps_aspect_and_never_enlarges():
    pixels = decode(jpeg(200, 100), 0)
    assert fit_within(pixels, 50, 50).shape == (25, 50, 3)
    assert fit_within(pixels, 1000, 10).shape == (10, 20, 3)
    assert fit_within(pixels, 500, 500) is pixels
    assert fit_within(np.zeros((1, 4000, 3), np.uint8), 100, 100).shape == (1, 100, 3)


def test_encoders_round_trip():
    pixels = np.asarray(image())
    assert np.array_equal(decode(encode_png(pixels), 0), pixels)
    assert probe(encode_jpeg(pixels, 95)).format == "jpeg"
    close(decode(encode_jpeg(pixels[::-1], 95), 0), pixels[::-1], 3)
    assert encode_jpeg(pixels, 80) == encode_jpeg(pixels, 80)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_plain_jpeg_has_the_header_that_pil_reads(mode):
    plain = encode(image(50, 30, mode), "JPEG", comment=b"no EXIF here")
    with_exif = encode(image(50, 30, mode), "JPEG", exif=Image.Exif())
    assert probe(plain) == probe(with_exif) == Header("jpeg", 50, 30, 1, mode, 1)


def test_exif_is_found_behind_other_segments():
    payload = turned(6)
    exif = payload[payload.index(b"\xff\xe1") :][: 2 + int.from_bytes(payload[payload.index(b"\xff\xe1") + 2 :][:2])]
    bare = payload.replace(exif, b"")
    scan = bare.index(b"\xff\xda")
    moved = bare[:scan] + exif + bare[scan:]
    assert probe(moved).orientation == 6
    assert np.array_equal(decode(moved, 0), decode(payload, 0))
    assert probe(bare).orientation == 1


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("side", [0, 60])
def test_luma_is_that_of_the_colours(kind, side):
    payload = encode(image(256, 192), kind)
    light, colours = decode(payload, side, luma=True), decode(payload, side)
    assert light.shape == colours.shape[:2]
    assert light.flags.c_contiguous
    assert light.flags.writeable
    close(light, np.asarray(Image.fromarray(colours).convert("L")), 2)


def test_luma_stands_upright():
    for orientation in range(1, 9):
        light = decode(turned(orientation), 0, luma=True)
        close(light, np.asarray(Image.fromarray(decode(turned(orientation), 0)).convert("L")), 2)
