"""Laws of the exports for fine-tuning: rows in the forms of LLaVA and ms-swift, images beside them.

Neither trainer is installed: the forms are those of their documentation, nothing is read back with them.
"""

import json

import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.formats.llava import Llava, llava_row
from curate.exports.formats.swift import Swift, swift_row
from curate.exports.index import INDEX
from curate.exports.sft import SHORT, row_turns, sft_condition
from tests.support.dataset_folder import make_dataset


def test_llava_is_a_list_of_conversations_with_images_beside_it(folder, tmp_path):
    report = export(folder.store, Llava(), str(tmp_path / "out"))
    rows = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert report.counts["samples"] == len(rows) == 4
    for row in rows:
        assert (tmp_path / "out" / row["image"]).read_bytes() == folder.images[row["id"]]
        talk = row["conversations"]
        assert [turn["from"] for turn in talk] == ["human", "gpt"] * (len(talk) // 2)
        assert talk[0]["value"].startswith("<image>\n")
        assert json.dumps(row).count("<image>") == 1
    assert rows[0]["conversations"][1]["value"] == "yes"


def test_swift_is_lines_of_messages_with_one_image_each(folder, tmp_path):
    export(folder.store, Swift(), str(tmp_path / "out"))
    lines = (tmp_path / "out" / "samples.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 4
    for row in rows:
        text = "".join(message["content"] for message in row["messages"])
        assert text.count("<image>") == len(row["images"]) == 1
        assert [message["role"] for message in row["messages"][:2]] == ["user", "assistant"]
        assert (tmp_path / "out" / row["images"][0]).is_file()


def test_only_direct_answers_are_taught(folder, tmp_path):
    export(folder.store, Swift(), str(tmp_path / "out"))
    rows = [json.loads(line) for line in (tmp_path / "out" / "samples.jsonl").read_text().splitlines()]
    answers = [[m["content"] for m in row["messages"] if m["role"] == "assistant"] for row in rows]
    assert answers == [["yes", "no"], ["yes", "no", "2", "It purrs.\ncat"]] * 2


def test_samples_without_questions_stay_in_the_index_with_the_reason(folder, tmp_path):
    export(folder.store, Llava(), str(tmp_path / "out"), where="clip_score < 0.45")
    index = pq.read_table(tmp_path / "out" / INDEX).to_pylist()[3:6]
    assert [row["export_file"] for row in index] == [None, "samples.json", None]
    assert index[0]["dropped_by"].startswith("where: (len(qa_kept) > 0 OR labelled_outcome = 'direct')")


def test_a_run_without_questions_says_where_they_come_from(tmp_path):
    plain = make_dataset(tmp_path, captions=False)
    with pytest.raises(PlanError, match="caption_qa"):
        export(plain.store, Llava(), str(tmp_path / "out"))
    assert sft_condition(["qa_kept", "x"]) == "(len(qa_kept) > 0)"


def test_rows_are_plain_functions_that_others_may_use():
    turns = row_turns({"qa_kept": [{"question": "Is it?", "answer": "no"}]})
    assert turns == [(f"Is it?\n{SHORT}", "no")]
    assert [turn["from"] for turn in llava_row("u", "u.jpg", turns)["conversations"]] == ["human", "gpt"]
    assert swift_row("u", "u.jpg", turns)["images"] == ["u.jpg"]
    assert row_turns({"qa_kept": None}) == []
