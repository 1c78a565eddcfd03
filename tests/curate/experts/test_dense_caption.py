import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.captions.prompting.hints import Hints, Section
from curate.captions.prompting.prompts import Prompt
from curate.captions.viewing.pixel_budget import PixelBudget, Tiling, fit_budget
from curate.engines.fake import FakeEngine
from curate.engines.vllm_engine import Vllm
from curate.errors import PlanError, SampleError
from curate.experts.dense_caption import DenseCaption
from curate.models.chat_models import chat_facts
from curate.models.weights import Weights
from curate.run.scoring import DecodedImages, score
from curate.stages import Batch, Expert, Resources, stage_id
from nano.evaluate.caption_metrics import caption_metrics
from nano.world.scenes import make_scene
from schemas.caption import CAPTION
from schemas.objects import OBJECT
from schemas.ocr import OCR_LINE
from tests.support.images import image, jpeg

VLM = Path(__file__).parents[3] / "nano" / "vlm"
SEEN = []


def echo(request):
    SEEN.append(request)
    if "forbidden" in request.prompt:
        raise SampleError("engine_rejected", "no")
    return f"  A description of {request.image.shape[1]} by {request.image.shape[0]} px for {request.id}. \n"


CAPTION_EXPERT = DenseCaption(FakeEngine(echo, "echo"), hints=Hints(alt_text_as="text", marking=None))


def rows(**columns):
    n = len(next(iter(columns.values())))
    kinds = {"alt_text": pa.string(), "objects": pa.list_(OBJECT), "ocr_lines": pa.list_(OCR_LINE)}
    data = {name: pa.array(columns.get(name, [None] * n), kind) for name, kind in kinds.items()}
    return pa.table({"uid": [f"u{i}" for i in range(n)], **data})


def batch(*sizes, **columns):
    columns = columns or {"alt_text": ["text"] * len(sizes)}
    return Batch(rows(**columns), (), [np.asarray(image(*size)) for size in sizes])


def test_it_is_an_expert_that_can_be_sent():
    assert isinstance(CAPTION_EXPERT, Expert)
    copy = pickle.loads(pickle.dumps(CAPTION_EXPERT))
    assert stage_id(copy) == stage_id(CAPTION_EXPERT)


def test_needs_follow_the_hint_blocks():
    assert CAPTION_EXPERT.needs == ("alt_text", "objects", "ocr_lines")
    assert dataclasses.replace(CAPTION_EXPERT, hints=Hints(blocks=())).needs == ()


def test_the_engine_says_what_a_worker_holds_and_prompt_hints_and_pixels_are_identity():
    placed = dataclasses.replace(CAPTION_EXPERT, engine=FakeEngine(echo, "echo", resources=Resources(shards=9)))
    assert (repr(placed), placed.resources.shards) == (repr(CAPTION_EXPERT), 9)
    for change in ({"longest_side_px": 336}, {"prompt": Prompt("p", "Say.")}, {"hints": Hints(blocks=())}, {"seed": 1}):
        assert repr(dataclasses.replace(CAPTION_EXPERT, **change)) != repr(CAPTION_EXPERT)


def test_bad_settings_are_named():
    with pytest.raises(PlanError, match="longest_side_px=20"):
        DenseCaption(FakeEngine(echo), longest_side_px=20)


def test_every_column_comes_back_in_the_order_of_the_rows():
    result = CAPTION_EXPERT.load()(batch((560, 420), (420, 560), (30, 30)))
    assert result.columns["caption"] == [
        "A description of 448 by 336 px for u0.",
        "A description of 336 by 448 px for u1.",
        "A description of 28 by 28 px for u2.",
    ]
    assert result.columns["caption_words"] == [9, 9, 9]
    assert result.columns["caption_marks"] == [["too_short"]] * 3
    assert result.columns["caption_hints"] == ['World knowledge (from the text of the web page):\n"text"'] * 3
    assert result.columns["caption_model"] == ["echo"] * 3
    table = pa.table({f.name: pa.array(result.columns[f.name], f.type) for f in CAPTION}, schema=CAPTION)
    assert table.num_rows == 3
    assert all(seconds >= 0 for seconds in result.seconds)


def test_a_refused_row_is_an_error_and_its_neighbours_are_captioned():
    table = rows(alt_text=["fine", "forbidden", "fine"])
    scores = score(CAPTION_EXPERT, CAPTION_EXPERT.load(), table, [0, 1, 2], DecodedImages([jpeg()] * 3))
    assert [error and error.code for error in scores.errors] == [None, "engine_rejected", None]
    assert scores.columns["caption"].is_null().to_pylist() == [False, True, False]
    assert scores.columns["caption_hints"].is_null().to_pylist() == [False, True, False]


def test_rows_are_joined_by_uid_not_by_position():
    given = batch((56, 56), (84, 84), (112, 112), alt_text=["a", "b", None])
    order = [2, 0, 1]
    turned = Batch(given.table.take(pa.array(order)), (), [given.images[i] for i in order])
    SEEN.clear()
    straight, mixed = CAPTION_EXPERT.load()(given), CAPTION_EXPERT.load()(turned)
    for name in CAPTION.names:
        assert [straight.columns[name][i] for i in order] == mixed.columns[name]
    seeds = [request.seed for request in SEEN]
    assert [seeds[i] for i in order] == seeds[3:]
    assert len(set(seeds)) == 3


def test_no_rows_give_no_values():
    empty = Batch(rows(alt_text=[]), (), [])
    assert all(len(values) == 0 for values in CAPTION_EXPERT.load()(empty).columns.values())


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((1000, 750), 448, (448, 336)),
        ((448, 448), 448, (448, 448)),
        ((300, 200), 448, (308, 196)),
        ((2000, 60), 448, (448, 28)),
        ((20, 90), 448, (28, 84)),
        ((900, 900), 460, (448, 448)),
    ],
)
def test_images_fit_the_budget_in_whole_patches(size, longest, expected):
    height, width, _ = fit_budget(np.asarray(image(*size)), longest).shape
    assert (width, height) == expected


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(600)
def test_true_hints_bring_positions_and_sign_text_into_the_captions():
    # nano/MODEL_CARD.md: 0.815 and 0.00 without hints, 0.918 and 0.68 with true ones.
    engine = Vllm(Weights(str(VLM)), "bfloat16", 2048, max_num_seqs=32, enforce_eager=True, kv_cache_gib=1, gpus=0)
    hints = Hints(
        blocks=("objects", "ocr"),
        place="words",
        objects=Section("Objects: ", "{text} in the {place}", "; "),
        ocr=Section("OCR: ", '"{text}"', " "),
        marking=None,
    )
    prompt = Prompt("test-v1", "Describe the image in detail.", lead="Hints:")
    expert = DenseCaption(engine, prompt, hints, longest_side_px=336, max_tokens=220)
    pictures, scenes = zip(*(make_scene(4_000_000_000_000 + i) for i in range(64)), strict=True)
    table = rows(objects=[true_objects(s) for s in scenes], ocr_lines=[true_lines(s) for s in scenes])
    fused = expert.load()(Batch(table, (), [np.asarray(p) for p in pictures]))
    assert not any(fused.errors)
    metrics = caption_metrics(dict(enumerate(fused.columns["caption"])), dict(enumerate(scenes)))
    assert metrics.object_recall >= 0.98
    assert metrics.hallucination_rate <= 0.02
    assert metrics.position_accuracy >= 0.90
    assert metrics.sign_text_recall >= 0.68
    assert {mark for marks in fused.columns["caption_marks"] for mark in marks} <= {"stock_opener", "repeated_sentence"}


def true_objects(scene):
    return [{"label": o.name, "box": fractions(o.box, scene), "score": 1.0} for o in scene.objects]


def true_lines(scene):
    return [{"text": scene.sign.text, "box": fractions(scene.sign.box, scene), "score": 1.0}] if scene.sign else []


def fractions(box, scene):
    return [side / length for side, length in zip(box, (scene.width, scene.height) * 2, strict=True)]


@pytest.mark.parametrize(
    ("model", "tier", "sizes"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", 1008, [(1008, 756)]),
        ("Qwen/Qwen3-VL-8B-Instruct", 1024, [(1024, 768)]),
        ("google/gemma-3-12b-it", 1792, [(896, 896)] * 3),
    ],
)
def test_a_tier_is_what_the_model_is_shown_without_another_resize(model, tier, sizes):
    seen = []

    def reply(request):
        seen.append(request.image.shape[1::-1])
        return "A sign."

    engine = FakeEngine(reply, "sizes", facts=chat_facts(model))
    budget = PixelBudget(tiles=Tiling(merge=None), fixed_px=1000)
    expert = DenseCaption(engine, hints=Hints(blocks=()), budget=budget)
    table = pa.table({"uid": ["u"], "image_width_px": [1200], "image_height_px": [900]})
    columns = expert.load()(Batch(table, (), [np.zeros((900, 1200, 3), np.uint8)])).columns
    assert columns["caption_tier_px"] == [tier]
    assert seen == sizes
    assert all(engine.facts.images.resized(*size) == size for size in seen)
