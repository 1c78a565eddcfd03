"""Laws of description-infused training rows: joined by id, nothing lost in silence."""

import json

import pytest

from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.folder import MANIFEST
from curate.exports.formats.described_sft import DescribedSft
from curate.exports.options import read_format
from curate.exports.training_rows import with_description
from tests.support.dataset_folder import caption


def llava(key, question="What is it?", **more):
    turns = [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": "A cat."}]
    return {"id": key, "image": f"coco/{key}.jpg", "conversations": turns, **more}


def described(folder, tmp_path, rows, as_list=False, **options):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(rows) if as_list else "\n".join(map(json.dumps, rows)))
    report = export(folder.store, DescribedSft(path, **options), str(tmp_path / "out"))
    out = tmp_path / "out"
    lines = [[json.loads(line) for line in (out / name).read_text().splitlines()] for name in FILES]
    return report, *lines, json.loads((out / MANIFEST).read_text())


FILES = ("samples.jsonl", "missing.jsonl")


@pytest.mark.parametrize("as_list", [True, False])
def test_trap_2_rows_are_joined_by_id_whatever_their_order(folder, tmp_path, as_list):
    rows = [llava("000010005"), llava("000000004", "How many?"), llava("000000003"), llava("000000004", "Where?")]
    report, written, missing, manifest = described(folder, tmp_path, rows, as_list)
    assert [row["id"] for row in written] == [row["id"] for row in rows]
    for row, was in zip(written, rows, strict=True):
        question = was["conversations"][0]["value"].removeprefix("<image>\n")
        i = int(was["id"][-1])
        assert row["conversations"][0]["value"] == (f"<image>\nImage description: {caption(i)}\n\n{question}")
        assert row["conversations"][1:] == was["conversations"][1:]
    assert missing == []
    assert (manifest["rows"], manifest["described"], report.counts["samples"]) == (4, 4, 3)


def test_rows_without_a_sample_are_counted_and_named(folder, tmp_path):
    rows = [llava("000000004"), llava("unknown"), llava("000000001"), {"id": "000000005", "conversations": []}]
    report, written, missing, manifest = described(folder, tmp_path, rows)
    assert len(written) == 1
    assert [(row["row"], row["id"], row["reason"]) for row in missing] == [
        (1, "unknown", "no sample"),
        (2, "000000001", "no sample"),  # dropped by the run
        (3, "000000005", "no human turn"),
    ]
    assert manifest["missing"] == {"ambiguous": 0, "no description": 0, "no human turn": 1, "no sample": 2}
    assert "1 of 4 rows have a description" in str(report.__rich__())


def test_ms_swift_rows_and_uids_join_too(folder, tmp_path):
    uid = list(folder.images)[4]
    row = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "<image>Why?"}], "id": uid}
    _, (written,), _, _ = described(folder, tmp_path, [row], sft_join="uid")
    assert written["messages"][0] == row["messages"][0]
    assert written["messages"][1]["content"].startswith(f"<image>\nImage description: {caption(4)}")
    assert written["messages"][1]["content"].endswith("\n\nWhy?")
    assert written["description"]["uid"] == uid


def test_a_key_of_two_samples_is_ambiguous(folder, tmp_path):
    rows = [llava(caption(4))]  # the caption column, which both shards share
    _, written, missing, _ = described(folder, tmp_path, rows, sft_join="caption")
    assert written == []
    assert [row["reason"] for row in missing] == ["ambiguous"]


def test_a_tag_at_the_end_stays_and_a_tag_in_the_description_goes():
    row = {"conversations": [{"from": "human", "value": "What?\n<image>"}]}
    question = with_description(row, "A <image> cat.")["conversations"][0]["value"]
    assert question == "Image description: A  cat.\n\nWhat?\n<image>"


@pytest.mark.parametrize(
    ("text", "message"), [("{", "line 1 is not JSON"), ("[1]", "row 0 is not an object"), (None, "no training rows")]
)
def test_files_that_are_no_rows_are_named(folder, tmp_path, text, message):
    path = tmp_path / "rows.jsonl"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PlanError, match=message):
        export(folder.store, DescribedSft(path), str(tmp_path / "out"))


def test_the_rows_must_be_given():
    with pytest.raises(PlanError, match=r"needs -p sft=\.\.\.: Path of the training rows"):
        read_format("described_sft")
