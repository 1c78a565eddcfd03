import numpy as np
import pytest

from curate.captions.prompting.hints import Hints
from curate.captions.viewing.pixel_budget import PixelBudget, Tiling
from curate.captions.viewing.views import show

BLANK = np.zeros((84, 112, 3), np.uint8)
FOUR_K = PixelBudget(fixed_px=3840)


def sizes(budget, width, height):
    """Sizes of the views of an image, the whole first."""
    image = np.zeros((height, width, 3), np.uint8)
    shown = show({"uid": "u"}, image, budget)
    views = list(shown.views(image, Hints(blocks=()), budget.tiles.tile_px))
    return shown, [view.image().shape[1::-1] for view in views]


@pytest.mark.parametrize(
    ("size", "grid", "longest"),
    [
        ((3840, 1600), (2, 4), 3840),
        ((1600, 3840), (4, 2), 3840),
        ((4000, 4000), (3, 3), 2479),
        ((6000, 1000), (1, 4), 4032),
        ((2016, 1008), (1, 2), 2016),
        ((1100, 600), (1, 2), 1100),
    ],
)
def test_tiles_show_up_to_4k_and_never_more_than_the_original(size, grid, longest):
    shown, views = sizes(FOUR_K, *size)
    assert (shown.plan.first.rows, shown.plan.first.columns) == grid
    assert shown.longest_side_px == longest
    assert len(views) == 1 + grid[0] * grid[1]
    assert max(map(max, views)) <= 1008
    assert sum(width * height for width, height in views[1:]) <= 1.06 * 3840 * 1600  # whole patches
    across = sum(width for width, _ in views[1 : 1 + grid[1]])
    assert abs(across - shown.scale * size[0]) <= 28 * grid[1]


def test_one_piece_is_within_its_tier():
    _, views = sizes(PixelBudget(fixed_px=448), 1000, 500)
    assert views == [(448, 224)]


def test_a_tier_of_tiles_that_one_tile_can_show_is_one_view():
    budget = PixelBudget(sides_px=(336,), tiles=Tiling(1008, 9), fixed_px=900)
    _, views = sizes(budget, 900, 600)
    assert views == [(896, 588)]


def test_unknown_sizes_are_those_of_the_decoded_image():
    for row in ({}, {"image_width_px": None, "image_height_px": None}):
        assert show(row, BLANK, FOUR_K).row == {"image_width_px": 112, "image_height_px": 84}
    assert show({"image_width_px": 4000, "image_height_px": 3000}, BLANK, FOUR_K).plan is not None
