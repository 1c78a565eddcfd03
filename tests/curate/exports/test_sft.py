"""Laws of the exports for fine-tuning: rows as LLaVA and ms-swift read them, images beside them."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.formats.llava import Llava, llava_row
from curate.exports.formats.swift import Swift, swift_row
from curate.exports.sft import SHORT, row_turns, sft_condition
from schemas.label_verified import LABEL_VERIFIED
from schemas.question import KEPT_QUESTIONS
from tests.support import dataset_folder as folders

QA, LABELS = "select_questions-v1-00000005", "label_verified-v1-00000006"


def kept(i):
    """Rows 3 and 5 have questions, row 4 has none."""
    ask = [
        {"kind": "count", "question": "How many <image> dogs?", "answer": "3", "source": "objects"},
        {"kind": "yes_no", "question": f"Is it {i}?", "answer": "yes", "source": "caption"},
    ]
    return {"qa_kept": ask if i % 2 else [], "qa_gated": 0}


def labelled(i):
    row = dict.fromkeys(LABEL_VERIFIED.names)
    outcome = "direct" if i == 5 else "rationalised"
    told = {"labelled_question": "What is it?", "labelled_answer": "a dog", "labelled_rationale": "It barks."}
    return row | told | {"labelled_outcome": outcome}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(folders.ADDS, QA, KEPT_QUESTIONS)
    monkeypatch.setitem(folders.ADDS, LABELS, LABEL_VERIFIED)
    made = folders.make_dataset(tmp_path)
    for shard in made.shards:
        folders.add_cell(made, QA, shard, ([3, 4, 5], [kept(i) for i in range(6)]))
        folders.add_cell(made, LABELS, shard, ([3, 4, 5], [labelled(i) for i in range(6)]))
    folders.write_run(made, [folders.FACTS, folders.CLIP, QA, LABELS], "000002-caption_qa-ab12cd34")
    return made


def test_llava_reads_a_list_of_conversations_with_images_beside_it(folder, tmp_path):
    report = export(folder.store, Llava(), str(tmp_path / "out"))
    rows = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert report.counts["samples"] == len(rows) == 4
    for row in rows:
        assert (tmp_path / "out" / row["image"]).read_bytes() == folder.images[row["id"]]
        talk = row["conversations"]
        assert [turn["from"] for turn in talk] == ["human", "gpt"] * (len(talk) // 2)
        assert talk[0]["value"].startswith("<image>\n")
        assert json.dumps(row).count("<image>") == 1
    assert rows[0]["conversations"][1]["value"] == "3"


def test_swift_reads_lines_of_messages_with_one_image_each(folder, tmp_path):
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
    said = [[m["content"] for m in row["messages"] if m["role"] == "assistant"] for row in rows]
    assert said == [["3", "yes"], ["3", "yes", "It barks.\na dog"]] * 2


def test_samples_without_questions_stay_in_the_index_with_the_reason(folder, tmp_path):
    export(folder.store, Llava(), str(tmp_path / "out"), where="clip_score < 0.35")
    index = pq.read_table(tmp_path / "out" / "index.parquet").to_pylist()[3:6]
    assert [row["export_file"] for row in index] == ["samples.json", None, None]
    assert index[1]["dropped_by"].startswith("where: (len(qa_kept) > 0 OR labelled_outcome = 'direct')")


@pytest.mark.parametrize(("kind", "name", "text"), [(Llava, "qa.json", "[\n]\n"), (Swift, "qa.jsonl", "")])
def test_an_export_of_nothing_is_empty_and_of_its_form(folder, tmp_path, kind, name, text):
    export(folder.store, kind(name="qa"), str(tmp_path / "out"), where="false")
    assert (tmp_path / "out" / name).read_text() == text


@pytest.mark.parametrize("kind", [Llava, Swift])
def test_the_same_run_gives_the_same_bytes_and_replaces_the_first(folder, tmp_path, kind):
    out = tmp_path / "out"
    export(folder.store, kind(), str(out))
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    export(folder.store, kind(), str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    assert sorted(json.loads(first["export.json"])["files"]) == sorted(set(first) - {"export.json"})


def test_a_run_without_questions_says_where_they_come_from(tmp_path):
    plain = folders.make_dataset(tmp_path)
    with pytest.raises(PlanError, match="caption_qa"):
        export(plain.store, Llava(), str(tmp_path / "out"))
    assert sft_condition(["qa_kept", "x"]) == "(len(qa_kept) > 0)"


def test_rows_are_plain_functions_that_others_may_use():
    said = row_turns({"qa_kept": [{"question": "Is it?", "answer": "no"}]})
    assert said == [(f"Is it?\n{SHORT}", "no")]
    assert [turn["from"] for turn in llava_row("u", "u.jpg", said)["conversations"]] == ["human", "gpt"]
    assert swift_row("u", "u.jpg", said)["images"] == ["u.jpg"]
    assert row_turns({"qa_kept": None}) == []
