import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.captions.viewing.tiles import Grid, Tile, crop, plan_tiles, within
from curate.errors import PlanError

SIDES = st.integers(1, 6000)
PLANS = {"width": SIDES, "height": SIDES, "tile_px": st.integers(28, 1200), "most": st.integers(1, 24)}


def plan(width, height, tile_px, most, second=False):
    return plan_tiles(width, height, tile_px, most, second=second)


@settings(max_examples=150, deadline=None)
@given(**PLANS)
def test_a_plan_keeps_its_bounds_and_shows_no_less_than_the_global_view(width, height, tile_px, most):
    made = plan(width, height, tile_px, most)
    cells = made.first.rows * made.first.columns
    assert 1 <= cells <= most
    assert 0 < made.scale <= 1
    assert made.scale >= Grid(1, 1).scale(width, height, tile_px)
    assert made.second is None
    assert len(made.tiles) == (cells if cells > 1 else 0)
    assert made.first.columns == 1 or width / made.first.columns >= 28
    assert made.first.rows == 1 or height / made.first.rows >= 28


@settings(max_examples=150, deadline=None)
@given(**PLANS)
def test_no_grid_of_fewer_tiles_is_nearly_as_good(width, height, tile_px, most):
    made = plan(width, height, tile_px, most)
    for rows, columns in product(range(1, most + 1), repeat=2):
        if rows * columns < made.first.rows * made.first.columns and columns * 28 <= width and rows * 28 <= height:
            assert Grid(rows, columns).scale(width, height, tile_px) < made.scale


@settings(max_examples=150, deadline=None)
@given(**PLANS)
def test_the_second_grid_shares_no_inner_cut_line_with_the_first(width, height, tile_px, most):
    made = plan(width, height, tile_px, most, second=True)
    if made.second is None:
        return
    assert made.second.rows * made.second.columns <= most
    assert made.second != Grid(1, 1)
    for axis in ("rows", "columns"):
        m, n = getattr(made.first, axis), getattr(made.second, axis)
        lines = [{i * m * n // parts for i in range(1, parts)} for parts in (m, n)]
        assert not lines[0] & lines[1]


@settings(max_examples=150, deadline=None)
@given(m=st.integers(1, 9), n=st.integers(1, 9), start=st.floats(0, 1), size=st.floats(0, 1))
def test_what_is_narrower_than_the_least_distance_is_cut_along_a_direction_by_one_grid_at_most(m, n, start, size):
    if math.gcd(m, n) > 1:
        return
    end = start + 0.999 * size / (m * n)
    assert not all(any(start < i / parts < end for i in range(1, parts)) for parts in (m, n))


@settings(max_examples=60, deadline=None)
@given(width=st.integers(1, 120), height=st.integers(1, 120), rows=st.integers(1, 5), columns=st.integers(1, 5))
def test_tiles_cover_every_pixel_once_and_stay_within(width, height, rows, columns):
    seen = np.zeros((height, width), int)
    image = np.arange(height * width).reshape(height, width, 1)
    for tile in Grid(rows, columns).tiles():
        part = crop(image, tile)
        assert part.size > 0
        seen[part[0, 0, 0] // width :, part[0, 0, 0] % width :][: part.shape[0], : part.shape[1]] += 1
    assert seen.min() >= 1
    assert seen.max() == 1 or width < columns or height < rows


@pytest.mark.parametrize(
    ("size", "tile_px", "most", "rows_columns"),
    [
        ((336, 336), 336, 9, (1, 1)),
        ((10, 3), 336, 9, (1, 1)),
        ((1008, 1008), 336, 9, (3, 3)),
        ((1010, 1010), 336, 9, (3, 3)),
        ((672, 336), 336, 9, (1, 2)),
        ((336, 1008), 336, 9, (3, 1)),
        ((3840, 1600), 336, 54, (4, 10)),
        ((3840, 1600), 1008, 6, (2, 3)),
        ((10_000, 20), 336, 6, (1, 6)),
        ((20, 10_000), 336, 6, (6, 1)),
        ((4000, 4000), 336, 4, (2, 2)),
        ((4000, 3000), 336, 1, (1, 1)),
    ],
)
def test_grids_follow_shape_and_size(size, tile_px, most, rows_columns):
    assert plan(*size, tile_px, most).first == Grid(*rows_columns)


@pytest.mark.parametrize(
    ("size", "most", "second"),
    [((1008, 1008), 9, Grid(2, 2)), ((672, 672), 9, Grid(3, 3)), ((672, 672), 4, None), ((1344, 336), 9, Grid(1, 5))],
)
def test_the_second_grid_of_common_sizes(size, most, second):
    assert plan(*size, 336, most, second=True).second == second


def test_impossible_sizes_are_named():
    with pytest.raises(PlanError, match="tile_px=10"):
        plan(100, 100, 10, 4)
    with pytest.raises(PlanError, match="0 x 5 px"):
        plan(0, 5, 336, 4)


def test_a_tile_knows_its_row_column_and_place():
    tile = Tile(1, 6, 2, 3)
    assert (tile.row, tile.column, tile.place) == (2, 3, "bottom right")
    assert tile.box == (2 / 3, 1 / 2, 1.0, 1.0)
    assert tile.tag("{number}/{tiles} {row}/{rows} {column}/{columns}") == "6/6 2/2 3/3"


def test_a_tile_is_told_of_what_is_mostly_in_it_in_its_own_coordinates():
    def thing(label, *box):
        return {"label": label, "box": list(box), "score": 0.9}

    row = {
        "alt_text": "all of it",
        "tags": ["x"],
        "objects": [
            thing("inside", 0.6, 0.0, 0.75, 0.25),
            thing("outside", 0.1, 0.1, 0.2, 0.2),
            thing("mostly", 0.4, 0.5, 0.75, 0.75),
            thing("hardly", 0.2, 0.5, 0.6, 0.75),
            thing("halved", 0.4, 0.9, 0.6, 1.0),
            thing("a point", 0.5, 0.5, 0.5, 0.5),
        ],
        "ocr_lines": None,
        "uid": "u",
    }
    known = within(row, Tile(1, 2, 1, 2))
    assert [one["label"] for one in known["objects"]] == ["inside", "mostly", "halved", "a point"]
    boxes = {one["label"]: [round(v, 3) for v in one["box"]] for one in known["objects"]}
    assert boxes["inside"] == [0.2, 0.0, 0.5, 0.25]
    assert boxes["mostly"] == [0.0, 0.5, 0.5, 0.75]
    assert (known["alt_text"], known["tags"], known["ocr_lines"], known["uid"]) == (None, None, None, "u")
    assert row["objects"][0]["box"] == [0.6, 0.0, 0.75, 0.25]
