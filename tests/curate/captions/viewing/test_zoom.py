import numpy as np
import pytest

from curate.captions.viewing.zoom import crop, tiles, widen


@pytest.mark.parametrize("box", [[0, 0, 0.01, 0.01], [0.9, 0.9, 1, 1], [0, 0, 1, 1], [0.4, 0.1, 0.6, 0.2]])
def test_a_widened_box_holds_the_box_and_stays_inside(box):
    x0, y0, x1, y1 = widen(box, 2.0, 0.25)
    assert 0 <= x0 <= box[0] + 1e-6
    assert box[2] - 1e-6 <= x1 <= 1
    assert 0 <= y0 <= box[1] + 1e-6
    assert box[3] - 1e-6 <= y1 <= 1
    assert min(x1 - x0, y1 - y0) >= 0.25 - 1e-6


def test_tiles_cover_the_image_and_overlap():
    grid = np.zeros((100, 100), int)
    for x0, y0, x1, y1 in tiles(0.1):
        grid[round(y0 * 100) : round(y1 * 100), round(x0 * 100) : round(x1 * 100)] += 1
    assert grid.min() == 1
    assert grid[50, 50] == 4


def test_a_crop_is_the_part_scaled_to_its_side():
    image = np.zeros((100, 200, 3), np.uint8)
    image[50:, 100:] = 255
    part = crop(image, [0.5, 0.5, 1.0, 1.0], 300, 4.0)
    assert part.shape == (150, 300, 3)
    assert part.min() == 255
    assert crop(image, [0.5, 0.5, 1.0, 1.0], 3000, 4.0).shape == (200, 400, 3)
    assert crop(image, [0.5, 0.5, 1.0, 1.0], 50, 4.0).shape == (25, 50, 3)


@pytest.mark.parametrize("box", [[0, 0, 0, 0], [1, 1, 1, 1], [0.999, 0, 1.0, 0.001]])
def test_a_crop_has_at_least_one_pixel(box):
    assert min(crop(np.zeros((3, 5, 3), np.uint8), box, 28, 4.0).shape[:2]) >= 1
