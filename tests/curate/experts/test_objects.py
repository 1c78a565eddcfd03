import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.captions.boxes import overlap
from curate.errors import PlanError
from curate.experts.detections import Detection, choose, without_doubles
from curate.experts.objects import Objects
from curate.models.weights import Weights
from curate.pixels import decode
from curate.stages import Batch
from nano.world.scenes import make_scene
from tests.support.images import encode
from tests.support.weights.transformers_detectors import write_tiny_rt_detr

NANO = Objects(Weights("nano/detector/nano-yolo.pt"), image_size_px=320)
UNIT = st.integers(0, 20).map(lambda n: n / 20)
DETECTIONS = st.lists(
    st.builds(
        lambda label, x, y, score: Detection(label, (min(x), min(y), max(x), max(y)), score),
        st.sampled_from("ab"),
        st.tuples(UNIT, UNIT),
        st.tuples(UNIT, UNIT),
        UNIT,
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURATE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield NANO.load()


@pytest.fixture(scope="module")
def drawn():
    return [make_scene(4_500_000_000_000 + i) for i in range(24)]


def batch(images):
    payloads = [encode(image, "JPEG", quality=92) for image in images]
    table = pa.table({"uid": [str(i) for i in range(len(images))]})
    return Batch(table, payloads, [decode(payload, NANO.pixels) for payload in payloads])


@pytest.mark.models
def test_objects_are_found_and_boxed(score, drawn):
    found = score(batch([image for image, _ in drawn])).columns["objects"]
    wanted = right = said = 0
    for objects, (_, scene) in zip(found, drawn, strict=True):
        truth = [(o.name, o.box) for o in scene.objects] + ([("sign", scene.sign.box)] if scene.sign else [])
        left = list(truth)
        for one in objects:
            assert all(0 <= edge <= 1 for edge in one["box"])
            size = (scene.width, scene.height) * 2
            for name, box in left:
                real = [edge / side for edge, side in zip(box, size, strict=True)]
                if name == one["label"] and overlap(real, one["box"]) > 0.5:
                    left.remove((name, box))
                    break
        wanted, right, said = wanted + len(truth), right + len(truth) - len(left), said + len(objects)
    assert right / wanted >= 0.95
    assert right / said >= 0.95


@pytest.mark.models
def test_a_result_does_not_depend_on_its_batch(score, drawn):
    images = [image for image, _ in drawn[:5]]
    together = score(batch(images)).columns["objects"]
    for image, objects in zip(images, together, strict=True):
        (alone,) = score(batch([image])).columns["objects"]
        assert [one["label"] for one in alone] == [one["label"] for one in objects]
        for one, other in zip(alone, objects, strict=True):
            assert one["box"] == pytest.approx(other["box"], abs=1e-4)
            assert one["score"] == pytest.approx(other["score"], abs=1e-4)


@pytest.mark.models
def test_settings_stay_in_the_cache_and_no_usage_is_sent(tmp_path):
    load = "from tests.curate.experts.test_objects import NANO; NANO.load(); import ultralytics as u; "
    tell = "print(u.settings['sync'], u.settings.file)"
    environment = {**os.environ, "CURATE_CACHE": str(tmp_path), "PYTHONPATH": "."}
    environment.pop("YOLO_CONFIG_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", load + tell], env=environment, capture_output=True, text=True, check=True
    )
    sync, file = done.stdout.split()[-2:]

    assert sync == "False"
    assert file.startswith(str(tmp_path))


def box(x0, y0, x1, y1, label="a", score=0.5):
    return Detection(label, (x0, y0, x1, y1), score)


def test_doubles_of_one_label_leave_the_best():
    best, double, other_label = box(0, 0, 1, 1, score=0.9), box(0, 0, 1, 0.8, score=0.8), box(0, 0, 1, 1, "b")
    assert overlap(best.box, double.box) == pytest.approx(0.8)
    assert without_doubles([double, other_label, best], 0.6) == [best, other_label]
    assert without_doubles([double, best], 0.9) == [best, double]
    edge = box(0, 0, 1, 0.6, score=0.8)
    assert without_doubles([best, edge], 0.6) == [best]  # at the threshold is a double


def test_small_objects_survive_a_crowd():
    crowd = [box(0, 0, 1, 0.5 + i / 100, score=0.9 - i / 100) for i in range(10)]
    small = [box(0, 0, 0.01 * (i + 1), 0.01, score=0.3) for i in range(3)]
    kept = choose(crowd + small, 6)
    assert kept == [*crowd[:3], *small]


@given(DETECTIONS, st.integers(1, 8), st.randoms())
def test_choice_is_bounded_ordered_and_independent_of_order(found, limit, rng):
    kept = choose(found, limit)
    assert len(kept) == min(limit, len(found))
    assert [one.score for one in kept] == sorted((one.score for one in kept), reverse=True)
    mixed = list(found)
    rng.shuffle(mixed)
    assert choose(mixed, limit) == kept
    top = max((one.score for one in found), default=0)
    assert not found or kept[0].score == top


@given(DETECTIONS, st.randoms())
def test_no_two_kept_boxes_of_a_label_overlap_too_much(found, rng):
    kept = without_doubles(found, 0.6)
    pairs = [(a, b) for i, a in enumerate(kept) for b in kept[:i] if a.label == b.label]
    assert all(overlap(a.box, b.box) < 0.6 for a, b in pairs)
    mixed = list(found)
    rng.shuffle(mixed)
    assert without_doubles(mixed, 0.6) == kept


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Objects(image_size_px=100), "image_size_px=100"),
        (lambda: Objects(min_score=0), "min_score=0"),
        (lambda: Objects(max_overlap=1.5), "max_overlap=1.5"),
        (lambda: Objects(max_objects=0), "max_objects=0"),
        (lambda: Objects(Weights("nowhere/yolo.pt")).check(), "nowhere/yolo.pt"),
    ],
)
def test_what_cannot_work_is_named_before_any_work(make, named):
    with pytest.raises(PlanError) as error:
        make()
    assert named in str(error.value)


@pytest.mark.models
def test_a_broken_weight_file_is_one_sentence(tmp_path, score):
    weights = tmp_path / "yolo.pt"
    weights.write_bytes(b"not a checkpoint")
    with pytest.raises(PlanError, match="cannot be loaded") as error:
        Objects(Weights(str(weights))).load()
    assert "\n" not in str(error.value)


@pytest.mark.models
def test_a_model_of_transformers_gives_the_same_columns_and_no_result_depends_on_its_batch(tmp_path):
    expert = Objects(Weights(str(write_tiny_rt_detr(tmp_path / "rt_detr"))), image_size_px=64, min_score=0.01)
    expert.check()
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 255, size, dtype=np.uint8) for size in ((64, 100, 3), (128, 64, 3), (64, 100, 3))]
    score = expert.load()

    def found(rows):
        table = pa.table({"uid": [str(i) for i in rows]})
        return score(Batch(table, (), [images[i] for i in rows])).columns["objects"]

    together = found([0, 1, 2])
    for i, objects in enumerate(together):
        (alone,) = found([i])
        assert [one["label"] for one in alone] == [one["label"] for one in objects]
        assert [one["score"] for one in alone] == pytest.approx([one["score"] for one in objects], abs=1e-4)
        assert 0 < len(objects) <= 32
        assert {one["label"] for one in objects} <= {"cat", "dog", "tree"}
        assert all(0 <= edge <= 1 for one in objects for edge in one["box"])


def test_a_folder_that_is_no_model_and_a_prefix_that_is_none_are_named(tmp_path):
    with pytest.raises(PlanError, match=r"no config\.json"):
        Objects(Weights(str(tmp_path))).check()
    with pytest.raises(ValueError, match="prefix"):
        Objects(prefix="Big ")


def test_columns_begin_with_the_prefix_and_without_one_nothing_changes():
    assert Objects(prefix="faces_").adds.names == ["faces_objects"]
    assert "prefix" not in repr(Objects())
    assert repr(Objects(prefix="faces_")).endswith("prefix='faces_')")
