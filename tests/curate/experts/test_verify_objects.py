import pickle

import numpy as np
import pyarrow as pa
import pytest

from curate.captions.prompting.prompts import Prompt
from curate.engines.fake import FakeEngine
from curate.errors import PlanError, SampleError
from curate.experts.verify_objects import VerifyObjects
from curate.stages import Batch, stage_id
from schemas.objects import OBJECTS
from schemas.verify_objects import VERIFY_OBJECTS


def see(request):
    """Say yes to a dog where a tenth of the image is red, to a cat everywhere, "maybe" to a boat, no to a car."""
    assert request.choices == ("yes", "no")
    thing = request.prompt.removesuffix("?").split()[-1]
    if thing == "bus":
        raise SampleError("engine_rejected", "no")
    red = float(np.mean((request.image[..., 0] > 200) & (request.image[..., 1] < 50)))
    return {"dog": ("yes", 0.9) if red > 0.1 else ("no", 0.8), "cat": ("yes", 0.7), "boat": "maybe"}.get(thing, "no")


PROMPT = Prompt("p", "Do you see {object}?")
VERIFY = VerifyObjects(FakeEngine(see, "see"), PROMPT, longest_side_px=112, zoom_side_px=112)


def scene():
    image = np.full((336, 336, 3), 255, np.uint8)
    image[20:60, 20:60] = (255, 0, 0)  # 1.4 % of the image
    return image


def found(label, box=(0.05, 0.05, 0.19, 0.19), score=0.9):
    return {"label": label, "box": list(box), "score": score}


def verify(captions, objects, expert=VERIFY):
    table = pa.table(
        {
            "uid": [f"u{i}" for i in range(len(captions))],
            "caption": pa.array(captions, pa.string()),
            "objects": pa.array(objects, OBJECTS.field("objects").type),
        }
    )
    measured = expert.load()(Batch(table, (), [scene()] * len(captions)))
    columns = {field.name: pa.array(measured.columns[field.name], field.type) for field in VERIFY_OBJECTS}
    return pa.table(columns).to_pylist(), measured.errors


def test_an_object_seen_at_one_scale_only_is_flagged():
    (row,), _ = verify(["A dog."], [[found("dog")]])
    assert (row["objects_confirmed"], row["objects_denied"], row["objects_disputed"]) == ([], [], ["dog"])
    (answer,) = row["verified_objects"]
    assert (answer["full_yes"], answer["zoom_yes"], answer["agree"]) == (False, True, False)
    assert answer["zoom_box"] == pytest.approx([0.0, 0.0, 0.28, 0.28], abs=0.001)
    assert answer["zoom_confidence"] == pytest.approx(0.9)


def test_what_both_scales_say_is_confirmed_or_denied():
    (row,), _ = verify(["A cat and two cars, no dogs."], [[found("cat"), found("car")]])
    assert (row["objects_confirmed"], row["objects_denied"], row["objects_disputed"]) == (["cat"], ["car"], [])
    assert row["verify_completion_tokens"] == 4


def test_without_a_box_the_quarters_are_asked_and_a_sure_yes_counts():
    for objects in ([], None):
        (row,), _ = verify(["A car and a cat."], [objects])
        assert [len(row["verified_objects"]), row["verify_completion_tokens"]] == [2, 10]
        assert (row["objects_denied"], row["objects_confirmed"]) == (["car"], ["cat"])
    strict = VerifyObjects(FakeEngine(see, "see"), PROMPT, min_tile_confidence=0.8)
    (row,), _ = verify(["A cat."], [[]], strict)
    assert row["objects_disputed"] == ["cat"]
    assert row["verified_objects"][0]["zoom_confidence"] is None


def test_an_answer_that_is_neither_is_null_and_disputed():
    (row,), _ = verify(["A boat."], [[found("boat")]])
    assert row["objects_disputed"] == ["boat"]
    assert [row["verified_objects"][0][name] for name in ("full_yes", "zoom_yes", "agree")] == [None, None, None]


def test_unseen_objects_come_first_and_the_cap_is_counted():
    few = VerifyObjects(FakeEngine(see, "see"), PROMPT, max_objects=1)
    (row,), _ = verify(["A cat and a car."], [[found("cat")]], few)
    assert [one["label"] for one in row["verified_objects"]] == ["car"]
    assert row["objects_unasked"] == 1
    spare = VerifyObjects(FakeEngine(see, "see"), PROMPT, which="unsupported")
    (row,), _ = verify(["A cat and a car."], [[found("cat")]], spare)
    assert [one["label"] for one in row["verified_objects"]] == ["car"]
    assert row["objects_unasked"] == 0


def test_rows_are_measured_alone():
    rows, errors = verify(["A dog.", None, "A bus.", "A tree."], [[found("dog")], [], [found("bus")], None])
    assert [error and error.code for error in errors] == [None, None, "engine_rejected", None]
    assert [row["verified_objects"] is None for row in rows] == [False, True, True, False]
    assert rows[0]["objects_disputed"] == ["dog"]
    assert rows[3]["verified_objects"] == []


def test_it_can_be_sent():
    assert stage_id(pickle.loads(pickle.dumps(VERIFY))) == stage_id(VERIFY)


def test_bad_settings_are_named():
    with pytest.raises(PlanError, match="object"):
        VerifyObjects(FakeEngine(see), Prompt("p", "Is it there?"))
    with pytest.raises(PlanError, match="widen_by=0"):
        VerifyObjects(FakeEngine(see), widen_by=0)


def sizes_seen(tier, image=(1600, 2400), **settings):
    """Sizes of what is shown of a dog with a box, at a tier of its caption: the whole, and the closer look."""
    seen = []
    engine = FakeEngine(lambda request: seen.append(request.image.shape[1::-1]) or "yes", "sizes")
    expert = VerifyObjects(engine, PROMPT, **settings)
    table = pa.table(
        {
            "uid": ["u"],
            "caption": ["A dog."],
            "objects": pa.array([[found("dog", (0.2, 0.2, 0.4, 0.4))]], OBJECTS.field("objects").type),
            "caption_tier_px": pa.array([tier], pa.int32()),
        }
    )
    expert.load()(Batch(table, (), [np.zeros((*image, 3), np.uint8)]))
    return seen


@pytest.mark.parametrize(("tier", "side"), [(336, 336), (1008, 1008), (3024, 2016), (None, 448)])
def test_the_whole_is_shown_with_the_detail_of_the_caption(tier, side):
    whole, _ = sizes_seen(tier)
    assert max(whole) == side


def test_a_closer_look_has_the_pixels_of_the_original_whatever_the_tier():
    for tier in (336, 2016):
        _, close = sizes_seen(tier)
        assert close == (952, 644)  # two fifths of 2400 x 1600, in whole 28 px
    assert max(sizes_seen(336, image=(200, 300))[1]) == 448  # a small one is enlarged, as before
    assert max(sizes_seen(336, image=(4000, 6000))[1]) == 1008


def test_without_a_column_for_detail_the_side_is_fixed():
    expert = VerifyObjects(FakeEngine(see), PROMPT, detail=None)
    assert expert.needs == ("caption", "objects")
    assert VerifyObjects(FakeEngine(see), PROMPT).needs == ("caption", "objects", "caption_tier_px")
    assert max(sizes_seen(1008, detail=None)[0]) == 448
