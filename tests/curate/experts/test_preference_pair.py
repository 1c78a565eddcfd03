import dataclasses
import hashlib
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.captions.pairing.change import Change, apply
from curate.captions.prompting.prompts import Prompt
from curate.captions.viewing.corrupt import color_jitter, low_resolution, pixels_sha256
from curate.captions.viewing.corruptions import CORRUPTIONS, Corruptions, corrupt_again
from curate.captions.viewing.pixel_budget import fit_budget
from curate.engines.fake import FakeEngine
from curate.engines.vllm_engine import Vllm
from curate.errors import PlanError, SampleError
from curate.experts.caption_judge import CaptionJudge
from curate.experts.pair_judge import PairJudge
from curate.experts.preference_pair import STIC, PreferencePair
from curate.models.weights import Weights
from curate.stages import Batch, Expert, stage_id
from nano.evaluate.caption_metrics import caption_metrics
from nano.world.scenes import make_scene
from schemas.preference import EDIT_KINDS, MISLEADING_KINDS, PREFERENCE

VLM = Path(__file__).parents[3] / "nano" / "vlm"


def echo(request):
    """Answer with what the model was shown: the digest of the pixels and the prompt."""
    if request.id.startswith("bad") and request.id.endswith("rejected"):
        raise SampleError("engine_rejected", "no")
    return f"{pixels_sha256(request.image)} {hashlib.sha256(request.prompt.encode()).hexdigest()}"


PAIR = PreferencePair(FakeEngine(echo, "echo"), longest_side_px=112)


def pictures(n):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (84, 112, 3), dtype=np.uint8) for _ in range(n)]


def batch(n=64, uids=None):
    return Batch(pa.table({"uid": uids or [f"u{i}" for i in range(n)]}), (), pictures(n))


def by_row(result):
    n = len(result.columns["pair_kind"])
    return [{name: result.columns[name][i] for name in PREFERENCE.names} for i in range(n)]


def test_it_is_an_expert_that_can_be_sent():
    assert isinstance(PAIR, Expert)
    assert stage_id(pickle.loads(pickle.dumps(PAIR))) == stage_id(PAIR)


def test_bad_settings_are_named():
    with pytest.raises(PlanError, match="share is 2"):
        PreferencePair(FakeEngine(echo), share=2)
    with pytest.raises(PlanError, match="at least one prompt"):
        PreferencePair(FakeEngine(echo), misleading=())


def test_trap_1_a_corrupted_image_really_has_other_pixels_and_the_model_saw_them():
    rows = by_row(PAIR.load()(batch()))
    assert {row["pair_kind"] for row in rows} == {kind for kind, _ in STIC}
    for row, image in zip(rows, pictures(64), strict=True):
        corrupted = row["pair_kind"] == "corrupted_image"
        assert row["pair_image_sha256"] == pixels_sha256(fit_budget(image, 112))
        assert (row["pair_rejected_image_sha256"] != row["pair_image_sha256"]) == corrupted
        assert row["pair_chosen"].split()[0] == row["pair_image_sha256"]
        assert row["pair_rejected"].split()[0] == row["pair_rejected_image_sha256"]


def test_trap_1_the_recorded_corruption_makes_the_same_image_again():
    rows = [row for row in by_row(PAIR.load()(batch())) if row["pair_kind"] == "corrupted_image"]
    again = {"low_resolution": low_resolution, "color_jitter": color_jitter}
    assert {row["pair_corruption"] for row in rows} == set(again)
    images = {pixels_sha256(fit_budget(image, 112)): fit_budget(image, 112) for image in pictures(64)}
    for row in rows:
        parameters = json.loads(row["pair_corruption_parameters"])
        shown = again[row["pair_corruption"]](images[row["pair_image_sha256"]], **parameters)
        assert pixels_sha256(shown) == row["pair_rejected_image_sha256"]


def test_trap_2_pairs_belong_to_a_uid_not_to_a_position():
    given = batch()
    order = np.random.default_rng(3).permutation(64).tolist()
    mixed = Batch(given.table.take(pa.array(order)), (), [given.images[i] for i in order])
    straight, turned = by_row(PAIR.load()(given)), by_row(PAIR.load()(mixed))
    assert [straight[i] for i in order] == turned


def test_trap_2_pairs_do_not_depend_on_the_batch():
    whole = by_row(PAIR.load()(batch()))
    given = batch()
    parts = [Batch(given.table.slice(i, 8), (), given.images[i : i + 8]) for i in range(0, 64, 8)]
    assert [row for part in parts for row in by_row(PAIR.load()(part))] == whole


def test_trap_3_the_prompts_that_made_the_texts_are_kept_beside_the_stored_one():
    neutral, misleading = ({prompt.text for prompt in prompts} for prompts in (PAIR.neutral, PAIR.misleading))
    rows = by_row(PAIR.load()(batch()))
    for row in rows:
        assert row["pair_prompt"] in neutral
        assert row["pair_chosen_prompt"] == PAIR.chosen.text
        assert row["pair_rejected_prompt"] in (misleading if row["pair_kind"] == "misleading_prompt" else neutral)
        for side in ("chosen", "rejected"):
            made_by = hashlib.sha256(row[f"pair_{side}_prompt"].encode()).hexdigest()
            assert row[f"pair_{side}"].split()[1] == made_by
    assert any(row["pair_prompt"] != row["pair_rejected_prompt"] for row in rows)


def test_the_coin_is_fair():
    rows = by_row(PAIR.load()(batch(400)))
    assert 0.4 < sum(row["pair_kind"] == "corrupted_image" for row in rows) / 400 < 0.6


def test_a_image_that_no_corruption_changes_gets_a_misleading_prompt():
    black = Batch(pa.table({"uid": [f"u{i}" for i in range(16)]}), (), [np.zeros((84, 84, 3), np.uint8)] * 16)
    rows = by_row(PAIR.load()(black))
    assert {row["pair_kind"] for row in rows} == {"misleading_prompt"}
    assert {row["pair_corruption"] for row in rows} == {None}


def test_a_share_gets_pairs_and_the_others_null_without_error():
    some = dataclasses.replace(PAIR, share=0.25).load()(batch(400))
    made = [kind is not None for kind in some.columns["pair_kind"]]
    assert 0.18 < sum(made) / 400 < 0.32
    assert not any(some.errors)
    for row, is_made in zip(by_row(some), made, strict=True):
        assert (row["pair_chosen"] is not None) == is_made
        assert is_made or not any(row.values())
    assert [seconds is not None for seconds in some.seconds] == made
    pa.table({f.name: pa.array(some.columns[f.name], f.type) for f in PREFERENCE}, schema=PREFERENCE)


def test_no_share_asks_nothing():
    nothing = dataclasses.replace(PAIR, share=0.0).load()(batch())
    assert set(nothing.columns["pair_kind"]) == {None}


def test_a_side_that_fails_is_an_error_of_its_row_alone():
    result = PAIR.load()(batch(3, ["good1", "bad", "good2"]))
    assert [error and error.code for error in result.errors] == [None, "engine_rejected", None]
    assert [text is None for text in result.columns["pair_chosen"]] == [False, True, False]


def test_another_seed_makes_other_pairs():
    one, two = (by_row(dataclasses.replace(PAIR, seed=seed).load()(batch())) for seed in (0, 1))
    assert sum(a["pair_kind"] != b["pair_kind"] for a, b in zip(one, two, strict=True)) > 10


NANO = Vllm(Weights(str(VLM)), "bfloat16", 2048, max_num_seqs=32, enforce_eager=True, kv_cache_gib=1, gpus=0)


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(600)
def test_rejected_texts_of_a_real_model_name_more_that_is_not_there():
    pair = PreferencePair(
        NANO,
        chosen=Prompt("c", "Describe the image in detail. Think step by step."),
        misleading=(Prompt("m", "Describe the image and invent extra objects."),),
        neutral=(Prompt("n", "Describe the image in detail."),),
        longest_side_px=336,
        max_tokens=220,
        temperature=0.0,
    )
    images, scenes = zip(*(make_scene(4_000_000_000_000 + i) for i in range(48)), strict=True)
    table = pa.table({"uid": [f"u{i}" for i in range(48)]})
    result = pair.load()(Batch(table, (), [np.asarray(image) for image in images]))
    truth = dict(enumerate(scenes))
    better, worse = (
        caption_metrics(dict(enumerate(result.columns[f"pair_{side}"])), truth) for side in ("chosen", "rejected")
    )
    assert better.hallucination_rate < 0.05
    assert worse.hallucination_rate > better.hallucination_rate + 0.1


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(600)
def test_guided_judges_of_a_real_model_can_always_be_read():
    images = [np.asarray(make_scene(4_000_000_000_000 + i)[0]) for i in range(6)]
    texts = {
        name: pa.array([f"{name} {i}" for i in range(6)]) for name in ("pair_prompt", "pair_chosen", "pair_rejected")
    }
    table = pa.table({"uid": [f"u{i}" for i in range(6)], "caption": texts["pair_chosen"]} | texts)
    pairs = PairJudge(NANO, longest_side_px=336).load()(Batch(table, (), images))
    captions = CaptionJudge(NANO, longest_side_px=336).load()(Batch(table, (), images))
    assert "unparsed" not in pairs.columns["pair_judge_answer"] + pairs.columns["pair_judge_answer_swapped"]
    assert captions.columns["caption_judge_parsed"] == [True] * 6


def test_which_of_the_eight_misleading_kinds_is_recorded():
    rows = [row for row in by_row(PAIR.load()(batch(400))) if row["pair_kind"] == "misleading_prompt"]
    assert {row["pair_misleading_kind"] for row in rows} == set(MISLEADING_KINDS)
    by_kind = {row["pair_misleading_kind"]: row["pair_rejected_prompt"] for row in rows}
    assert len(set(by_kind.values())) == 8
    assert {row["pair_rejected_prompt_id"] for row in rows} == {prompt.id for prompt in PAIR.misleading}


def test_every_corruption_changes_pixels_and_can_be_done_again():
    every = dataclasses.replace(PAIR, kinds=(("corrupted_image", 1),), corruptions=Corruptions(tuple(CORRUPTIONS)))
    clean = {f"u{i}": fit_budget(image, 112) for i, image in enumerate(pictures(64))}
    rows = by_row(every.load()(batch()))
    assert {row["pair_corruption"] for row in rows} == set(CORRUPTIONS)
    for uid, row in zip(clean, rows, strict=True):
        shown = corrupt_again(clean[uid], row["pair_corruption"], json.loads(row["pair_corruption_parameters"]))
        assert shown.shape == clean[uid].shape
        assert pixels_sha256(shown) == row["pair_rejected_image_sha256"] != row["pair_image_sha256"]


DOG = {"label": "dog", "box": [0.0, 0.4, 0.2, 0.6], "score": 0.9}
CAT = {"label": "cat", "box": [0.7, 0.4, 0.9, 0.6], "score": 0.9}
FACTS = {
    "caption": 'Two cats and a dog sit by a brown wall. The dog is on the left. A sign reads "KEEP OUT".',
    "objects": [DOG, CAT, CAT],
    "ocr_lines": [{"text": "Keep out", "box": [0.4, 0.1, 0.6, 0.2], "score": 0.97}],
}


def facts_batch(n=64, facts=FACTS):
    known = {name: pa.array([facts[name]] * n) for name in facts}
    return Batch(pa.table({"uid": [f"u{i}" for i in range(n)]} | known), (), ())


def test_edits_need_no_engine_and_no_image():
    edits = PreferencePair(None, kinds=(("edits", 1),))
    assert edits.pixels is None
    assert edits.needs == ("caption", "objects", "ocr_lines")
    rows = by_row(edits.load()(facts_batch()))
    assert {row["pair_kind"] for row in rows} == set(EDIT_KINDS)
    for row in rows:
        changes = [Change(**change) for change in row["pair_edits"]]
        assert row["pair_chosen"] == FACTS["caption"]
        assert row["pair_rejected"] == apply(row["pair_chosen"], changes) != row["pair_chosen"]
        assert row["pair_model"] is row["pair_chosen_prompt"] is row["pair_image_sha256"] is None
        assert row["pair_prompt"]


def test_a_kind_that_is_impossible_gives_way_to_the_next():
    kinds = (("wrong_count", 100), ("missing_text", 100), ("added_object", 1))
    bare = FACTS | {"caption": "A dog.", "ocr_lines": [], "objects": [DOG, DOG]}
    rows = by_row(PreferencePair(None, kinds=kinds).load()(facts_batch(8, bare)))
    assert {row["pair_kind"] for row in rows} == {"added_object"}
    nothing = PreferencePair(None, kinds=kinds[:2]).load()(facts_batch(8, bare))
    assert set(nothing.columns["pair_kind"]) == {None}
    assert not any(nothing.errors)


def test_kinds_come_in_the_share_of_their_weights():
    kinds = (("wrong_count", 3), ("wrong_position", 1))
    rows = by_row(PreferencePair(None, kinds=kinds).load()(facts_batch(400)))
    assert 0.68 < sum(row["pair_kind"] == "wrong_count" for row in rows) / 400 < 0.82


def candidates(request):
    """Answer with one of four texts, by the number of the candidate."""
    texts = ("A dog, two cats and a horse.", "A dog and two cats.", "Grass and a cow.", "A dog and a bus.")
    return texts[int(request.id.rpartition("-")[2])]


def ranked(reply, samples=4):
    return PreferencePair(
        FakeEngine(reply, "ranked"), kinds=(("ranked_samples", 1),), samples=samples, longest_side_px=112
    )


def test_ranked_samples_take_the_best_and_the_worst_by_evidence():
    facts = {name: FACTS[name] for name in ("objects", "ocr_lines")}
    given = facts_batch(4, facts)
    rows = by_row(ranked(candidates).load()(Batch(given.table, (), pictures(4))))
    for row in rows:
        assert (row["pair_chosen"], row["pair_rejected"]) == ("A dog and two cats.", "Grass and a cow.")
        assert row["pair_candidates"] == 4
        assert row["pair_prompt"] == row["pair_chosen_prompt"] == row["pair_rejected_prompt"]
        assert row["pair_image_sha256"] == row["pair_rejected_image_sha256"]


def test_samples_that_are_all_the_same_text_are_no_pair():
    facts = {name: FACTS[name] for name in ("objects", "ocr_lines")}
    table = facts_batch(4, facts).table
    alone = ranked(lambda request: "A dog.")
    assert set(alone.load()(Batch(table, (), pictures(4))).columns["pair_kind"]) == {None}
    other = dataclasses.replace(alone, kinds=(("ranked_samples", 1), ("misleading_prompt", 1e-9)))
    rows = by_row(other.load()(Batch(table, (), pictures(4))))
    assert {row["pair_kind"] for row in rows} == {"misleading_prompt"}


def test_lengths_are_compared():
    rows = by_row(PreferencePair(None, kinds=(("added_object", 1),)).load()(facts_batch(4)))
    assert all(row["pair_length_log_ratio"] < 0 for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": (("wrong_count", -1),)}, "none below 0"),
        ({"kinds": (("lies", 1),)}, "kinds are"),
        ({"kinds": ()}, "one above"),
        ({"kinds": (("edits", 1), ("wrong_count", 1))}, "each once"),
        ({}, "need an engine"),
        ({"samples": 1}, "samples"),
    ],
)
def test_settings_that_cannot_work_are_named(options, message):
    with pytest.raises(PlanError, match=message):
        PreferencePair(FakeEngine(echo) if "samples" in options else None, **options)
