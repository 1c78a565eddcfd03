import numpy as np
import pytest

from curate.captions.viewing.corrupt import color_jitter, low_resolution, pixels_sha256
from tests.support.images import image as picture

PICTURE = np.random.default_rng(0).integers(0, 255, (112, 168, 3), dtype=np.uint8)


def detail(image):
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def test_low_resolution_keeps_the_size_and_loses_detail():
    low = low_resolution(PICTURE, 20)
    assert low.shape == PICTURE.shape
    assert detail(low) < detail(PICTURE) / 4


def test_a_image_that_is_no_larger_comes_back_as_it_is():
    tiny = PICTURE[:20, :30]
    assert low_resolution(tiny, 20) is tiny


def test_jitter_of_nothing_is_nothing():
    assert np.array_equal(color_jitter(PICTURE, 1.0, 0.0), PICTURE)


def test_brightness_scales_and_clips():
    assert color_jitter(np.full((4, 4, 3), 100, np.uint8), 1.5, 0.0).max() == 150
    assert color_jitter(np.full((4, 4, 3), 200, np.uint8), 1.5, 0.0).max() == 255


@pytest.mark.parametrize(("hue", "dominant"), [(1 / 3, 1), (-1 / 3, 2)])
def test_a_third_of_the_circle_turns_red_into_green_or_blue(hue, dominant):
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 220
    turned = color_jitter(red, 1.0, hue)
    assert turned[0, 0].argmax() == dominant


def test_corruption_is_deterministic_and_leaves_its_input_alone():
    before = PICTURE.copy()
    for corrupt in (lambda i: low_resolution(i, 20), lambda i: color_jitter(i, 1.3, 0.2)):
        assert np.array_equal(corrupt(PICTURE), corrupt(PICTURE))
    assert np.array_equal(PICTURE, before)


def test_the_digest_knows_size_and_pixels():
    image = np.asarray(picture())
    flat = image.reshape(1, -1, 3)
    assert pixels_sha256(image) != pixels_sha256(flat)
    assert pixels_sha256(image) == pixels_sha256(np.asfortranarray(image))
