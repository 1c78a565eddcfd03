import dataclasses
import pickle
import weakref
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.captions.prompting.hints import Hints, Section
from curate.captions.prompting.prompts import Prompt
from curate.captions.viewing.pixel_budget import PixelBudget, Tiling
from curate.engines.fake import FakeEngine
from curate.engines.vllm_engine import Vllm
from curate.errors import PlanError, SampleError
from curate.experts.dense_caption import DenseCaption
from curate.models.weights import Weights
from curate.stages import Batch, stage_id
from nano.shards.mixed import draw_mixed, score_captions
from pipelines.quickstart import DESCRIBE, HINTS, vllm
from schemas.caption import CAPTION
from schemas.objects import OBJECT
from schemas.ocr import OCR_LINE

VLM = Path(__file__).parents[3] / "nano" / "vlm"
SEEN = []
NAMES = {"": "A beach.", "1-1": "A kite.", "1-2": "A crab.", "2-1": "The kite.", "2-2": "Sand.", "2-3": "The crab."}


def answer(request):
    SEEN.append(request)
    if "broken" in request.id and request.id.endswith("-1-2"):
        raise SampleError("engine_rejected", "no")
    if request.id.endswith("-merge"):
        return "A beach with a kite and a crab on it."
    return NAMES[request.id.partition("-tile-")[2]]


TILES = Tiling(tile_px=112, max_tiles=6, tag="Part {number} of {tiles}, {place}.", merge=None)
BUDGET = PixelBudget(sides_px=(112,), tiles=TILES, min_object_px=28)
EXPERT = DenseCaption(
    FakeEngine(answer),
    prompt=Prompt("p1", "Describe.", lead="Notes:"),
    hints=Hints(
        blocks=("alt_text", "objects"),
        place="pixels",
        objects=Section("Objects: ", "{text} {place}", "; "),
        marking=None,
    ),
    max_tokens=50,
    budget=BUDGET,
)
KITE = {"label": "kite", "box": [0.75, 0.0, 0.875, 0.25], "score": 0.9}  # 28 px of 224


def batch(*uids, objects=((KITE,),), shape=(112, 224, 3)):
    n = len(uids)
    rng = np.random.default_rng(1)
    columns = {
        "uid": pa.array(uids),
        "alt_text": pa.array(["1958"] * n),
        "objects": pa.array([list(found) for found in objects] * (n if len(objects) == 1 else 1), pa.list_(OBJECT)),
        "ocr_lines": pa.array([[]] * n, pa.list_(OCR_LINE)),
        "ocr_text_area_frac": pa.array([0.0] * n, pa.float32()),
        "image_width_px": pa.array([shape[1]] * n, pa.int32()),
        "image_height_px": pa.array([shape[0]] * n, pa.int32()),
    }
    return Batch(pa.table(columns), (), [rng.integers(0, 255, shape, dtype=np.uint8) for _ in range(n)])


def run(expert, given):
    SEEN.clear()
    return expert.load()(given)


def second_grid(**more):
    tiles = dataclasses.replace(TILES, second_grid=True, **more)
    return dataclasses.replace(EXPERT, budget=dataclasses.replace(BUDGET, tiles=tiles))


def test_a_plain_image_is_one_request_and_a_crowded_one_its_global_view_and_tiles():
    result = run(EXPERT, batch("plain", "crowd", objects=([], [KITE])))
    assert [request.id for request in SEEN] == ["plain", "crowd", "crowd-tile-1-1", "crowd-tile-1-2"]
    assert [request.image.shape for request in SEEN[:2]] == [(56, 112, 3)] * 2
    assert [request.image.shape for request in SEEN[2:]] == [(112, 112, 3)] * 2
    assert result.columns["caption_tiles"] == [0, 2]
    assert result.columns["caption_pixels_reason"] == ["plain", "small_objects"]
    assert result.columns["caption_tier_px"] == result.columns["caption_longest_side_px"] == [112, 224]
    assert result.columns["caption"][0] == "A beach."
    assert result.columns["caption"][1] == (
        "A beach. In the middle left part: A kite. In the middle right part: A crab."
    )


def test_a_tile_shows_its_part_of_the_original_with_its_tag_and_its_own_hints():
    given = batch("u")
    run(EXPERT, given)
    whole, left, right = SEEN
    assert np.array_equal(np.concatenate([left.image, right.image], axis=1), given.images[0])
    assert (
        whole.prompt
        == 'Describe.\nNotes:\nWorld knowledge (from the text of the web page):\n"1958"\nObjects: kite [84, 0, 98, 14]'
    )
    assert left.prompt == "Describe.\nPart 1 of 2, middle left."
    assert right.prompt == "Describe.\nPart 2 of 2, middle right.\nNotes:\nObjects: kite [56, 0, 84, 28]"
    assert len({request.seed for request in SEEN}) == 3


def test_all_answers_are_kept_and_all_tokens_counted():
    result = run(EXPERT, batch("u"))
    assert [(part["grid"], part["text"]) for part in result.columns["caption_parts"][0]] == [
        (0, "A beach."),
        (1, "A kite."),
        (1, "A crab."),
    ]
    assert [part["box"] for part in result.columns["caption_parts"][0]] == [
        [0, 0, 1, 1],
        [0, 0, 0.5, 1],
        [0.5, 0, 1, 1],
    ]
    assert result.columns["caption_prompt_tokens"] == [sum(len(request.prompt.split()) for request in SEEN)]
    assert result.columns["caption_completion_tokens"] == [6]
    table = pa.table({f.name: pa.array(result.columns[f.name], f.type) for f in CAPTION}, schema=CAPTION)
    assert table.num_rows == 1


def test_a_model_merges_from_the_global_view_and_quoted_captions():
    merge = Prompt("m1", "Make one of it.", lead="Known:")
    tiles = dataclasses.replace(TILES, merge=merge)
    expert = dataclasses.replace(EXPERT, budget=dataclasses.replace(BUDGET, tiles=tiles))
    result = run(expert, batch("plain", "crowd", objects=([], [KITE])))
    last = SEEN[-1]
    assert [request.id for request in SEEN].count("crowd-merge") == 1
    assert last.id == "crowd-merge"
    assert np.array_equal(last.image, SEEN[1].image)
    assert last.prompt.startswith("Make one of it.\nKnown:\nWorld knowledge")
    assert last.prompt.endswith(
        'Close-ups of parts:\n- part 1 of 2 (middle left): "A kite."\n- part 2 of 2 (middle right): "A crab."'
    )
    assert result.columns["caption"] == ["A beach.", "A beach with a kite and a crab on it."]
    assert result.columns["caption_prompt_id"] == ["p1", "p1+m1"]
    assert result.columns["caption_completion_tokens"] == [2, 16]


def test_a_second_grid_cuts_elsewhere_and_agreement_needs_it():
    result = run(second_grid(), batch("u"))
    assert [request.id for request in SEEN[3:]] == ["u-tile-2-1", "u-tile-2-2", "u-tile-2-3"]
    assert result.columns["caption_tiles"] == [5]
    agreed = run(second_grid(agreed=True), batch("u", objects=([KITE],)))
    assert agreed.columns["caption"] == ["A beach. In the middle left part: A kite. In the middle right part: A crab."]
    alone = dataclasses.replace(BUDGET, tiles=dataclasses.replace(TILES, agreed=True))
    assert run(dataclasses.replace(EXPERT, budget=alone), batch("u")).columns["caption"] == ["A beach."]


def test_a_tile_that_fails_fails_its_sample_alone_and_is_not_merged():
    tiles = dataclasses.replace(TILES, merge=Prompt("m1", "Make one of it."))
    expert = dataclasses.replace(EXPERT, budget=dataclasses.replace(BUDGET, tiles=tiles))
    result = run(expert, batch("good", "broken"))
    assert [error and error.code for error in result.errors] == [None, "engine_rejected"]
    assert [text is None for text in result.columns["caption"]] == [False, True]
    assert [request.id for request in SEEN if request.id.endswith("merge")] == ["good-merge"]


def test_a_tag_that_comes_back_is_a_leaked_prompt():
    def parrot(request):
        return request.prompt.partition("\n")[2] or "A beach."

    long = dataclasses.replace(TILES, tag="This is part {number} of {tiles} of one large picture of everything.")
    expert = dataclasses.replace(
        EXPERT,
        engine=FakeEngine(parrot),
        hints=Hints(blocks=()),
        budget=dataclasses.replace(BUDGET, tiles=long),
    )
    assert "leaked_prompt" in expert.load()(batch("u")).columns["caption_marks"][0]


def test_a_tile_is_made_when_the_engine_takes_it_and_not_kept():
    images = []

    def weigh(request):
        images.append(weakref.ref(request.image))
        assert all(image() is None for image in images[:-1])
        return "A beach."

    dataclasses.replace(EXPERT, engine=FakeEngine(weigh)).load()(batch("u", "v", shape=(224, 448, 3)))
    assert len(images) == 6


def test_sizes_come_from_the_original_not_from_the_decoded_image():
    small = batch("u")
    shrunk = Batch(small.table, (), [small.images[0][::2, ::2]])
    result = run(EXPERT, shrunk)
    assert result.columns["caption_tiles"] == [2]
    assert SEEN[1].image.shape == (56, 56, 3)  # what is left of it: nothing is enlarged


def test_without_sizes_the_decoded_image_counts():
    given = batch("u")
    gone = pa.nulls(1, pa.int32())
    table = given.table.drop_columns(["image_width_px", "image_height_px"])
    table = table.append_column("image_width_px", gone).append_column("image_height_px", gone)
    assert run(EXPERT, Batch(table, (), given.images)).columns["caption_tier_px"] == [224]


def test_needs_pixels_and_identity_follow_the_budget():
    assert EXPERT.needs == (
        "alt_text", "objects", "image_width_px", "image_height_px", "ocr_lines", "ocr_text_area_frac",
    )  # fmt: skip
    assert EXPERT.pixels == 224
    assert dataclasses.replace(EXPERT, budget=None).pixels == 448
    assert stage_id(pickle.loads(pickle.dumps(EXPERT))) == stage_id(EXPERT)
    assert stage_id(second_grid()) != stage_id(EXPERT)


def test_without_a_budget_the_reason_is_fixed():
    result = run(dataclasses.replace(EXPERT, budget=None, longest_side_px=112), batch("u"))
    assert (result.columns["caption_pixels_reason"], result.columns["caption_longest_side_px"]) == (["fixed"], [112])
    assert (result.columns["caption_tiles"], result.columns["caption_parts"]) == ([0], [[]])


def test_how_many_pixels_an_engine_takes_is_identity():
    small, large = (Vllm(Weights(str(VLM)), max_pixels=most) for most in (None, 1008 * 1008))
    assert repr(small) != repr(large)
    with pytest.raises(PlanError, match="max_pixels is 0"):
        Vllm(Weights(str(VLM)), max_pixels=0)


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(600)
def test_a_real_model_finds_in_tiles_what_it_misses_in_one_piece():
    # docs/pixel-budget.md: on pages 0.40 of the objects in one piece of 336 px, 0.86 in tiles.
    pages = [mixed for mixed in draw_mixed(8) if mixed.kind == "page"]
    sizes = [mixed.image.size for mixed in pages]
    table = pa.table(
        {
            "uid": [f"u{i}" for i in range(len(pages))],
            "objects": pa.array([boxes(m.objects, m, "label") for m in pages], pa.list_(OBJECT)),
            "ocr_lines": pa.array([boxes(m.signs, m, "text") for m in pages], pa.list_(OCR_LINE)),
            "ocr_text_area_frac": [0.0] * len(pages),
            "image_width_px": [width for width, _ in sizes],
            "image_height_px": [height for _, height in sizes],
        }
    )
    given = Batch(table, (), [np.asarray(mixed.image) for mixed in pages])
    expert = DenseCaption(vllm(str(VLM)), prompt=DESCRIBE, hints=HINTS, longest_side_px=336, max_tokens=220)
    tiled = dataclasses.replace(expert, budget=PixelBudget(sides_px=(336,), tiles=Tiling(336, 9, merge=None)))
    plain, close = (each.load()(given) for each in (expert, tiled))
    assert not any(plain.errors + close.errors)
    assert min(close.columns["caption_tiles"]) >= 4
    before, after = (score_captions(result.columns["caption"], pages) for result in (plain, close))
    assert after.object_recall > before.object_recall + 0.3
    assert after.text_recall > before.text_recall + 0.3


def boxes(truth, mixed, word):
    """The truth about a page, as a detector or OCR would tell it."""
    width, height = mixed.image.size
    return [
        {word: name, "box": [x0 / width, y0 / height, x1 / width, y1 / height], "score": 1.0}
        for name, (x0, y0, x1, y1) in truth
    ]
