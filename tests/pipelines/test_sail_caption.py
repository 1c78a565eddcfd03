"""Nothing is dropped on the word of a judge that was not measured."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from curate.errors import PlanError
from curate.experts.caption_gate import CaptionGate
from curate.experts.caption_judge import CaptionJudge
from curate.experts.dense_caption import DenseCaption
from curate.recipe import build, find_recipe
from curate.stages import stage_id
from tests.support.endpoints import Behaviour, serving
from tests.support.images import noise, tar_bytes

ROOT = Path(__file__).parents[2]


def stages(*assignments):
    pipeline, _ = build(find_recipe("sail_caption"), list(assignments))
    pipeline.schema()
    return {type(one): one for one in pipeline.stages}


def test_without_a_judge_of_its_own_the_writer_judges_in_the_same_engine():
    both = stages("engine.model=my/vlm")
    assert both[CaptionJudge].engine == both[DenseCaption].engine
    pipeline, _ = build(find_recipe("sail_caption"), [])
    assert len([segment for segment in pipeline.segments() if segment.engine]) == 1


def test_a_judge_of_its_own_is_another_engine_and_the_gate_knows_it():
    both = stages("judge.model=my/judge", "judge.servers=http://a/v1")
    assert both[CaptionJudge].engine != both[DenseCaption].engine
    assert both[CaptionGate].judge == stage_id(both[CaptionJudge])


def test_the_gate_stays_shut_without_a_calibration():
    with pytest.raises(PlanError, match="no caption may be dropped on the word of caption_judge"):
        stages()[CaptionGate].check()
    stages("uncalibrated=true")[CaptionGate].check()


GOOD = (
    "Two brown dogs run over wet grass beside a white fence, one with a red ball in its mouth, while long shadows of "
    "poplars fall across the meadow and a narrow path leads up to a farmhouse with closed shutters."
)
POOR = (
    "Two green boats stand on dry sand beside a tall tower, one with a torn sail over its bow, while gulls circle "
    "above the breakwater and a narrow street leads down to a market with striped awnings."
)


def answers(text, number):
    """Write a good or a poor caption in turn, and judge each by what it says."""
    if "dogs" in text or "boats" in text:
        score = 5 if "dogs" in text else 1
        content = json.dumps({"vir": score, "ita": score, "reason": "as told"})
    else:
        content = GOOD if int(re.findall(r"number (\d+)", text)[-1]) % 2 else POOR
    return 200, {"choices": [{"message": {"content": content}, "finish_reason": "stop"}], "usage": {}}


@pytest.mark.slow
@pytest.mark.ray
def test_the_documented_way_from_nothing_to_a_calibrated_run_works_as_written(tmp_path):
    page = (ROOT / "docs" / "judges.md").read_text().partition("## From nothing")[2].partition("\n## ")[0]
    blocks = [block.partition("```")[0].replace("\\\n", " ") for block in page.split("```\n")[1::2]]
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("curate ")]
    first, ask, calibrate, last = commands
    members = [
        (f"{i:03}.{kind}", data)
        for i in range(80)
        for kind, data in (("jpg", noise(240, 240, i)), ("txt", b"number %d" % i))
    ]
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "00000.tar").write_bytes(tar_bytes(members))
    with serving(Behaviour(answers)) as (url,):
        engine = f" -p engine.model=any -p engine.servers={url}"
        shell(f"{first}{engine} --local", tmp_path)
        shell(ask, tmp_path)
        rows = json.loads((tmp_path / "to-label.json").read_text())
        labels = [{"uid": r["uid"], "caption": r["caption"], "vir": 4, "ita": 4} for r in rows]
        for label in labels:
            if label["caption"] == POOR:
                label.update(vir=2, ita=1)
        (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)))
        shell(calibrate + engine, tmp_path)
        done = shell(last + engine, tmp_path)
    assert "dropped by CaptionAccepted" in done
    kept = shell(
        "curate query out --format csv 'SELECT DISTINCT caption FROM samples WHERE dropped_by IS NULL'", tmp_path
    )
    assert GOOD in kept
    assert POOR not in kept


def shell(command, folder):
    """Run a command of the page in a folder and return what it printed."""
    line = command.replace("curate ", f"{sys.executable} -m curate.cli ", 1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
