"""Laws of the WebDataset export, checked with the readers that trainers use."""

import io
import json
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from curate.errors import PlanError, SourceError
from curate.exports.export import export
from curate.exports.folder import MANIFEST
from curate.exports.formats.webdataset import WebDataset
from curate.exports.index import INDEX
from curate.exports.options import read_format
from curate.exports.weighted import captions_of, filled_condition
from curate.inspect.query import query
from curate.inspect.view import run_view
from curate.storage.store import Store
from schemas.export_index import EXPORT_INDEX
from tests.support.dataset_folder import ALT_TEXT, FILTER, make_dataset

LEFT_OUT = {"members", "clip_embedding", "dropped_by", "error"}


def everything(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def read_back(out: Path) -> list[dict]:
    urls = [str(path) for path in sorted(out.glob("*.tar"))]
    return list(webdataset.WebDataset(urls, shardshuffle=False)) if urls else []


def kept(folder) -> list[str]:
    """The uids of rows 3, 4, 5 of both shards, in order."""
    return [uid for i, uid in enumerate(folder.images) if i % 6 >= 3]


def test_webdataset_reads_every_kept_sample_in_source_order(folder, tmp_path):
    report = export(folder.store, WebDataset(), str(tmp_path / "out"))
    samples = read_back(tmp_path / "out")
    assert [sample["__key__"] for sample in samples] == kept(folder)
    assert report.counts == {"samples": 6, "source_samples": 12, "failed": 0}
    for sample in samples:
        assert [name for name in sample if not name.startswith("__")] == ["jpg", "txt", "json"]
        assert sample["jpg"] == folder.images[sample["__key__"]]
        assert sample["txt"].decode().startswith("A dense caption")


def test_webdataset_decodes_the_images(folder, tmp_path):
    export(folder.store, WebDataset(), str(tmp_path / "out"))
    urls = [str(path) for path in sorted((tmp_path / "out").glob("*.tar"))]
    for image, text, facts in (
        webdataset.WebDataset(urls, shardshuffle=False).decode("rgb").to_tuple("jpg", "txt", "json")
    ):
        assert image.shape == (20, 30, 3)
        assert facts["caption"] == text


def test_json_has_one_schema_and_plain_values(folder, tmp_path):
    export(folder.store, WebDataset(), str(tmp_path / "out"))
    documents = [json.loads(sample["json"]) for sample in read_back(tmp_path / "out")]
    (names,) = {tuple(document) for document in documents}
    assert names == tuple(name for name in run_view(folder.store).names() if name not in LEFT_OUT)
    first = documents[0]
    sql = f"SELECT image_phash FROM samples WHERE uid = '{first['uid']}'"
    assert first["image_phash"] == f"{query(folder.store, sql)['image_phash'][0].as_py():016x}"
    assert (first["clip_score"], first["pair_chosen"]) == (0.3, None)
    assert json.loads(documents[1]["objects"]) == [{"label": "cat", "box": [0.1, 0.2, 0.3, 0.4], "score": 0.9}]
    assert {type(value) for document in documents for value in document.values()} <= {str, int, float, bool, type(None)}


def test_the_index_has_every_source_sample_and_its_place_or_reason(folder, tmp_path):
    out = tmp_path / "out"
    export(folder.store, WebDataset(), str(out), where="clip_score < 0.5")
    index = pq.read_table(out / INDEX)
    assert index.column_names[: len(EXPORT_INDEX)] == EXPORT_INDEX.names
    assert "clip_embedding" not in index.column_names
    rows = index.to_pylist()
    assert [row["uid"] for row in rows] == list(folder.images)
    for row in rows:
        assert (row["export_file"] is None) == (row["dropped_by"] is not None or row["error"] is not None)
        if row["export_file"]:
            with (out / row["export_file"]).open("rb") as tar:
                tar.seek(row["export_image_offset_bytes"])
                assert tar.read(row["export_image_size_bytes"]) == folder.images[row["uid"]]
    assert [row["dropped_by"] for row in rows[:6]] == [None, None, repr(FILTER), None, None, "where: clip_score < 0.5"]
    assert [row["error"] for row in rows[:3]] == ["sample: missing_image", "image_facts: image_truncated", None]


def test_offsets_and_headers_are_those_of_tarfile(folder, tmp_path):
    out = tmp_path / "out"
    export(folder.store, WebDataset(), str(out))
    index = {row["uid"]: row for row in pq.read_table(out / INDEX).to_pylist()}
    with tarfile.open(out / "samples-000000.tar") as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.mode, m.uname, m.type) for m in members} == {
        (0, 0, 0, 0o644, "", tarfile.REGTYPE)
    }
    assert not any(m.pax_headers for m in members)
    for member in members[::3]:
        assert index[member.name.partition(".")[0]]["export_image_offset_bytes"] == member.offset_data


def test_sidecars_are_what_open_clip_and_wids_read(folder, tmp_path):
    out = tmp_path / "out"
    export(folder.store, WebDataset(samples_per_shard=4), str(out))
    assert json.loads((out / "sizes.json").read_text()) == {"samples-000000.tar": 4, "samples-000001.tar": 2}
    wids = json.loads((out / "index.json").read_text())
    assert (wids["__kind__"], wids["wids_version"]) == ("wids-shard-index-v1", 1)
    for shard in wids["shardlist"]:
        assert shard["filesize"] == (out / shard["url"]).stat().st_size
        with tarfile.open(out / shard["url"]) as tar:
            assert shard["nsamples"] * 3 == len(tar.getmembers())


def test_tars_are_bounded_by_the_bytes_of_their_images_too(folder, tmp_path):
    out, limit = tmp_path / "out", 4_000
    export(folder.store, WebDataset(bytes_per_shard=limit), str(out))
    index = [row for row in pq.read_table(out / INDEX).to_pylist() if row["export_file"]]
    sizes = Counter()
    for row in index:
        sizes[row["export_file"]] += row["export_image_size_bytes"]
    assert 1 < len(sizes) < len(index)
    assert max(sizes.values()) <= limit
    assert len(read_back(out)) == 6


def test_the_same_run_gives_the_same_bytes(folder, tmp_path):
    export(folder.store, WebDataset(), str(tmp_path / "a"))
    export(folder.store, WebDataset(), str(tmp_path / "b"))
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_a_second_export_replaces_the_first_without_leftovers(folder, tmp_path):
    out = tmp_path / "out"
    export(folder.store, WebDataset(samples_per_shard=1), str(out))
    export(folder.store, WebDataset(), str(out))
    assert sorted(everything(out)) == sorted(
        [MANIFEST, INDEX, "README.md", "croissant.json", "index.json", "samples-000000.tar", "sizes.json"]
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_crash_leaves_the_earlier_export_untouched(own_folder, tmp_path):
    out = tmp_path / "out"
    export(own_folder.store, WebDataset(), str(out))
    before = everything(out)
    Path(own_folder.shards[1].url).unlink()
    with pytest.raises(SourceError):
        export(own_folder.store, WebDataset(samples_per_shard=1), str(out))
    assert everything(out) == before
    with pytest.raises(SourceError):
        export(own_folder.store, WebDataset(), str(tmp_path / "new"))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.part", "dataset", "out", "source"]
    assert not (tmp_path / ".out.part" / MANIFEST).exists()  # its complete parts wait for the same export
    export(own_folder.store, WebDataset(), str(out), where=f"uid = '{kept(own_folder)[0]}'")
    assert not (tmp_path / ".out.part").exists()


def test_a_folder_that_is_not_an_export_is_never_replaced(folder, tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(PlanError, match=r"no export wrote \(holiday.jpg\)"):
        export(folder.store, WebDataset(), str(out))
    shutil.rmtree(out)
    export(folder.store, WebDataset(), str(out))
    (out / "notes.txt").write_text("mine")
    with pytest.raises(PlanError, match=r"notes.txt"):
        export(folder.store, WebDataset(), str(out))
    assert (out / "notes.txt").read_text() == "mine"


def test_object_stores_get_the_same_files_and_no_leftovers(folder, tmp_path):
    export(folder.store, WebDataset(), str(tmp_path / "out"))
    remote = Store("memory://export-test/out")
    export(folder.store, WebDataset(samples_per_shard=2), remote.root)
    export(folder.store, WebDataset(), remote.root)
    assert {name: remote.read_bytes(name) for name in remote.find()} == everything(tmp_path / "out")


def test_a_remote_export_that_died_has_no_manifest_and_can_be_repeated(own_folder, tmp_path):
    remote = Store("memory://export-died/out")
    source = Path(own_folder.shards[1].url)
    data = source.read_bytes()
    source.unlink()
    with pytest.raises(SourceError):
        export(own_folder.store, WebDataset(), remote.root)
    assert not remote.exists(MANIFEST)
    source.write_bytes(data)
    export(own_folder.store, WebDataset(), remote.root)
    assert not any("unfinished" in name for name in remote.find())
    assert remote.exists(MANIFEST)


def test_an_image_that_changed_since_it_was_measured_is_not_shipped(own_folder, tmp_path):
    source, uid = Path(own_folder.shards[0].url), kept(own_folder)[1]
    data = source.read_bytes()
    image = own_folder.images[uid]
    source.write_bytes(data.replace(image, image[:-4] + b"\0\0\0\0"))
    report = export(own_folder.store, WebDataset(), str(tmp_path / "out"))
    assert (report.counts["samples"], report.counts["failed"]) == (5, 1)
    index = {row["uid"]: row for row in pq.read_table(tmp_path / "out" / INDEX).to_pylist()}
    assert index[uid]["error"] == "export: source_changed"
    assert index[uid]["export_file"] is None


def test_mixed_formats_share_one_member_name_and_keep_their_bytes(tmp_path):
    folder = make_dataset(tmp_path, formats=("JPEG", "PNG", "WEBP"))
    export(folder.store, WebDataset(), str(tmp_path / "out"))
    samples = read_back(tmp_path / "out")
    assert {name for sample in samples for name in sample if not name.startswith("__")} == {"jpg", "txt", "json"}
    assert {Image.open(io.BytesIO(sample["jpg"])).format for sample in samples} == {"JPEG", "PNG", "WEBP"}
    urls = [str(tmp_path / "out" / "samples-000000.tar")]
    images = [s["jpg"] for s in webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8")]
    assert all(isinstance(image, np.ndarray) for image in images)


def test_one_format_gives_its_own_extension(tmp_path):
    folder = make_dataset(tmp_path, formats=("PNG",))
    export(folder.store, WebDataset(), str(tmp_path / "out"))
    assert "png" in read_back(tmp_path / "out")[0]


def test_without_captions_the_text_is_the_alt_text(tmp_path):
    folder = make_dataset(tmp_path, captions=False)
    export(folder.store, WebDataset(), str(tmp_path / "out"))
    assert read_back(tmp_path / "out")[0]["txt"].decode() == ALT_TEXT.format(3)


def test_the_text_column_and_the_image_name_can_be_chosen(folder, tmp_path):
    options = WebDataset(text="alt_text", image_key="image", name="train")
    export(folder.store, options, str(tmp_path / "out"))
    with tarfile.open(tmp_path / "out" / "train-000000.tar") as tar:
        names = [name.partition(".")[2] for name in tar.getnames()[:3]]
    assert names == ["image", "txt", "json"]
    assert read_back(tmp_path / "out")[0]["txt"].startswith(b"alt text 3")


def test_members_of_the_source_come_along_when_asked(folder, tmp_path):
    export(folder.store, WebDataset(keep_members=("cls",)), str(tmp_path / "out"))
    assert [sample["cls"] for sample in read_back(tmp_path / "out")] == [b"3", b"", b""] * 2


@pytest.mark.parametrize(
    "where",
    ["clip_score > (SELECT quantile_cont(clip_score, 0.5) FROM samples WHERE error IS NULL AND dropped_by IS NULL)",
     "true -- everything", "caption LIKE '%image 4%' OR true"],
)  # fmt: skip
def test_conditions_are_any_sql(folder, tmp_path, where):
    export(folder.store, WebDataset(), str(tmp_path / "out"), where=where)
    assert {sample["__key__"] for sample in read_back(tmp_path / "out")} <= set(kept(folder))


@pytest.mark.parametrize("where", ["dropped_by IS NOT NULL", "error IS NOT NULL"])
def test_a_condition_can_never_export_what_was_dropped(folder, tmp_path, where):
    with pytest.raises(PlanError, match="none of the 6 kept samples matches the condition"):
        export(folder.store, WebDataset(), str(tmp_path / "out"), where=where)
    export(folder.store, WebDataset(), str(tmp_path / "out"), where="true) OR (true")
    assert {sample["__key__"] for sample in read_back(tmp_path / "out")} == set(kept(folder))


@pytest.mark.parametrize(
    "where", ["clip_scor > 1", "true; COPY samples TO 'x'", "(", "uid IN (SELECT * FROM '/etc/passwd')"]
)
def test_a_bad_condition_is_one_sentence_and_writes_nothing(folder, tmp_path, where):
    with pytest.raises(PlanError, match="--where"):
        export(folder.store, WebDataset(), str(tmp_path / "out"), where=where)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "word"),
    [({"text": "nothing"}, "nothing"), ({"image_key": "txt"}, "different"), ({"samples_per_shard": 0}, "at least 1"),
     ({"image_key": "../x"}, "extensions"), ({"keep_members": ("JPG",)}, "lower-case"), ({"name": "a/b"}, "name")],
)  # fmt: skip
def test_bad_options_are_one_sentence(folder, tmp_path, options, word):
    with pytest.raises(PlanError, match=word):
        export(folder.store, WebDataset(**options), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_unknown_formats_are_refused():
    with pytest.raises(PlanError, match="webdataset"):
        read_format("zip")


def test_weighted_captions_are_a_real_list_whose_weights_make_one(folder, tmp_path):
    report = export(folder.store, WebDataset(captions="caption:3,alt_text:1"), str(tmp_path / "out"))
    for sample in read_back(tmp_path / "out"):
        document = json.loads(sample["json"])
        assert document["captions"] == [
            {"column": "caption", "text": document["caption"], "weight": 0.75},
            {"column": "alt_text", "text": document["alt_text"], "weight": 0.25},
        ]
    assert report.notes == ("open_clip: --json-text-key 'caption;alt_text' --json-text-key-probs 3 1",)


def test_a_caption_that_is_null_has_no_weight_and_a_sample_without_any_is_left_out(folder, tmp_path):
    rows = pa.table({"a": ["x", None, "y"], "b": [None, "z", "w"]})
    weights = [[each["weight"] for each in some] for some in captions_of(rows, (("a", 1.0), ("b", 3.0)))]
    assert weights == [[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]]
    assert filled_condition((("a", 1.0), ("b", 3.0)), ["a", "b"]) == '"a" IS NOT NULL OR "b" IS NOT NULL'
    export(folder.store, WebDataset(captions="pair_chosen:1"), str(tmp_path / "out"))
    paired = "SELECT uid FROM samples WHERE dropped_by IS NULL AND error IS NULL AND pair_chosen IS NOT NULL"
    assert [one["__key__"] for one in read_back(tmp_path / "out")] == query(folder.store, paired)["uid"].to_pylist()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("caption", "a weight is no number"),
        ("caption:x", "a weight is no number"),
        ("caption:0", "a weight above 0"),
        ("caption:nan", "a weight above 0"),
        (":1", "a weight above 0"),
        ("caption:1,caption:2", "a column stands there twice"),
    ],
)
def test_weights_that_mean_nothing_are_one_sentence(text, sentence):
    with pytest.raises(PlanError, match=sentence):
        WebDataset(captions=text)


@pytest.mark.parametrize(("text", "sentence"), [("haiku:1", "no column 'haiku'"), ("clip_score:1", "is no text")])
def test_captions_must_be_columns_of_texts(folder, tmp_path, text, sentence):
    with pytest.raises(PlanError, match=sentence):
        export(folder.store, WebDataset(captions=text), str(tmp_path / "out"))
