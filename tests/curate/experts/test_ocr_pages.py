from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.errors import PlanError
from curate.experts.ocr_pages import CloseReading, line_heights, stitch, tiles

READING = CloseReading()
NONE = np.zeros((0, 4, 2))


def line(x0, y0, x1, y1):
    """An upright line as its four corners."""
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float)


def lines(*boxes):
    return np.array([line(*box) for box in boxes]).reshape(-1, 4, 2)


@pytest.mark.parametrize(
    ("heights", "original", "scale"),
    [
        ([20.0] * 10, 5.0, 1.0),
        ([20.0] * 9 + [8.0], 5.0, 1.0),
        ([20.0] * 5 + [8.0] * 5, 5.0, 3.0),
        ([8.0], 2.0, 2.0),
        ([8.0], 1.2, 1.0),
        ([], 5.0, 1.0),
        ([0.1], 3.0, 3.0),
    ],
)
def test_small_lines_are_enlarged_to_a_height_that_is_read_and_never_over_the_original(heights, original, scale):
    assert READING.scale(np.array(heights), original) == pytest.approx(scale)


@given(st.integers(1, 12_000), st.integers(1, 12_000))
def test_tiles_cover_a_page_of_text_and_overlap(width, height):
    whole = lines((0, 0, width, height))
    parts = tiles(whole, width, height, READING)
    across = sorted({(x0, x1) for x0, _, x1, _ in parts})
    down = sorted({(y0, y1) for _, y0, _, y1 in parts})
    assert len(parts) == len(across) * len(down)
    for spans, side in ((across, width), (down, height)):
        assert (spans[0][0], spans[-1][1]) == (0, side)
        assert all(end - start <= READING.tile_px for start, end in spans)
        assert all(first[1] - second[0] >= READING.overlap_px for first, second in pairwise(spans))


def test_only_tiles_near_text_are_looked_at():
    parts = tiles(lines((100, 100, 300, 120)), 5000, 5000, READING)
    assert parts == [(0, 0, 960, 960)]
    assert tiles(NONE, 5000, 5000, READING) == []


def test_a_line_across_two_tiles_becomes_one_and_a_double_goes():
    left, right = lines((100, 50, 955, 70), (100, 80, 500, 100)), lines((870, 51, 1500, 69))
    whole = stitch([left, right], NONE)
    assert whole.tolist() == lines((100, 50, 1500, 70), (100, 80, 500, 100)).tolist()
    seen_twice = stitch([lines((10, 900, 400, 920)), lines((11, 899, 401, 921))], NONE)
    assert seen_twice.tolist() == lines((10, 899, 401, 921)).tolist()


def test_lines_of_one_tile_and_lines_below_each_other_stay_apart():
    two = lines((10, 10, 200, 30), (150, 12, 400, 31))
    assert stitch([two], NONE).tolist() == two.tolist()
    assert len(stitch([lines((10, 10, 200, 30)), lines((10, 28, 200, 48))], NONE)) == 2


def test_what_was_read_well_at_first_wins_over_its_parts():
    headline = lines((0, 0, 2000, 200))
    found = [lines((0, 0, 960, 190), (10, 300, 500, 320)), lines((864, 0, 1824, 195))]
    assert stitch(found, headline).tolist() == lines((0, 0, 2000, 200), (10, 300, 500, 320)).tolist()
    assert len(stitch([], headline)) == 1
    assert len(stitch([NONE], NONE)) == 0


@given(st.permutations(range(6)))
def test_the_lines_do_not_depend_on_the_order_in_which_a_tile_reports_them(order):
    boxes = lines(*[(10, 30 * i, 900, 30 * i + 20) for i in range(6)])
    other = lines(*[(870, 30 * i, 1500, 30 * i + 20) for i in range(6)])
    made = stitch([boxes[list(order)], other], NONE)
    assert sorted(made.tolist()) == sorted(stitch([boxes, other], NONE).tolist())


def test_a_standing_line_is_as_high_as_its_shorter_side():
    assert line_heights(lines((0, 0, 20, 300), (0, 0, 300, 24))).tolist() == [20, 24]
    assert line_heights(NONE).tolist() == []


@pytest.mark.parametrize("settings", [{"small_px": 0}, {"small_px": 30}, {"gain": 0.5}, {"overlap_px": 500}])
def test_bad_settings_are_named(settings):
    with pytest.raises(PlanError, match=next(iter(settings))):
        CloseReading(**settings)
