"""The loop of docs/distillation.md: a teacher's rows teach, a student describes the rest, both are compared."""

import json
import re
import shlex
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from curate.captions.prompting.hints import Hints
from curate.cli import app
from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.experts.caption_evidence import CaptionEvidence
from curate.experts.caption_judge import CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.experts.in_subset import InSubset
from curate.experts.sample_lot import SampleLot
from curate.exports.export import export
from curate.exports.formats.datacomp_subset import DatacompSubset
from curate.exports.formats.trl import Trl
from curate.inspect.agreement import agreement
from curate.inspect.query import query
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.recipe import build, find_recipe
from curate.storage.store import Store
from filters.not_in_subset import NotInSubset
from tests.support.dataset_folder import FakeDetector, number, run, write_source

TAUGHT = "lot < 6000000000000000000"
DOC = Path(__file__).parents[2] / "docs" / "distillation.md"


def teach(request):
    if "Score a description" in request.prompt:
        return '{"vir": 4, "ita": 5, "reason": "true"}'
    return ("A sofa.", "A cat on a sofa.", "Two cats on a sofa.")[number(request) % 3]


def learn(request):
    """Say what the teacher says of every image but those with two cats."""
    return "A dog." if number(request) % 3 == 2 else teach(request)


def captioned(say, *more):
    writer = FakeEngine(say, say.__name__)
    return [FakeDetector(), *more, DenseCaption(writer, hints=Hints(blocks=())), CaptionEvidence()]


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    root = tmp_path_factory.mktemp("loop")
    for shard in range(3):
        write_source(root / "source" / f"{shard:05}.tar", shard, 8)
    judge = CaptionJudge(FakeEngine(teach, "judge"))
    run(Pipeline([*captioned(teach, SampleLot()), judge]), root / "source", str(root / "T"))
    teacher = Store(str(root / "T"))
    export(teacher, Trl(task="sft", rows=("caption", "judgement")), str(root / "rows"), where=TAUGHT)
    export(teacher, DatacompSubset(uid="curate"), str(root / "taught"), where=TAUGHT)
    subset = InSubset(Weights(str(root / "taught" / "subset.npy")), uid="curate")
    run(Pipeline(captioned(learn, subset, NotInSubset())), root / "source", str(root / "S"))
    return root


def kept(store):
    return {row["uid"]: row["caption"] for row in query(
        store, "SELECT uid, caption FROM samples WHERE dropped_by IS NULL AND error IS NULL").to_pylist()}  # fmt: skip


def test_the_student_describes_all_but_what_it_was_taught(loop):
    rows = [row for file in (loop / "rows").glob("*.parquet") for row in pq.read_table(file).to_pylist()]
    taught, said = {row["uid"] for row in rows}, kept(Store(str(loop / "S")))
    everything = kept(Store(str(loop / "T")))
    assert 0 < len(taught) < len(everything)
    assert set(said) == set(everything) - taught
    captions = {
        row["uid"]: row["completion"][0]["content"][0]["text"] for row in rows if "neutral" in row["instruction"]
    }
    assert captions == {uid: everything[uid] for uid in taught}
    scores = [row["completion"][0]["content"][0]["text"] for row in rows if "judge" in row["instruction"]]
    assert {json.loads(text)["ita"] for text in scores} == {5}
    assert len(scores) == len(taught)


def test_agreement_is_measured_on_the_images_that_both_describe(loop):
    found = agreement(Store(str(loop / "T")), Store(str(loop / "S")))
    said, taught = kept(Store(str(loop / "S"))), kept(Store(str(loop / "T")))
    assert (found.text, found.images) == ("caption", len(said))
    differ = sum(said[uid] != taught[uid] for uid in said)
    assert 0 < differ < len(said)
    assert found.overlap == pytest.approx(1 - differ / len(said))
    assert 0 < found.taken_up < 1
    teacher, student = found.means["object_recall"]
    assert teacher > student
    same = agreement(Store(str(loop / "T")), Store(str(loop / "T")))
    assert (same.overlap, same.taken_up, same.scores["ita"]) == (1.0, 1.0, (1.0, 0.0))


def test_the_command_prints_it_and_says_what_is_missing(loop, tmp_path):
    shown = CliRunner().invoke(app, ["agreement", str(loop / "T"), str(loop / "S")])
    assert shown.exit_code == 0
    assert "claims that both make" in shown.output
    run(Pipeline([FakeDetector()]), loop / "source", str(tmp_path / "plain"))
    with pytest.raises(PlanError, match="put CaptionEvidence into both recipes"):
        agreement(Store(str(loop / "T")), Store(str(tmp_path / "plain")))
    with pytest.raises(PlanError, match="not both runs have haiku"):
        agreement(Store(str(loop / "T")), Store(str(loop / "S")), "haiku")


def test_the_commands_of_the_document_build_their_recipes(loop, tmp_path, monkeypatch):
    monkeypatch.chdir(loop)
    (tmp_path / "student").mkdir()
    commands = re.findall(r"^curate run (\S+) .*?--dataset \w+ (.*)$", DOC.read_text(), re.MULTILINE)
    assert [name for name, _ in commands] == ["distil_teacher", "distil_student"]
    for name, words in commands:
        given = [word for word in shlex.split(words) if word != "-p"]
        here = [word.replace("./student", str(tmp_path / "student")) for word in given]
        pipeline, _ = build(find_recipe(name), here)
        assert "caption" in pipeline.schema().names
