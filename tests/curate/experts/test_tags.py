import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from curate.errors import PlanError
from curate.experts.open_objects import OpenObjects
from curate.experts.tags import Tags
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.local import measure
from curate.stages import Batch, stage_id
from schemas.tags import TAGS
from tests.support.images import encode
from tests.support.weights.open_detector import MANY, write_random_tagger, write_random_yoloe, write_text_encoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CURATE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def expert(folder):
    weights = write_random_tagger(folder / "yoloe-26n-seg-pf.pt", write_text_encoder(folder / "encoder.ts"))
    return Tags(Weights(str(weights)), image_size_px=128, min_score=0.3, max_tags=10)


@pytest.fixture(scope="module")
def score(expert):
    expert.check()
    return expert.load()


def batch(rows):
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 255, size, dtype=np.uint8) for size in ((64, 100, 3), (128, 128, 3), (90, 40, 3))]
    return Batch(pa.table({"uid": [str(i) for i in rows]}), (), [images[i] for i in rows])


@pytest.mark.models
def test_tags_are_distinct_names_of_the_vocabulary_best_first(score):
    measured = score(batch(range(3))).columns["tags"]
    assert len(pa.array(measured, TAGS.field("tags").type)) == 3
    for tags in measured:
        labels, scores = [tag["label"] for tag in tags], [tag["score"] for tag in tags]
        assert 0 < len(labels) <= 10
        assert len(set(labels)) == len(labels)
        assert set(labels) <= set(MANY)
        assert scores == sorted(scores, reverse=True)
        assert min(scores) >= 0.3


@pytest.mark.models
def test_a_result_does_not_depend_on_its_batch(score):
    together = score(batch(range(3))).columns["tags"]
    for i, tags in enumerate(together):
        (alone,) = score(batch([i])).columns["tags"]
        assert [tag["label"] for tag in alone] == [tag["label"] for tag in tags]
        assert [tag["score"] for tag in alone] == pytest.approx([tag["score"] for tag in tags], abs=1e-4)


@pytest.mark.models
def test_tags_and_alt_text_are_what_the_open_detector_is_asked_for(expert, folder):
    yoloe, encoder = write_random_yoloe(folder / "again" / "yoloe-26n-seg.pt"), folder / "encoder.ts"
    detector = OpenObjects(Weights(str(yoloe)), Weights(str(encoder)), image_size_px=128, min_score=0.3)
    image = encode(Image.fromarray(batch([1]).images[0]), "PNG")
    table = measure(Pipeline([expert, detector]), [(image, "a zebra on a lawn"), (image, None)])
    tagged, blank = table.select(["tags", "open_objects", "open_objects_asked"]).to_pylist()
    assert tagged["tags"] == blank["tags"]
    names = [tag["label"] for tag in tagged["tags"]]
    assert tagged["open_objects_asked"] == [*names, "zebra", "grass"]
    assert blank["open_objects_asked"] == names
    assert {one["label"] for one in tagged["open_objects"]} <= {*names, "zebra", "grass"}


@pytest.mark.models
def test_a_higher_threshold_leaves_the_better_tags(expert, score):
    (tags,) = score(batch([0])).columns["tags"]
    least = (tags[0]["score"] + tags[-1]["score"]) / 2
    (fewer,) = dataclasses.replace(expert, min_score=least).load()(batch([0])).columns["tags"]
    assert [tag["label"] for tag in fewer] == [tag["label"] for tag in tags if tag["score"] > least]


@pytest.mark.models
def test_a_checkpoint_without_a_vocabulary_is_one_sentence(folder):
    weights = write_random_yoloe(folder / "yoloe-26n-seg.pt")
    with pytest.raises(PlanError, match="no vocabulary of its own"):
        Tags(Weights(str(weights))).load()


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Tags(min_score=0), "min_score=0"),
        (lambda: Tags(max_tags=0), "max_tags=0"),
        (lambda: Tags(image_size_px=33), "image_size_px=33"),
        (lambda: Tags(Weights("yoloe-26l-seg.pt")).check(), "-pf.pt"),
        (lambda: Tags(Weights("google/owlv2-base-patch16-ensemble")).check(), "no checkpoint of ultralytics"),
        (lambda: Tags(Weights("no/where-pf.pt")).check(), "no/where-pf.pt"),
    ],
)
def test_what_cannot_work_is_named_before_any_work(make, named):
    with pytest.raises(PlanError) as error:
        make()
    assert named in str(error.value)


def test_a_prefix_is_part_of_the_columns_and_of_the_identity_only_where_there_is_one():
    assert Tags(prefix="big_").adds.names == ["big_tags"]
    assert stage_id(Tags(prefix="big_")) != stage_id(Tags())
    assert "prefix" not in repr(Tags())
