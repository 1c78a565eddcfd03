import dataclasses
import gc

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curate.errors import ContractError, PlanError
from curate.experts.clip import Clip, load_towers
from curate.experts.masked_clip import MaskedClip
from curate.experts.text_boxes import TextBoxes
from curate.experts.text_embedding import TextEmbedding
from curate.experts.text_masking import boxes_of, paint_out
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.local import measure
from curate.stages import Batch
from filters.min_clip_score import MinClipScore
from nano.world.scenes import make_scene
from tests.support.images import encode

NANO = Clip("nano/clip/nano-clip.json", Weights("nano/clip/nano-clip.safetensors"), "squash")
SIGNED = 4_300_000_000_100


def scene_with(sign):
    return next(
        (image, scene)
        for image, scene in (make_scene(SIGNED + i) for i in range(100))
        if (scene.sign is not None) == sign
    )


def test_a_box_takes_the_colour_around_it_and_nothing_else_changes():
    image = np.full((40, 60, 3), 200, np.uint8)
    image[10:20, 10:40] = 0
    before = image.copy()
    painted, area = paint_out(image, [[10 / 60, 10 / 40, 40 / 60, 20 / 40]], 0.0)
    assert (painted == 200).all()
    assert area == pytest.approx(300 / 2400)
    assert (image == before).all()


def test_text_over_all_of_an_image_leaves_grey_and_a_neighbouring_box_lends_no_colour():
    image = np.zeros((20, 20, 3), np.uint8)
    painted, area = paint_out(image, [[0, 0, 1, 1]], 0.1)
    assert area == 1
    assert (painted == 128).all()
    image[:, 10:] = 255
    painted, _ = paint_out(image, [[0.2, 0.0, 0.5, 1.0], [0.5, 0.0, 0.9, 1.0]], 0.0)
    assert painted[10, 5].tolist() == [0, 0, 0]  # white is next to it, but that is text too


@pytest.mark.parametrize("box", [[0.5, 0.5, 0.5, 0.5], [0.9, 0.2, 0.1, 0.4], [2, 2, 3, 3], [-1, -1, 0, 0]])
def test_a_box_without_pixels_paints_nothing(box):
    image = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    painted, area = paint_out(image, [box], 0.1)
    assert (painted == image).all()
    assert area == 0


def test_what_is_no_box_is_left_out():
    assert boxes_of(None) == []
    assert boxes_of([[0.1, None, 0.2, 0.3], {"box": None}, {"text": "x"}, [1.0], None]) == []


@pytest.mark.parametrize("margin", [-0.1, 1.5])
def test_a_margin_outside_its_range_is_refused(margin):
    with pytest.raises(PlanError, match="margin"):
        MaskedClip(NANO, margin=margin)


def test_its_columns_and_needs_carry_the_scorer_s_prefix():
    stage = MaskedClip(dataclasses.replace(NANO, prefix="siglip_"), boxes="ocr_lines")
    assert stage.needs == ("alt_text", "ocr_lines", "siglip_clip_score")
    assert stage.adds.names == ["siglip_masked_clip_score", "siglip_masked_clip_area_frac"]


@pytest.mark.models
def test_text_boxes_finds_the_sign_and_none_on_plain_paper():
    signed, scene = scene_with(True)
    plain = Image.new("RGB", (300, 240), "white")
    table = measure(Pipeline([TextBoxes()]), [(encode(image, "PNG"), None) for image in (signed, plain)])
    found, nothing = table["text_boxes"].to_pylist()
    x0, y0, x1, y1 = scene.sign.box
    middle = ((x0 + x1) / 2 / scene.width, (y0 + y1) / 2 / scene.height)
    assert any(a - 0.1 < middle[0] < c + 0.1 and b - 0.1 < middle[1] < d + 0.1 for a, b, c, d in found)
    assert nothing == []
    assert 0 < table["text_area_frac"][0].as_py() < 0.5
    assert table["text_area_frac"][1].as_py() == 0


@pytest.mark.models
def test_only_images_with_text_are_scored_again_and_lose_what_only_text_said():
    (signed, scene), plain = scene_with(True), Image.new("RGB", (300, 240), "green")
    reading, seeing = f'a sign that says "{scene.sign.text}"', "a plain green background"
    samples = [(encode(signed, "PNG"), reading), (encode(plain, "PNG"), seeing), (encode(plain, "PNG"), " ")]
    table = measure(Pipeline([TextBoxes(), NANO, MaskedClip(NANO)]), samples)
    plain_scores, masked = table["clip_score"].to_pylist(), table["masked_clip_score"].to_pylist()
    assert table["error"].to_pylist() == [None] * 3
    assert masked[0] < plain_scores[0] - 0.01
    assert masked[1:] == [plain_scores[1], None]
    assert table["masked_clip_area_frac"].to_pylist()[1] == 0


@pytest.mark.models
def test_a_process_holds_one_copy_of_a_model_and_lets_it_go():
    first = load_towers(NANO)
    assert load_towers(dataclasses.replace(NANO, prefix="other_", detail=2.0)) is first
    assert load_towers(dataclasses.replace(NANO, precision="fp32")) is not first
    weights = id(first.images.model)
    assert id(load_towers(MaskedClip(NANO).clip).images.model) == weights
    del first
    gc.collect()


@pytest.mark.models
def test_scores_of_another_model_are_refused():
    table = pa.table(
        {
            "uid": ["0" * 32],
            "alt_text": ["a dog"],
            "clip_score": [-0.9],
            "text_boxes": pa.array([[]], pa.list_(pa.null())),
        }
    )
    with pytest.raises(ContractError, match="same Clip"):
        MaskedClip(NANO).load()(Batch(table, [b""], [np.full((224, 224, 3), 90, np.uint8)]))


@pytest.mark.models
def test_scorers_side_by_side_have_columns_of_their_own_and_filters_choose_one():
    fine = dataclasses.replace(NANO, precision="fp32", prefix="fine_")
    stages = [
        TextBoxes(),
        NANO,
        fine,
        MaskedClip(NANO),
        MaskedClip(fine),
        TextEmbedding(fine),
        MinClipScore(0.9, "fine_masked_clip_score"),
    ]
    table = measure(Pipeline(stages), [(encode(scene_with(False)[0], "PNG"), "a photo of nothing at all")])
    row = table.to_pylist()[0]
    assert row["error"] is None
    assert row["fine_clip_score"] == pytest.approx(row["clip_score"], abs=0.02)
    assert row["fine_masked_clip_score"] == pytest.approx(row["masked_clip_score"], abs=0.02)
    assert np.linalg.norm(row["fine_clip_text_embedding"]) == pytest.approx(1, abs=0.01)
    cosine = np.dot(row["fine_clip_text_embedding"], row["fine_clip_embedding"])
    assert cosine == pytest.approx(row["fine_clip_score"], abs=0.005)
    assert "fine_masked_clip_score" in row["dropped_by"]


@pytest.mark.models
def test_a_sample_without_text_has_no_text_embedding():
    table = measure(Pipeline([TextEmbedding(NANO)]), [(None, None), (None, " "), (None, "a dog")])
    assert [value is None for value in table["clip_text_embedding"].to_pylist()] == [True, True, False]
