import dataclasses
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.captions.viewing.pixel_budget import REASONS, PixelBudget, Tier, Tiling, fit_size
from curate.errors import PlanError
from curate.models.chat_models import FAMILIES, chat_facts

BUDGET = PixelBudget()
ONE_PIECE = PixelBudget(tiles=None)
FRACTION = st.floats(0, 1, width=32)
BOXES = st.lists(FRACTION, min_size=4, max_size=4).map(lambda v: [*map(min, v[:2], v[2:]), *map(max, v[:2], v[2:])])
OBJECTS = st.lists(st.fixed_dictionaries({"label": st.just("x"), "box": BOXES, "score": FRACTION}), max_size=5)
ROWS = st.fixed_dictionaries(
    {
        "image_width_px": st.integers(1, 8000),
        "image_height_px": st.integers(1, 8000),
        "objects": st.none() | OBJECTS,
        "ocr_lines": st.none() | OBJECTS,
        "ocr_text_area_frac": st.none() | FRACTION,
    }
)


def row(width=2000, height=1500, *, lines=(), objects=(), **more):
    """A row whose lines and objects are so many px high, in an original of that size."""
    texts = [{"text": "a", "box": [0, 0, 0.5, px / height], "score": 0.9} for px in lines]
    found = [{"label": "a", "box": [0, 0, px / width, px / height], "score": 0.9} for px in objects]
    return {"image_width_px": width, "image_height_px": height, "ocr_lines": texts, "objects": found} | more


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_any_row_gets_one_tier_with_a_reason_and_never_one_above_the_smallest_that_holds_the_original(row):
    for budget in (BUDGET, ONE_PIECE, PixelBudget(fixed_px=672)):
        tier = budget.choose(row)
        assert tier == budget.choose(dict(reversed(row.items())))
        assert tier.reason in REASONS
        longest = max(row["image_width_px"], row["image_height_px"])
        below = [side for side in budget.sides_px if side < tier.longest_side_px]
        assert all(side < longest for side in below)
        assert tier.tiled == (tier.longest_side_px > 1008)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.integers(0, 4))
def test_more_small_things_never_lower_the_tier(row, extra):
    more = (row["objects"] or []) + [{"label": "a", "box": [0.1, 0.1, 0.11, 0.11], "score": 0.9}] * extra
    if row["objects"] is None and row["ocr_lines"] is None:
        return
    assert BUDGET.choose(row | {"objects": more}).longest_side_px >= BUDGET.choose(row).longest_side_px


@pytest.mark.parametrize(
    ("seen", "tier"),
    [
        (row(), Tier(336, "plain")),
        (row(lines=[90], objects=[500]), Tier(336, "plain")),
        (row(lines=[65]), Tier(448, "text")),
        (row(lines=[45]), Tier(672, "text")),
        (row(lines=[30]), Tier(1008, "text")),
        (row(lines=[20]), Tier(2016, "text", tiled=True)),
        (row(lines=[90, 90, 20]), Tier(336, "plain")),
        (row(objects=[100]), Tier(672, "small_objects")),
        (row(lines=[45], objects=[100]), Tier(672, "text")),
        (row(lines=[45], objects=[40]), Tier(2016, "small_objects", tiled=True)),
        (row(lines=[40] * 8 + [20] * 4), Tier(2016, "page", tiled=True)),
        (row(lines=[40] * 8 + [20] * 3), Tier(1008, "text")),
        (row(lines=[40] * 3 + [20], ocr_text_area_frac=0.2), Tier(2016, "page", tiled=True)),
        (row(lines=[45]) | {"objects": None}, Tier(672, "text")),
        (row(objects=[100]) | {"ocr_lines": None}, Tier(672, "small_objects")),
        (row() | {"objects": None}, Tier(336, "plain")),
        (row() | {"objects": None, "ocr_lines": None}, Tier(448, "unmeasured")),
        ({}, Tier(448, "unmeasured")),
        (row(lines=[20]) | {"image_width_px": None}, Tier(448, "unmeasured")),
        ({"image_width_px": 300, "image_height_px": 200}, Tier(336, "unmeasured")),
        (row(400, 300, lines=[4]), Tier(448, "text")),
        (row(300, 200, lines=[4]), Tier(336, "text")),
    ],
)
def test_text_and_small_objects_ask_for_pixels_and_the_original_limits_them(seen, tier):
    assert BUDGET.choose(seen) == tier


def test_a_line_is_as_high_as_the_shorter_side_of_its_box():
    standing = {"text": "a", "box": [0, 0, 45 / 2000, 0.5], "score": 0.9}
    assert BUDGET.choose(row() | {"ocr_lines": [standing]}) == BUDGET.choose(row(lines=[45]))


def test_doubtful_objects_do_not_count():
    doubtful = [{"label": "a", "box": [0, 0, 0.01, 0.01], "score": 0.39}]
    assert BUDGET.choose(row() | {"objects": doubtful}) == Tier(336, "plain")


def test_what_is_no_box_or_less_than_a_pixel_is_not_counted():
    nan, none = float("nan"), None
    for box in (none, [], [0, 0, nan, 1], [0.5, 0.5, 0.1, 0.1], [0, 0, 1, 0], [none] * 4):
        junk = [{"text": "a", "label": "a", "box": box, "score": 0.9}]
        assert BUDGET.choose(row() | {"objects": junk, "ocr_lines": junk}) == Tier(336, "plain")


def test_specks_of_the_background_are_not_asked():
    assert BUDGET.choose(row(objects=[30])) == Tier(336, "plain")
    assert PixelBudget(min_object_frac=0.01).choose(row(objects=[30])) == Tier(2016, "small_objects", tiled=True)


def test_a_crowd_is_shown_in_more_tiles():
    crowd = PixelBudget(max_objects=8)
    assert crowd.choose(row(objects=[400] * 8)) == Tier(336, "plain")
    assert crowd.choose(row(objects=[400] * 9)) == Tier(2016, "crowd", tiled=True)
    assert crowd.choose(row(4000, 3000, objects=[400] * 33)) == Tier(3024, "crowd", tiled=True)
    assert crowd.choose(row(900, 700, objects=[300] * 9)) == Tier(336, "plain")
    assert dataclasses.replace(crowd, tiles=None).choose(row(objects=[400] * 9)) == Tier(336, "plain")
    assert BUDGET.choose(row(objects=[400] * 64)) == Tier(336, "plain")


def test_without_tiles_the_largest_side_is_the_end():
    assert ONE_PIECE.choose(row(lines=[5])) == Tier(1008, "text")


def test_a_fixed_budget_asks_nobody():
    fixed = PixelBudget(fixed_px=672)
    assert fixed.needs == ("image_width_px", "image_height_px")
    assert fixed.choose(row(lines=[5])) == Tier(672, "fixed")
    assert fixed.choose(row(400, 300)) == Tier(448, "fixed")
    assert PixelBudget(fixed_px=3000).choose(row(4000, 3000)) == Tier(3024, "fixed", tiled=True)


def test_signals_say_which_columns_are_read_and_asked():
    text = PixelBudget(signals=("text",))
    assert "objects" not in text.needs
    assert text.choose(row(objects=[20])) == Tier(336, "plain")
    assert text.choose(row(lines=[45])) == Tier(672, "text")


def test_a_decoded_image_keeps_enough_for_the_widest_grid():
    assert ONE_PIECE.decode_px == 1008
    assert BUDGET.decode_px == 3024
    assert PixelBudget(sides_px=(336,), tiles=Tiling(336, 9)).decode_px == 1008


def test_it_is_a_value():
    copy = pickle.loads(pickle.dumps(BUDGET))
    assert (copy, hash(copy), repr(copy)) == (BUDGET, hash(BUDGET), repr(BUDGET))
    assert repr(dataclasses.replace(BUDGET, min_line_px=10)) != repr(BUDGET)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sides_px": ()}, "sides_px"),
        ({"sides_px": (448, 336)}, "growing"),
        ({"sides_px": (10,)}, "at least 28"),
        ({"min_line_px": 0}, "min_line_px=0"),
        ({"fixed_px": -1}, "fixed_px=-1"),
        ({"signals": ("ocr",)}, "unknown signals"),
    ],
)
def test_bad_settings_are_named(settings, said):
    with pytest.raises(PlanError, match=said):
        PixelBudget(**settings)


@pytest.mark.parametrize(
    ("tile_px", "most", "said"),
    [(10, 6, "tile_px=10"), (336, 1, "max_tiles=1"), (3000, 6, "max_pixels=6144000 is less than")],
)
def test_bad_tiles_are_named(tile_px, most, said):
    with pytest.raises(PlanError, match=said):
        Tiling(tile_px, most)


@pytest.mark.parametrize("facts", FAMILIES, ids=lambda facts: facts.family)
def test_tiers_and_tiles_are_shown_by_each_model_as_they_are(facts):
    budget = PixelBudget().for_images(facts.images)
    for side in (*budget.sides_px, budget.tiles.tile_px):
        assert side % facts.images.unit_px == 0 or side == facts.images.most_px
        assert side <= facts.images.most_px
    for size in ((1500, 1500), (1900, 1000), (640, 480)):
        for side in budget.sides_px:
            shown = fit_size(*size, side, facts.images)
            assert facts.images.resized(*shown) == shown


def test_tiers_of_qwen_2_5_are_those_of_before_and_of_the_nano_model_what_it_can_see():
    assert PixelBudget().for_model("Qwen/Qwen2.5-VL-7B-Instruct") == PixelBudget()
    assert PixelBudget().for_model("Qwen/Qwen3-VL-8B-Instruct").tiles.tile_px == 1024
    assert PixelBudget().for_model("nano/vlm").sides_px == (336,)
    assert PixelBudget().for_model("google/gemma-3-12b-it").sides_px == (896,)
    assert chat_facts("somebody/model").images.unit_px == 28
