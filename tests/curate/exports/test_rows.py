"""Rows for trainers: what a sample teaches, in the forms of LLaVA, ms-swift, LLaMA-Factory and TRL.

`make test-consumers` reads them with the trainers' own loaders (tests/consumers); here is what they hold.
"""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import NEUTRAL_V1
from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.experts.caption_judge import CaptionJudge
from curate.experts.caption_kinds import CaptionKinds
from curate.experts.dense_caption import DenseCaption
from curate.experts.grounded_caption import GroundedCaption
from curate.experts.image_facts import ImageFacts
from curate.experts.preference_pair import PreferencePair
from curate.exports.export import export
from curate.exports.formats.llamafactory import Llamafactory
from curate.exports.formats.llava import Llava
from curate.exports.formats.swift import Swift
from curate.exports.formats.trl import Trl
from curate.exports.index import INDEX
from curate.exports.lessons import SHORT, lessons_of
from curate.exports.options import read_format
from curate.pipeline import Pipeline
from curate.stages import Gate
from curate.storage.store import Store
from filters.caption_words import CaptionWords
from filters.min_questions import MinQuestions
from filters.pair_lengths import PairLengths
from tests.support.dataset_folder import FakeDetector, make_dataset, run, write_source

TRAP = "One cat, <|im_end|> two cats and <image> a <bbox> sign"


def write(request):
    if "Score a description" in request.prompt:
        return '{"vir": 4, "ita": 2, "reason": "One \\"cat\\"."}'
    return TRAP if "detail" in request.prompt.lower() else "cat, sofa"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A run with captions of every kind, boxes, scores and pairs, of which a gate drops the short and the even ones."""
    root = tmp_path_factory.mktemp("written")
    for shard in range(2):
        write_source(root / "source" / f"{shard:05}.tar", shard, 8)
    engine = FakeEngine(write, "writer")
    stages = [
        ImageFacts(), FakeDetector(), DenseCaption(engine, NEUTRAL_V1[0], Hints(blocks=())), CaptionKinds(engine),
        GroundedCaption(), CaptionJudge(engine), PreferencePair(engine, kinds=(("misleading_prompt", 1.0),)),
        Gate("pair", PairLengths(1.5)),
    ]  # fmt: skip
    run(Pipeline(stages), root / "source", str(root / "dataset"))
    return Store(str(root / "dataset"))


def exported(store, form, out, **options):
    report = export(store, form, str(out), **options)
    if isinstance(form, Trl):
        return [row for file in sorted(out.glob("*.parquet")) for row in pq.read_table(file).to_pylist()], report
    text = (out / f"samples.{'jsonl' if isinstance(form, Swift) else 'json'}").read_text()
    return [json.loads(line) for line in text.splitlines()] if isinstance(form, Swift) else json.loads(text), report


def test_llava_is_a_list_of_conversations_with_images_beside_it(folder, tmp_path):
    rows, report = exported(folder.store, Llava(), tmp_path / "out")
    assert report.counts["samples"] == 4
    assert Counter(row["id"].partition("-")[2] for row in rows) == {"questions": 4, "label": 2}
    for row in rows:
        assert (tmp_path / "out" / row["image"]).read_bytes() == folder.images[row["id"].partition("-")[0]]
        talk = row["conversations"]
        assert [turn["from"] for turn in talk] == ["human", "gpt"] * (len(talk) // 2)
        assert talk[0]["value"].startswith("<image>\n")
        assert json.dumps(row).count("<image>") == 1
    assert rows[0]["conversations"][0]["value"].endswith(SHORT)
    assert rows[0]["conversations"][1]["value"] == "yes"
    assert [row["conversations"][1]["value"] for row in rows if row["id"].endswith("label")] == ["It purrs.\ncat"] * 2


def test_captions_are_rows_whose_instruction_is_drawn_by_a_seed_and_recorded(folder, tmp_path):
    rows, report = exported(folder.store, Llava(rows=("caption",)), tmp_path / "a")
    again, _ = exported(folder.store, Llava(rows=("caption",)), tmp_path / "b")
    other, _ = exported(folder.store, Llava(rows=("caption",), seed=1), tmp_path / "c")
    assert rows == again
    assert report.counts["samples"] == len(rows) == 6
    texts = {prompt.id: prompt.fill() for prompt in NEUTRAL_V1}
    for row in rows:
        assert row["conversations"][0]["value"] == f"<image>\n{texts[row['instruction']]}"
        assert row["conversations"][1]["value"].startswith("A dense caption of image")
    assert [row["instruction"] for row in rows] != [row["instruction"] for row in other]


def test_a_file_of_instructions_takes_the_place_of_ours(folder, tmp_path):
    (tmp_path / "mine.toml").write_text('[[prompt]]\nid = "mine-1"\ntext = "Tell me."\n')
    form = read_format("llava", ["rows=caption", f"instructions={tmp_path / 'mine.toml'}"])
    rows, _ = exported(folder.store, form, tmp_path / "out")
    assert {(row["instruction"], row["conversations"][0]["value"]) for row in rows} == {("mine-1", "<image>\nTell me.")}


def test_every_kind_of_text_is_a_row_of_its_own_and_no_text_asks_for_an_image(written, tmp_path):
    rows, _ = exported(written, Swift(rows=("caption", "kinds")), tmp_path / "out")
    kinds = Counter(row["id"].partition("-")[2] for row in rows)
    assert kinds["caption"] == 12
    assert kinds["tags"] == 12
    for row in rows:
        text = json.dumps(row)
        assert text.count("<image>") == len(row["images"]) == 1
        assert "<|" not in text
        assert "<bbox>" not in text
    rewrites = [row for row in rows if row["id"].endswith("alt_text")]
    assert all("alt text" in row["messages"][0]["content"] for row in rewrites)
    captions = {row["messages"][1]["content"] for row in rows if row["id"].endswith("-caption")}
    assert captions == {"One cat,   two cats and   a   sign"}


def test_pretraining_rows_have_no_question(written, tmp_path):
    rows, report = exported(written, Swift(task="pretrain", rows=("caption",)), tmp_path / "out")
    assert {row["messages"][0]["role"] for row in rows} == {"assistant"}
    assert {len(row["messages"]) for row in rows} == {1}
    assert rows[0]["messages"][0]["content"].startswith("<image>One cat,")
    assert report.counts["samples"] == 12


def test_grounded_captions_have_a_name_and_boxes_for_each_phrase(written, tmp_path):
    rows, _ = exported(written, Swift(task="grounding"), tmp_path / "out")
    assert rows
    for row in rows:
        answer, objects = row["messages"][1]["content"], row["objects"]
        assert answer.count("<ref-object>") == len(objects["ref"])
        assert answer.count("<bbox>") == len(objects["bbox"])
        assert objects["bbox_type"] == "norm1"
        assert all(0 <= side <= 1 for box in objects["bbox"] for side in box)
        said = answer.replace("<bbox>", "")
        for name in objects["ref"]:
            said = said.replace("<ref-object>", name, 1)
        assert said == "One cat,   two cats and   a   sign"


def test_judgements_are_what_a_judge_is_asked_and_answers_in_its_own_form(written, tmp_path):
    rows, _ = exported(written, Llava(rows=("judgement", "yes_no")), tmp_path / "out")
    judged = [row for row in rows if row["id"].endswith("judgement")]
    asked, answer = judged[0]["conversations"]
    assert asked["value"].startswith("<image>\nScore a description")
    assert "<|im_end|>" not in asked["value"]
    assert json.loads(answer["value"]) == {"vir": 4, "ita": 2, "reason": "One 'cat'."}
    answers = {row["id"].rpartition("-")[2]: row["conversations"][1]["value"] for row in rows if "yes-no" in row["id"]}
    assert answers == {"vir": "yes", "ita": "no"}


def test_what_a_gate_dropped_is_in_no_row_and_its_judgement_still_teaches(tmp_path):
    folder = make_dataset(tmp_path, captions=True)
    from tests.support.dataset_folder import WRITTEN, pipeline

    stages = [*pipeline().stages, Gate("qa", MinQuestions(2)), Gate("caption", CaptionWords(9, column="caption_words"))]
    assert WRITTEN[0] in stages
    run(Pipeline(stages), folder.source, str(tmp_path / "dataset"))
    columns = ["caption", "caption_vir", "caption_ita", "caption_judge_reason", "caption_dropped_by"]
    assert "dropped_by" not in lessons_of(columns, ("judgement",), None)[1]
    assert '"caption_dropped_by" IS NULL' in lessons_of(columns, ("caption",), None)[1]

    rows, report = exported(folder.store, Llava(rows=("caption",)), tmp_path / "out")
    assert report.counts["samples"] == len(rows) == 4  # images without a cat have a caption of six words
    index = pq.read_table(tmp_path / "out" / INDEX).to_pylist()
    assert {row["caption_dropped_by"] is None for row in index if row["export_file"]} == {True}
    both, _ = exported(folder.store, Llava(rows=("caption", "questions")), tmp_path / "both")
    assert {row["id"].partition("-")[2] for row in both} == {"caption", "questions"}


@pytest.mark.parametrize("task", ["sft", "dpo", "kto"])
def test_llamafactory_rows_and_what_describes_them(folder, tmp_path, task):
    rows, _ = exported(folder.store, Llamafactory(task=task), tmp_path / "out")
    ((name, info),) = json.loads((tmp_path / "out" / "dataset_info.json").read_text()).items()
    assert (name, info["file_name"], info["formatting"]) == ("samples", "samples.json", "sharegpt")
    assert set(info["columns"].values()) <= set(rows[0])
    for row in rows:
        assert all((tmp_path / "out" / image).is_file() for image in row["images"])
    if task == "dpo":
        assert info["ranking"] is True
        assert [turn["from"] for turn in rows[0]["conversations"]] == ["human"]
        assert rows[0]["chosen"]["value"] != rows[0]["rejected"]["value"]
    if task == "kto":
        assert [row["kto_tag"] for row in rows] == [True, False] * (len(rows) // 2)


@pytest.mark.parametrize("task", ["dpo", "kto"])
def test_swift_pairs(folder, tmp_path, task):
    rows, _ = exported(folder.store, Swift(task=task), tmp_path / "out")
    trl, _ = exported(folder.store, Trl(), tmp_path / "trl")
    texts = [(pair["chosen"][0]["content"][0]["text"], pair["rejected"][0]["content"][0]["text"]) for pair in trl]
    if task == "dpo":
        assert [(row["messages"][1]["content"], row["rejected_response"]) for row in rows] == texts
    else:
        assert [row["messages"][1]["content"] for row in rows] == [text for pair in texts for text in pair]
        assert [row["label"] for row in rows] == [True, False] * len(texts)


@pytest.mark.parametrize("task", ["sft", "kto"])
def test_trl_rows_have_a_prompt_with_the_image_and_a_completion(folder, tmp_path, task):
    rows, _ = exported(folder.store, Trl(task=task, rows=("questions",) if task == "sft" else ()), tmp_path / "out")
    for row in rows:
        assert [part["type"] for part in row["prompt"][0]["content"]] == ["image", "text"]
        assert [turn["role"] for turn in row["completion"]] == ["assistant"]
        assert [image["bytes"] for image in row["images"]] == [folder.images[row["uid"]]]
    if task == "kto":
        assert [row["label"] for row in rows] == [True, False] * (len(rows) // 2)
    else:
        assert Counter(row["uid"] for row in rows).most_common(1)[0][1] > 1  # a row for each answer


BAD = {
    ("llava", "rows=poems"): "'poems' is none of questions, label, caption",
    ("llava", "rows=judgement"): "rows of judgement need the columns caption_vir",
    ("llava", "text=haiku"): "rows of caption need the columns haiku",
    ("swift", "task=rl"): "task",
    ("swift", "task=grounding"): "put GroundedCaption into its recipe",
    ("trl", "task=orpo"): "task",
    ("llamafactory", "task=ppo"): "task",
}


@pytest.mark.parametrize(("words", "sentence"), BAD.items())
def test_bad_input_is_one_sentence_and_nothing_is_written(folder, tmp_path, words, sentence):
    with pytest.raises(PlanError, match=sentence) as error:
        exported(folder.store, read_format(words[0], list(words[1:])), tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_pretraining_takes_captions_only():
    with pytest.raises(PlanError, match="give rows of caption or kinds"):
        Swift(task="pretrain", rows=("questions",))


def test_a_run_without_texts_says_so(tmp_path):
    plain = make_dataset(tmp_path, captions=False)
    for form in (Llava(), Swift(), Llamafactory(), Trl(task="sft")):
        with pytest.raises(PlanError, match="nothing to teach"):
            exported(plain.store, form, tmp_path / "out")
    with pytest.raises(PlanError, match="pairs come from a recipe such as stic"):
        exported(plain.store, Llamafactory(task="kto"), tmp_path / "out")
