import hashlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageFilter

from curate.experts.image_facts import ImageFacts, entropy_bits, laplacian_variance, perceptual_hashes
from curate.pixels import decode
from curate.stages import Batch
from nano.world.scenes import make_scene
from tests.support.images import animation, encode, jpeg, turned
from tests.support.images import image as picture

SCORE = ImageFacts().load()


def measure(*payloads, side=256):
    table = pa.table({"uid": [str(i) for i in range(len(payloads))]})
    return SCORE(Batch(table, payloads, [decode(payload, side) for payload in payloads]))


def scenes(count):
    return [make_scene(4_100_000_000_000 + i)[0] for i in range(count)]


def bits_apart(one, other):
    return [int(a ^ b).bit_count() for a, b in zip(hashes(one), hashes(other), strict=True)]


def hashes(facts):
    return facts.columns["image_phash"]


def test_facts_of_the_stored_bytes():
    payload = jpeg(320, 240)
    facts = measure(payload, animation(3), turned(6), encode(picture(), "PNG"))
    assert facts.columns["image_format"] == ["jpeg", "gif", "jpeg", "png"]
    assert facts.columns["image_frames"] == [1, 3, 1, 1]
    assert (facts.columns["image_width_px"][0], facts.columns["image_height_px"][0]) == (320, 240)
    assert (facts.columns["image_width_px"][2], facts.columns["image_height_px"][2]) == (
        48,
        64,
    )  # after the EXIF rotation
    assert facts.columns["image_sha256"][0] == hashlib.sha256(payload).hexdigest()
    assert facts.errors == [None] * 4


def test_a_broken_header_is_one_error_row():
    good = jpeg()
    table = pa.table({"uid": ["a", "b", "c"]})
    facts = SCORE(Batch(table, [good, b"not an image", good], [decode(good, 256)] * 3))
    assert [error and error.code for error in facts.errors] == [None, "image_undecodable", None]
    for name in ImageFacts.adds.names:
        assert facts.columns[name][1] is None
        assert facts.columns[name][0] == facts.columns[name][2]
        assert facts.columns[name][0] is not None


def test_near_duplicates_differ_in_few_bits_and_others_in_many():
    originals = scenes(40)
    base = measure(*[encode(image, "JPEG", quality=92) for image in originals])
    worse = measure(*[encode(image, "JPEG", quality=40) for image in originals])
    half = measure(*[encode(image.resize((image.width // 2, image.height // 2)), "PNG") for image in originals])
    assert max(bits_apart(base, worse)) <= 8
    assert max(bits_apart(base, half)) <= 12
    others = [
        int(a ^ b).bit_count()
        for i, a in enumerate(base.columns["image_phash"])
        for b in base.columns["image_phash"][:i]
    ]
    assert np.median(others) >= 28
    assert np.percentile(others, 1) > 12


def test_a_larger_decode_hardly_moves_the_hash():
    payloads = [encode(image, "JPEG", quality=92) for image in scenes(20)]
    assert max(bits_apart(measure(*payloads), measure(*payloads, side=0))) <= 6


def test_one_colour_gives_hash_0_blur_0_and_no_entropy():
    facts = measure(*[encode(Image.new("RGB", (300, 280), tone), "PNG") for tone in ("black", "white", "#7f1234")])
    assert facts.columns["image_phash"] == [0, 0, 0]
    assert facts.columns["image_blur"] == [0, 0, 0]
    assert facts.columns["image_entropy_bits"] == [0, 0, 0]


def test_blurring_lowers_blur():
    sharp = scenes(10)
    soft = [image.filter(ImageFilter.GaussianBlur(2)) for image in sharp]
    facts = [measure(*[encode(image, "PNG") for image in images]).columns["image_blur"] for images in (sharp, soft)]
    assert all(low < high for high, low in zip(*facts, strict=True))


def test_blur_is_the_variance_of_the_laplacian():
    luma = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    wide = luma.astype(float)
    edges = 4 * wide[1:-1, 1:-1] - wide[:-2, 1:-1] - wide[2:, 1:-1] - wide[1:-1, :-2] - wide[1:-1, 2:]
    assert laplacian_variance(luma) == pytest.approx(edges.var())
    assert laplacian_variance(luma[:2]) is None


@pytest.mark.parametrize(("counts", "bits"), [([7, 0, 0], 0), ([1, 1], 1), ([1] * 256, 8), ([2, 1, 1], 1.5)])
def test_entropy(counts, bits):
    assert entropy_bits(counts) == pytest.approx(bits)


def test_hash_bits_split_at_their_median():
    grids = np.random.default_rng(1).integers(0, 256, (5, 32, 32)).astype(float)
    assert [int(value).bit_count() for value in perceptual_hashes(grids)] == [32] * 5
    assert (perceptual_hashes(grids) == perceptual_hashes(grids * 0.5 + 20)).all()  # contrast and brightness


def test_a_image_of_one_pixel_is_measured():
    facts = measure(encode(Image.new("RGB", (1, 1)), "PNG"))
    assert facts.columns["image_blur"] == [None]
    assert facts.errors == [None]


def test_same_bytes_same_facts_in_any_batch():
    payloads = [encode(image, "WEBP") for image in scenes(6)]
    together = measure(*payloads)
    for i, payload in enumerate(payloads):
        alone = measure(payload)
        assert {name: values[0] for name, values in alone.columns.items()} == {
            name: values[i] for name, values in together.columns.items()
        }


def test_facts_hardly_differ_without_colours():
    payloads = [encode(scene, "JPEG") for scene in scenes(12)]
    table = pa.table({"uid": [str(i) for i in range(12)]})
    light = SCORE(Batch(table, payloads, [decode(payload, 256, luma=True) for payload in payloads]))
    colours = measure(*payloads)
    assert max(bits_apart(light, colours)) <= 2
    assert np.allclose(np.median(np.divide(light.columns["image_blur"], colours.columns["image_blur"])), 1, atol=0.01)
    assert np.allclose(light.columns["image_blur"], colours.columns["image_blur"], rtol=0.15)
    assert np.allclose(light.columns["image_entropy_bits"], colours.columns["image_entropy_bits"], atol=0.2)
