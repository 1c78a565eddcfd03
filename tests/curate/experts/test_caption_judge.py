import dataclasses
import json

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from curate.captions.judging.calibration import Bar, agreement, read_calibration
from curate.captions.prompting.hints import Hints
from curate.cli import app
from curate.engines.fake import FakeEngine
from curate.errors import PlanError, SampleError
from curate.experts.caption_gate import CaptionGate, caption_gate
from curate.experts.caption_judge import CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.inspect.calibrate import JUDGED, Gate, calibrate, read_gates, read_set
from curate.pipeline import Pipeline
from curate.stages import Batch, stage_id
from filters.caption_accepted import CaptionAccepted
from tests.curate.experts.test_preference_pair import pictures
from tests.support.dataset_folder import make_dataset
from tests.support.images import jpeg


def knows(request):
    """Score as the caption itself says: "3 4 ..." is VIR 3, ITA 4."""
    said = request.prompt.rpartition('Description: "')[2].split()
    if said[0] == "refuse":
        raise SampleError("engine_rejected", "no")
    return json.dumps({"vir": int(said[0]), "ita": int(said[1]), "reason": "so"}) if said[0].isdigit() else "Hm."


def likes_all(request):
    return '{"vir": 5, "ita": 5, "reason": "nice"}'


GOOD = CaptionJudge(FakeEngine(knows, "knows"), longest_side_px=112)
FOND = CaptionJudge(FakeEngine(likes_all, "likes all"), longest_side_px=112)


def judged(captions):
    table = pa.table({"uid": [f"u{i}" for i in range(len(captions))], "caption": pa.array(captions, pa.string())})
    return GOOD.load()(Batch(table, (), pictures(len(captions))))


def test_scores_are_null_where_nothing_could_be_read():
    scores = judged(["3 4 x", "what?", None, "refuse this"])
    assert scores.columns["caption_vir"] == [3, None, None, None]
    assert scores.columns["caption_ita"] == [4, None, None, None]
    assert scores.columns["caption_judge_parsed"] == [True, False, None, None]
    assert [error and error.code for error in scores.errors] == [None, None, None, "engine_rejected"]


@pytest.fixture
def labels(tmp_path):
    """Eighty captions of which half are good on both axes, with their images."""
    (tmp_path / "a.jpg").write_bytes(jpeg())
    rows = [
        {
            "image": "a.jpg",
            "caption": f"{1 + 4 * (i % 2)} {1 + 4 * (i % 2)} x",
            "vir": 1 + 4 * (i % 2),
            "ita": bool(i % 2),
        }
        for i in range(80)
    ]
    path = tmp_path / "set.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def measured(judge, labels, gates=JUDGED):
    pipeline = Pipeline([DenseCaption(judge.engine), judge, caption_gate(judge), CaptionAccepted()])
    return calibrate(pipeline, labels, read_set(labels), gates)


def written(judge, labels):
    path = labels.parent / "judge.json"
    path.write_text(measured(judge, labels).to_json())
    return str(path)


def test_a_judge_that_is_right_may_drop_captions(labels):
    found = measured(GOOD, labels)
    assert found.judge == stage_id(GOOD)
    for axis in ("vir", "ita"):
        got = found.axes[axis]
        assert (got.kept_precision, got.kept_recall, got.dropped_precision, got.dropped_recall) == (1, 1, 1, 1)
        assert (got.kappa, got.exact, got.unscored, got.good, got.items) == (1, 1, 0, 40, 80)
    caption_gate(GOOD, written(GOOD, labels)).check()
    assert read_calibration(found.to_json()) == found


def test_a_judge_that_likes_everything_may_not_and_the_numbers_say_why(labels):
    gate = caption_gate(FOND, written(FOND, labels))
    with pytest.raises(PlanError, match=r"vir: kept precision 0\.5, 0\.9 needed.*dropped recall 0\.0, 0\.9 needed"):
        gate.check()
    caption_gate(FOND, written(FOND, labels), uncalibrated=True).check()


def test_a_calibration_is_of_one_judge_only(labels):
    path = written(GOOD, labels)
    for other in (
        dataclasses.replace(GOOD, engine=FakeEngine(knows, "other")),
        dataclasses.replace(GOOD, max_tokens=99),
    ):
        with pytest.raises(PlanError, match="differ"):
            caption_gate(other, path).check()
    with pytest.raises(PlanError, match="another threshold"):
        dataclasses.replace(caption_gate(GOOD, path), minimum=4).check()


def test_without_a_calibration_the_gate_stays_shut(tmp_path):
    with pytest.raises(PlanError, match="was not measured"):
        Pipeline([DenseCaption(GOOD.engine, hints=Hints(blocks=())), GOOD, caption_gate(GOOD)]).check()
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(PlanError, match="not a calibration"):
        caption_gate(GOOD, str(tmp_path / "bad.json")).check()
    with pytest.raises(PlanError, match="weights not found"):
        caption_gate(GOOD, str(tmp_path / "none.json")).check()


def test_few_labels_are_not_enough():
    found = agreement("caption_ita", 3, [5, 5, 1], [5, 5, 1])
    assert Bar().shortfalls("ita", found) == ["ita: 1 captions of the rarer label, 30 needed"]
    assert Bar(items=1).shortfalls("ita", found) == []


def test_the_gate_accepts_what_reaches_the_threshold_on_both_axes():
    pairs = {"caption_vir": pa.array([3, 3, 2, None], pa.int8()), "caption_ita": pa.array([3, 2, 5, 5], pa.int8())}
    accepted = CaptionGate().load()(Batch(pa.table({"uid": list("abcd")} | pairs))).columns["caption_accepted"]
    assert accepted.to_pylist() == [True, False, False, None]


def test_any_score_can_be_held_to_a_label(labels):
    found = measured(GOOD, labels, read_gates(["vir:caption_ita:5"]))
    assert found.axes["vir"].kept_precision == 1.0
    assert measured(GOOD, labels, (Gate("vir", "caption_ita", 6),)).axes["vir"].kept_recall == 0
    with pytest.raises(PlanError, match="no expert of the recipe adds clip_score"):
        measured(GOOD, labels, (Gate("vir", "clip_score", 0.2),))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is not a JSON object"),
        ('{"caption": "x", "image": "a.jpg"}', "at least one label"),
        ('{"caption": "x", "vir": 2}', "needs an image"),
        ('{"caption": "x", "vir": 2, "image": "b.jpg"}', "no image"),
        ("", "no captions"),
    ],
)
def test_a_set_that_cannot_be_used_is_named(tmp_path, line, message):
    (tmp_path / "set.jsonl").write_text(line)
    with pytest.raises(PlanError, match=message):
        read_set(tmp_path / "set.jsonl")


def test_a_parquet_set_with_images_inside_gives_the_same(labels, tmp_path):
    import pyarrow.parquet as pq

    rows = [json.loads(line) for line in labels.read_text().splitlines()]
    for row in rows:
        row["image"] = {"bytes": jpeg(), "path": "a.jpg"}
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    assert measured(GOOD, tmp_path / "set.parquet").axes == measured(GOOD, labels).axes


def test_a_broken_image_is_unscored_and_does_not_stop_the_rest(labels):
    (labels.parent / "broken.jpg").write_bytes(b"\xff\xd8 no")
    with labels.open("a") as stream:
        stream.write('\n{"image": "broken.jpg", "caption": "5 5 x", "vir": 5, "ita": 5}\n')
    found = measured(GOOD, labels).axes["vir"]
    assert (found.items, found.unscored, found.kept_recall) == (81, 1, round(40 / 41, 3))


RECIPE = """
from curate.engines.fake import FakeEngine
from curate.experts.caption_judge import CaptionJudge
from curate.pipeline import Pipeline
from tests.curate.experts.test_caption_judge import likes_all

def fond() -> Pipeline:
    return Pipeline([CaptionJudge(FakeEngine(likes_all, "likes all"), longest_side_px=112)])
"""


def test_the_command_writes_what_the_gate_reads(labels, tmp_path):
    (tmp_path / "fond.py").write_text(RECIPE)
    out = tmp_path / "fond.json"
    done = CliRunner().invoke(app, ["calibrate", f"{tmp_path}/fond.py:fond", str(labels), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "may be used" in done.output
    with pytest.raises(PlanError, match=r"dropped recall 0\.0"):
        caption_gate(FOND, str(out)).check()


def test_images_may_be_samples_of_a_dataset(tmp_path):
    folder = make_dataset(tmp_path)
    uid = list(folder.images)[4]
    (tmp_path / "set.jsonl").write_text(json.dumps({"uid": uid, "caption": "5 5 x", "vir": 5, "ita": 5}))
    (item,) = read_set(tmp_path / "set.jsonl", folder.store)
    assert item.payload == folder.images[uid]
    (tmp_path / "set.jsonl").write_text(json.dumps({"uid": "0" * 32, "caption": "5 5 x", "vir": 5}))
    with pytest.raises(PlanError, match="no sample"):
        read_set(tmp_path / "set.jsonl", folder.store)
