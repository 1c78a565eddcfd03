import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.captions.boxes import area, centre, is_box, is_ordered, overlap, shared_area, widen

edges = st.floats(-1, 2, allow_nan=False, width=32)
boxes = st.lists(edges, min_size=4, max_size=4)
ordered = boxes.map(lambda box: [*map(min, box[:2], box[2:]), *map(max, box[:2], box[2:])])


@pytest.mark.parametrize(
    "box", [None, [], [0, 0, 1], [0, 0, 1, 1, 1], [0, None, 1, 1], [0, 0, math.nan, 1], [0, 0, 1, math.inf]]
)
def test_what_is_no_box(box):
    assert not is_box(box)


@given(boxes)
def test_four_numbers_are_a_box_in_any_order(box):
    assert is_box(box)
    assert is_ordered(box) == (box[0] <= box[2] and box[1] <= box[3])


@given(ordered, ordered)
def test_the_intersection_is_shared_alike_and_is_no_larger_than_either(one, other):
    assert shared_area(one, other) == shared_area(other, one) <= min(area(one), area(other)) + 1e-9
    assert 0 <= overlap(one, other) <= 1 + 1e-9


@given(ordered)
def test_a_box_overlaps_itself_wholly_and_holds_its_centre(box):
    x, y = centre(box)
    assert box[0] <= x <= box[2]
    assert box[1] <= y <= box[3]
    assert overlap(box, box) == (1.0 if area(box) > 0 else 0.0)


@pytest.mark.parametrize("box", [[1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0]])
def test_a_box_with_a_side_of_negative_length_has_no_area(box):
    assert area(box) == 0


@pytest.mark.parametrize("box", [[0, 0, 0.01, 0.01], [0.9, 0.9, 1, 1], [0, 0, 1, 1], [0.4, 0.1, 0.6, 0.2]])
def test_a_widened_box_holds_the_box_and_stays_inside(box):
    x0, y0, x1, y1 = widen(box, 2.0, 0.25)
    assert 0 <= x0 <= box[0] + 1e-6
    assert box[2] - 1e-6 <= x1 <= 1
    assert 0 <= y0 <= box[1] + 1e-6
    assert box[3] - 1e-6 <= y1 <= 1
    assert min(x1 - x0, y1 - y0) >= 0.25 - 1e-6
