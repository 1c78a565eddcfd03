import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError
from curate.experts.image_fingerprint import ImageFingerprint
from curate.experts.in_reference import InReference
from curate.inspect.reference import make_reference
from curate.pipeline import Pipeline
from curate.run.local import measure
from filters.not_in_reference import NotInReference
from tests.support.shards import write_tar
from tests.support.variants import VARIANTS, jpeg, picture


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


def test_without_references_nothing_is_a_hit():
    assert looked_up([jpeg(picture(1))])[0]["reference_hits"] == 0


def test_a_file_of_another_hash_is_one_sentence(tmp_path, reference):
    table = pq.read_table(reference)
    other = str(tmp_path / "other.parquet")
    pq.write_table(table.replace_schema_metadata({"curate.reference.kind": "image_fingerprint-v9"}), other)
    with pytest.raises(PlanError, match="holds image_fingerprint-v9, and image_fingerprint-v1 is compared"):
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
