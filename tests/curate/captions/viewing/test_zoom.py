import numpy as np
import pytest

from curate.captions.viewing.zoom import close_up, cut_out, quarters


def test_quarters_cover_the_image_and_overlap():
    grid = np.zeros((100, 100), int)
    for x0, y0, x1, y1 in quarters(0.1):
        grid[round(y0 * 100) : round(y1 * 100), round(x0 * 100) : round(x1 * 100)] += 1
    assert grid.min() == 1
    assert grid[50, 50] == 4


def test_a_close_up_is_the_part_scaled_to_its_side():
    image = np.zeros((100, 200, 3), np.uint8)
    image[50:, 100:] = 255
    part = close_up(image, [0.5, 0.5, 1.0, 1.0], (300, 300), 4.0)
    assert part.shape == (150, 300, 3)
    assert part.min() == 255
    assert close_up(image, [0.5, 0.5, 1.0, 1.0], (3000, 3000), 4.0).shape == (200, 400, 3)
    assert close_up(image, [0.5, 0.5, 1.0, 1.0], (50, 50), 4.0).shape == (25, 50, 3)


@pytest.mark.parametrize("box", [[0, 0, 0, 0], [1, 1, 1, 1], [0.999, 0, 1.0, 0.001]])
def test_a_close_up_has_at_least_one_pixel(box):
    assert min(close_up(np.zeros((3, 5, 3), np.uint8), box, (28, 28), 4.0).shape[:2]) >= 1


@pytest.mark.parametrize(
    ("box", "margin", "shape"),
    [
        ([0.0, 0.0, 1.0, 1.0], 0.3, (100, 200, 3)),
        ([0.25, 0.25, 0.75, 0.75], 0.0, (50, 100, 3)),
        ([0.25, 0.25, 0.75, 0.75], 0.5, (100, 200, 3)),
        ([0.5, 0.5, 0.5, 0.5], 0.0, (1, 1, 3)),
        ([1.0, 1.0, 1.0, 1.0], 0.0, (1, 1, 3)),
    ],
)
def test_what_is_cut_out_stays_within_the_image_and_is_never_empty(box, margin, shape):
    assert cut_out(np.zeros((100, 200, 3), np.uint8), box, margin).shape == shape


def test_a_close_up_within_its_limits_has_its_own_pixels():
    image = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    part = close_up(image, [0.5, 0.5, 1.0, 1.0], (60, 120), 4.0)
    assert np.array_equal(part, image[50:, 100:])
