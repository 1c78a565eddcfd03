"""The arithmetic of image sizes against the processors themselves, as `transformers` has them."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.models.chat_models import FAMILIES, UNKNOWN
from curate.models.image_sizes import (
    AnyResolution,
    Filled,
    Fixed,
    ImageSizes,
    Patches,
    RowPatches,
    Splits,
    Tiles,
    fitted,
)

pytest.importorskip("transformers")
from transformers.models.gemma3.image_processing_gemma3 import Gemma3ImageProcessor
from transformers.models.gemma4.image_processing_gemma4 import Gemma4ImageProcessor, get_aspect_ratio_preserving_size
from transformers.models.glm4v.image_processing_glm4v import Glm4vImageProcessor
from transformers.models.got_ocr2.image_processing_got_ocr2 import GotOcr2ImageProcessor, get_optimal_tiled_canvas
from transformers.models.llava_onevision.image_processing_llava_onevision import LlavaOnevisionImageProcessor
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor
from transformers.models.pixtral.image_processing_pixtral import PixtralImageProcessor, get_resize_output_image_size
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor, smart_resize
from transformers.models.smolvlm.image_processing_smolvlm import SmolVLMImageProcessor

SIDE = st.integers(28, 5000)
RULES = {facts.family: facts.images for facts in (*FAMILIES, UNKNOWN)}
FROM_QWEN = ["Qwen2-VL", "Qwen2.5-VL", "Qwen3-VL", "Qwen3.5", "unknown"]


def picture(width: int, height: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


@given(SIDE, SIDE, st.sampled_from(FROM_QWEN))
@example(32, 5000, "Qwen3-VL")
@example(30, 30, "Qwen3-VL")
def test_patches_are_those_of_the_qwen_processor(width, height, family):
    rule = RULES[family]
    assert isinstance(rule, Patches)
    high, wide = smart_resize(height, width, rule.unit_px, rule.min_pixels, rule.max_pixels)
    assert rule.resized(width, height) == (wide, high)
    assert rule.tokens(width, height) == high * wide // rule.unit_px**2


@given(SIDE, SIDE)
def test_patches_of_glm_are_counted_for_two_frames(width, height):
    rule = RULES["GLM-V"]
    limits = {"shortest_edge": rule.min_pixels, "longest_edge": rule.max_pixels}
    assert rule.tokens(width, height) == Glm4vImageProcessor(size=limits).get_number_of_image_patches(height, width) / 4


@given(SIDE, SIDE, st.integers(2, 24))
def test_tiles_are_those_of_internvl(width, height, most):
    rule = Tiles(448, 256, most)
    columns, rows = get_optimal_tiled_canvas((height, width), (448, 448), 1, most)
    assert rule.resized(width, height) == (448 * columns, 448 * rows)
    processor = GotOcr2ImageProcessor(size={"height": 448, "width": 448}, crop_to_patches=True, max_patches=most)
    assert rule.tokens(width, height) == 2 + 256 * processor.get_number_of_image_patches(height, width)


@given(SIDE, SIDE, st.sampled_from(["Pixtral", "Mistral 3"]))
def test_rows_of_patches_are_those_of_pixtral(width, height, family):
    rule = RULES[family]
    assert isinstance(rule, RowPatches)
    high, wide = get_resize_output_image_size(picture(width, height), rule.longest_px, rule.unit_px, "channels_last")
    assert rule.resized(width, height) == (wide, high)


@given(SIDE, SIDE, st.sampled_from(["SmolVLM", "SmolVLM2 2.2B"]))
def test_splits_are_those_of_smolvlm(width, height, family):
    rule = RULES[family]
    assert isinstance(rule, Splits)
    sizes = {"size": {"longest_edge": rule.longest_px}, "max_image_size": {"longest_edge": rule.unit_px}}
    squares, rows, columns = SmolVLMImageProcessor(**sizes).get_number_of_image_patches(height, width)
    assert rule.resized(width, height) == (columns * rule.unit_px, rows * rule.unit_px)
    assert rule.tokens(width, height) == rule.tile_tokens * squares


@given(SIDE, SIDE)
def test_any_resolution_counts_as_llava_onevision_does(width, height):
    processor = SimpleNamespace(
        image_processor=LlavaOnevisionImageProcessor(),
        num_image_tokens=729,
        vision_aspect_ratio="anyres_max_9",
        _get_unpadded_features=lambda *sizes: LlavaOnevisionProcessor._get_unpadded_features(processor, *sizes),
    )
    tokens = LlavaOnevisionProcessor._get_number_of_features(processor, height, width, 384, 384)
    assert AnyResolution().tokens(width, height) == tokens


@given(SIDE, SIDE)
def test_filled_sizes_are_those_of_gemma_4(width, height):
    high, wide = get_aspect_ratio_preserving_size(height, width, 16, 280 * 9, 3)
    assert Filled().resized(width, height) == (wide, high)


@pytest.mark.parametrize(("width", "height"), [(300, 200), (1920, 1080), (97, 1500)])
def test_real_pixels_come_out_of_the_processors_at_these_sizes(width, height):
    image = picture(width, height)
    grid = Qwen2VLImageProcessor(patch_size=16, size={"shortest_edge": 65536, "longest_edge": 4096**2})(
        image, return_tensors="np"
    )["image_grid_thw"][0]
    assert RULES["Qwen3-VL"].resized(width, height) == (16 * grid[2], 16 * grid[1])
    pixels = PixtralImageProcessor(patch_size=28, size={"longest_edge": 1540})(image)["pixel_values"][0]
    assert RULES["Mistral 3"].resized(width, height) == pixels.shape[:0:-1]
    pixels = Gemma3ImageProcessor(size={"height": 896, "width": 896})(image)["pixel_values"][0]
    assert RULES["Gemma 3"].resized(width, height) == pixels.shape[:0:-1]
    assert Gemma4ImageProcessor()(image)["num_soft_tokens_per_image"][0] == Filled().tokens(width, height)


@given(st.integers(1, 8000), st.integers(1, 8000), st.sampled_from(sorted(RULES)), st.integers(112, 4032))
def test_what_is_fitted_is_left_as_it_is_by_the_processor(width, height, family, longest):
    size = fitted(RULES[family], width, height, longest)
    assert RULES[family].resized(*size) == size
    assert min(size) > 0


@given(SIDE, SIDE, st.sampled_from(["Qwen2.5-VL", "Pixtral", "Mistral 3"]), st.integers(112, 4032))
def test_what_is_fitted_has_its_longest_side_within_the_budget(width, height, family, longest):
    rule = RULES[family]
    size = fitted(rule, width, height, longest)
    assert max(size) <= longest or rule.tokens(*size) <= math.ceil(rule.min_pixels / rule.unit_px**2) + 4


@given(SIDE, SIDE, st.sampled_from(sorted(RULES)))
def test_more_pixels_never_cost_fewer_tokens_of_a_larger_budget(width, height, family):
    rule = RULES[family]
    if isinstance(rule, Patches | RowPatches | Fixed):
        sizes = [fitted(rule, width, height, longest) for longest in (336, 672, 1344)]
        if sizes[0][0] * sizes[0][1] <= 2 * getattr(rule, "min_pixels", 0):  # enlarged again: rounding decides
            return
        costs = [rule.tokens(*size) for size in sizes]
        assert costs == sorted(costs)


def test_every_family_has_a_rule():
    assert all(isinstance(rule, ImageSizes) for rule in RULES.values())
