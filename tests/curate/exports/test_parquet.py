"""Laws of the Parquet exports: images inside, as HF datasets and TRL read them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.formats.judged_pairs import JudgedPairs
from curate.exports.formats.parquet import Parquet
from curate.exports.formats.trl import Trl
from tests.support.dataset_folder import make_dataset


@pytest.fixture
def folder(tmp_path):
    return make_dataset(tmp_path)


def rows(out, pattern="samples-*.parquet") -> list[dict]:
    return [row for path in sorted(out.glob(pattern)) for row in pq.read_table(path).to_pylist()]


def test_every_row_holds_its_original_image_and_native_columns(folder, tmp_path):
    out = tmp_path / "out"
    report = export(folder.store, Parquet(), str(out))
    found = rows(out)
    assert [row["uid"] for row in found] == [uid for i, uid in enumerate(folder.images) if i % 6 >= 3]
    for row in found:
        assert row["image"] == {"bytes": folder.images[row["uid"]], "path": f"{row['uid']}.jpg"}
    assert found[1]["objects"][0]["label"] == "cat"
    assert report.counts["samples"] == len(found) == 6


def test_files_carry_the_feature_metadata_of_hf(folder, tmp_path):
    export(folder.store, Parquet(), str(tmp_path / "out"))
    schema = pq.read_schema(tmp_path / "out" / "samples-000000.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features == {"image": {"_type": "Image"}}
    assert schema.field("image").type == pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def test_files_are_bounded_and_indexed(folder, tmp_path):
    out = tmp_path / "out"
    export(folder.store, Parquet(samples_per_shard=4), str(out))
    where = {row["uid"]: path.name for path in out.glob("samples-*.parquet") for row in pq.read_table(path).to_pylist()}
    index = pq.read_table(out / "index.parquet").to_pylist()
    assert {row["uid"]: row["export_file"] for row in index if row["export_file"]} == where
    assert sorted(where.values()) == ["samples-000000.parquet"] * 4 + ["samples-000001.parquet"] * 2


def test_pairs_are_messages_as_trl_reads_them(folder, tmp_path):
    export(folder.store, Trl(), str(tmp_path / "out"))
    found = rows(tmp_path / "out")
    assert len(found) == 4
    first = found[0]
    assert first["prompt"] == [
        {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "Describe."}]}
    ]
    assert first["chosen"] == [{"role": "assistant", "content": [{"type": "text", "text": "chosen 4"}]}]
    assert first["rejected"] == [{"role": "assistant", "content": [{"type": "text", "text": "rejected 4"}]}]
    assert [image["bytes"] for image in first["images"]] == [folder.images[first["uid"]]]


def test_samples_without_a_pair_stay_in_the_index_with_the_reason(folder, tmp_path):
    export(folder.store, Trl(), str(tmp_path / "out"), where="clip_score < 0.5 -- not the best")
    reasons = [row["dropped_by"] for row in pq.read_table(tmp_path / "out" / "index.parquet").to_pylist()[3:6]]
    assert [reason is None for reason in reasons] == [False, True, False]
    assert reasons[0].startswith("where: pair_chosen IS NOT NULL")


def test_a_run_without_pairs_cannot_export_them(tmp_path):
    folder = make_dataset(tmp_path, captions=False)
    with pytest.raises(PlanError, match="pair_chosen"):
        export(folder.store, Trl(), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [Parquet, Trl])
def test_the_same_run_gives_the_same_bytes(folder, tmp_path, kind):
    for name in ("a", "b"):
        export(folder.store, kind(), str(tmp_path / name))
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_judged_pairs_are_trl_pairs_with_what_was_measured(tmp_path):
    folder = make_dataset(tmp_path)
    export(folder.store, Trl(), str(tmp_path / "trl"))
    export(folder.store, JudgedPairs(), str(tmp_path / "judged"))
    plain, judged = rows(tmp_path / "trl"), rows(tmp_path / "judged")
    assert [{name: row[name] for name in plain[0]} for row in judged] == plain
