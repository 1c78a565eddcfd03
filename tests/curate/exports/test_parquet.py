"""Laws of the Parquet exports: images inside, in the layouts of HF datasets and TRL."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.formats.judged_pairs import JudgedPairs
from curate.exports.formats.parquet import Parquet
from curate.exports.formats.trl import Trl
from curate.exports.index import INDEX
from curate.exports.parquet_files import IMAGE
from curate.inspect.query import query
from tests.support.dataset_folder import caption, make_dataset


def rows(out, pattern="samples-*.parquet") -> list[dict]:
    return [row for path in sorted(out.glob(pattern)) for row in pq.read_table(path).to_pylist()]


def test_every_row_holds_its_original_image_and_native_columns(folder, tmp_path):
    out = tmp_path / "out"
    report = export(folder.store, Parquet(), str(out))
    written = rows(out)
    assert [row["uid"] for row in written] == [uid for i, uid in enumerate(folder.images) if i % 6 >= 3]
    for row in written:
        assert row["image"] == {"bytes": folder.images[row["uid"]], "path": f"{row['uid']}.jpg"}
    assert written[1]["objects"][0]["label"] == "cat"
    assert report.counts["samples"] == len(written) == 6


def test_files_carry_the_feature_metadata_and_the_arrow_schema_of_hf_datasets(folder, tmp_path):
    """`datasets` is not installed: its documented form is compared, nothing is read back with it."""
    export(folder.store, Parquet(), str(tmp_path / "out"))
    schema = pq.read_schema(tmp_path / "out" / "samples-000000.parquet")
    assert json.loads(schema.metadata[b"huggingface"]) == {"info": {"features": {"image": {"_type": "Image"}}}}
    assert schema.field("image").type == IMAGE
    assert schema.field("clip_score").type == pa.float32()
    assert schema.field("image_phash").type == pa.uint64()
    assert schema.field("objects").type.value_type.field("box").type.value_type == pa.float32()


def test_files_are_bounded_and_indexed(folder, tmp_path):
    out = tmp_path / "out"
    export(folder.store, Parquet(samples_per_shard=4), str(out))
    where = {row["uid"]: path.name for path in out.glob("samples-*.parquet") for row in pq.read_table(path).to_pylist()}
    index = pq.read_table(out / INDEX).to_pylist()
    assert {row["uid"]: row["export_file"] for row in index if row["export_file"]} == where
    assert sorted(where.values()) == ["samples-000000.parquet"] * 4 + ["samples-000001.parquet"] * 2


def test_pairs_are_messages_in_the_form_of_trl(folder, tmp_path):
    """TRL is not installed: this is the form that its documentation gives, nothing is read back with it."""
    export(folder.store, Trl(), str(tmp_path / "out"))
    pairs = rows(tmp_path / "out")
    assert len(pairs) == 4
    first = pairs[0]
    prompt = query(folder.store, f"SELECT pair_prompt FROM samples WHERE uid = '{first['uid']}'")["pair_prompt"][0]
    assert first["prompt"] == [
        {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": prompt.as_py()}]}
    ]
    worse = caption(4).replace("one cat", "two cats")
    assert first["chosen"] == [{"role": "assistant", "content": [{"type": "text", "text": caption(4)}]}]
    assert first["rejected"] == [{"role": "assistant", "content": [{"type": "text", "text": worse}]}]
    assert [image["bytes"] for image in first["images"]] == [folder.images[first["uid"]]]


def test_files_of_pairs_carry_the_feature_metadata_and_the_arrow_schema_of_hf_datasets(folder, tmp_path):
    export(folder.store, Trl(), str(tmp_path / "out"))
    schema = pq.read_schema(tmp_path / "out" / "samples-000000.parquet")
    content = pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))
    turns = pa.list_(pa.struct([("role", pa.string()), ("content", content)]))
    assert json.loads(schema.metadata[b"huggingface"]) == {"info": {"features": {"images": [{"_type": "Image"}]}}}
    assert schema.names == ["uid", "images", "prompt", "chosen", "rejected"]
    assert schema.types == [pa.string(), pa.list_(IMAGE), turns, turns, turns]


def test_samples_without_a_pair_stay_in_the_index_with_the_reason(folder, tmp_path):
    export(folder.store, Trl(), str(tmp_path / "out"), where="clip_score < 0.5 -- not the best")
    reasons = [row["dropped_by"] for row in pq.read_table(tmp_path / "out" / INDEX).to_pylist()[3:6]]
    assert [reason is None for reason in reasons] == [False, True, False]
    assert reasons[0].startswith("where: pair_chosen IS NOT NULL")


def test_a_run_without_pairs_cannot_export_them(tmp_path):
    folder = make_dataset(tmp_path, captions=False)
    with pytest.raises(PlanError, match="pair_chosen"):
        export(folder.store, Trl(), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_judged_pairs_are_trl_pairs_with_what_was_measured(folder, tmp_path):
    export(folder.store, Trl(), str(tmp_path / "trl"))
    export(folder.store, JudgedPairs(), str(tmp_path / "judged"))
    plain, judged = rows(tmp_path / "trl"), rows(tmp_path / "judged")
    assert [{name: row[name] for name in plain[0]} for row in judged] == plain
    assert [row["pair_kind"] for row in judged] == ["wrong_count"] * 4
