import hashlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter
from rich.console import Console

from curate.errors import ContractError, PlanError
from curate.experts.image_facts import ImageFacts
from curate.experts.image_fingerprint import ImageFingerprint
from curate.experts.in_reference import InReference
from curate.inspect.reference import make_reference, reference_of_dataset
from curate.pipeline import Pipeline
from curate.run.local import measure
from curate.run.runner import RunRequest, run
from filters.not_in_reference import NotInReference
from tests.support.shards import write_tar
from tests.support.variants import VARIANTS, jpeg, picture
from tests.support.vectors import Vectors


@pytest.fixture
def reference(tmp_path):
    members = [(f"{i}.jpg", jpeg(picture(i))) for i in range(5)] + [("broken.jpg", b"no image")]
    write_tar(tmp_path / "val.tar", members)
    make_reference([str(tmp_path / "val.tar")], "toy-val", tmp_path / "toy.parquet")
    return str(tmp_path / "toy.parquet")


def looked_up(images, *references):
    pipeline = Pipeline([ImageFingerprint(), InReference(tuple(references)), NotInReference()])
    return measure(pipeline, [(image, None) for image in images]).to_pylist()


def test_each_hit_names_its_source_and_the_others_are_kept(reference):
    rows = looked_up([jpeg(picture(2)), VARIANTS["mirrored"](picture(4)), jpeg(picture(77))], reference)
    assert [row["reference_hits"] for row in rows] == [1, 1, 0]
    assert [row["reference_source"] for row in rows] == ["toy-val", "toy-val", None]
    assert [row["reference_key"] and row["reference_key"].rpartition("/")[2] for row in rows] == ["2", "4", None]
    assert rows[0]["reference_distance"] == 0
    assert 0 < rows[1]["reference_distance"] < 0.2
    assert [row["dropped_by"] for row in rows] == ["NotInReference()", "NotInReference()", None]


@pytest.fixture
def with_embeddings(tmp_path):
    write_tar(tmp_path / "val.tar", [(f"{i}.{end}", data) for i in range(5) for end, data in pair(picture(i))])
    request = RunRequest(
        Pipeline([ImageFacts(), ImageFingerprint(), Vectors()]), [str(tmp_path / "val.tar")], str(tmp_path / "val")
    )
    run(replace(request, recipe="test", local=True), Console(quiet=True))
    reference_of_dataset(str(tmp_path / "val"), "toy-val", tmp_path / "val.parquet")
    return str(tmp_path / "val.parquet")


def pair(image):
    return [("jpg", jpeg(image)), ("txt", b"a text")]


def test_the_nearest_embedding_is_a_hit_of_its_own_behind_those_by_picture(with_embeddings):
    stage = InReference((with_embeddings,), embedding="clip_embedding", min_cosine=0.8)
    grey = Image.new("RGB", (160, 120), (90, 90, 90))
    grain = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)).resize((160, 120))
    mixed = Image.blend(picture(3).filter(ImageFilter.GaussianBlur(12)), grain, 0.3)
    images = [jpeg(each) for each in (picture(1), mixed, picture(77), grey)]
    rows = measure(Pipeline([ImageFingerprint(), Vectors(), stage]), [(each, "text") for each in images]).to_pylist()

    assert [row["reference_hits"] for row in rows] == [1, 1, 0, 0]
    assert [row["reference_key"].rpartition("/")[2] for row in rows[:2]] == ["1", "3"]
    assert rows[0]["reference_distance"] == 0
    assert rows[1]["reference_distance"] is None
    assert rows[1]["reference_source"] == "toy-val"
    assert 0.8 <= rows[1]["reference_cosine"] < 1


def test_references_without_embeddings_or_of_another_model_are_one_sentence(reference, with_embeddings):
    with pytest.raises(PlanError, match="toy-val holds no embeddings; make it with"):
        InReference((reference,), embedding="clip_embedding").load()
    table = pq.read_table(with_embeddings)
    short = pa.array([each[:4] for each in table["embedding"].to_pylist()], pa.list_(pa.float16()))
    pq.write_table(
        table.set_column(4, "embedding", short).replace_schema_metadata(table.schema.metadata), with_embeddings
    )
    stage = InReference((with_embeddings,), embedding="clip_embedding")
    with pytest.raises(ContractError, match="has 16 numbers, the references have 4"):
        measure(Pipeline([ImageFingerprint(), Vectors(), stage]), [(jpeg(picture(1)), "text")])


def test_a_dataset_without_fingerprints_makes_no_reference(tmp_path):
    write_tar(tmp_path / "val.tar", [("0.jpg", jpeg(picture(1)))])
    request = RunRequest(Pipeline([ImageFacts()]), [str(tmp_path / "val.tar")], str(tmp_path / "val"), recipe="test")
    run(replace(request, local=True), Console(quiet=True))
    with pytest.raises(PlanError, match=r"has no image_fingerprint, image_fingerprint_aspect: put ImageFacts"):
        reference_of_dataset(str(tmp_path / "val"), "toy", tmp_path / "val.parquet")


def test_without_references_nothing_is_a_hit():
    assert looked_up([jpeg(picture(1))])[0]["reference_hits"] == 0


def test_a_file_of_another_hash_is_one_sentence(tmp_path, reference):
    table = pq.read_table(reference)
    other = str(tmp_path / "other.parquet")
    pq.write_table(table.replace_schema_metadata({"curate.reference.kind": "image_fingerprint-v9"}), other)
    with pytest.raises(PlanError, match="holds image_fingerprint-v9, and image_fingerprint-v2 is compared"):
        InReference((other,)).check()
    pq.write_table(pa.table({"a": [1]}), other)
    with pytest.raises(PlanError, match="is not a reference"):
        InReference((other,)).check()
    with pytest.raises(PlanError, match="there is no such file"):
        InReference((str(tmp_path / "none.parquet"),)).check()


def test_a_source_without_images_makes_no_reference(tmp_path):
    write_tar(tmp_path / "texts.tar", [("0.txt", b"only text")])
    with pytest.raises(PlanError, match="there is no image in"):
        make_reference([str(tmp_path / "texts.tar")], "texts", tmp_path / "texts.parquet")
    assert not (tmp_path / "texts.parquet").exists()


def test_a_broken_image_is_held_by_its_bytes(reference):
    table = pq.read_table(reference)
    assert table.num_rows == 6
    assert hashlib.sha256(b"no image").hexdigest() in table["image_sha256"].to_pylist()
