"""A plan costs listings, not shards: only some open and new shards are looked at, and what it says is honest."""

import pytest

from curate.errors import PlanError
from curate.inspect.funnel import plan_table
from curate.pipeline import Pipeline
from curate.run import commit, planner
from curate.run.commit import commit_finished
from curate.run.planner import limit_shards, make_plan
from curate.run.spec import RunSpec
from curate.run.worker import Worker
from curate.sources import find_shards
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, TextLength

TEXTS = ["a", "bb", "ccc", "dddd"]


@pytest.fixture
def shards(tmp_path):
    for i in range(6):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", TEXTS)
    return find_shards([str(tmp_path / "in")])


def spec(tmp_path, *stages, **options):
    return RunSpec.resolve(Pipeline(stages), str(tmp_path / "out"), "000001-test", **options)


def measure(work, shards):
    for shard in shards:
        Worker(work, 0, lambda event: None, threaded=False).measure(shard)


def head(plan):
    return str(plan_table(plan).renderables[0])


def test_a_small_plan_counts_every_row(tmp_path, shards):
    plan = make_plan(spec(tmp_path, TextLength()), shards)

    assert plan.exact()
    assert plan.waiting()[0][2] == plan.rows() == 24
    assert head(plan) == "6 shards: 0 done, 0 to go on with, 6 new; 24 samples in the unfinished ones"


def test_a_large_plan_looks_at_some_shards_and_says_about(tmp_path, shards, monkeypatch):
    monkeypatch.setattr(planner, "LOOK_AT", 2)
    measure(spec(tmp_path, TextLength(), AtLeast("text_length", 3)), shards[:3])
    wider = spec(tmp_path, TextLength(), AtLeast("text_length", 3), TextLength(adds_name="again"))

    plan = make_plan(wider, shards)

    assert [each.state for each in plan.shards] == ["open"] * 3 + ["new"] * 3
    assert [each.rows for each in plan.shards] == [4, 4, None, 4, 4, None]
    assert not plan.exact()
    assert [rows for _, _, rows in plan.waiting()] == [12, 6]
    assert "about 24 samples" in head(plan)


def test_a_run_counts_no_new_shard(tmp_path, shards):
    plan = make_plan(spec(tmp_path, TextLength()), shards, count_new=False)

    assert {each.rows for each in plan.shards} == {None}
    assert plan.needs_workers


def test_what_can_be_committed_is_committed_and_the_rest_is_left_to_workers(tmp_path, shards, monkeypatch):
    monkeypatch.setattr(commit, "WAVE", 2)
    measure(spec(tmp_path, TextLength(), AtLeast("text_length", 3)), shards)
    again = TextLength(adds_name="again")
    measure(spec(tmp_path, TextLength(), AtLeast("text_length", 3), again), shards[:4])
    higher = spec(tmp_path, TextLength(), AtLeast("text_length", 4), again)

    left = commit_finished(higher, shards)

    assert left == shards[4:]
    assert higher.cells.shards(higher.verdict_id) == {shard.name for shard in shards[:4]}


def test_a_limit_ends_in_the_middle_of_a_shard(shards):
    assert [shard.limit for shard in limit_shards(shards, 10)] == [None, None, 2]
    assert limit_shards(shards, 24) == limit_shards(shards, 1000) == shards
    assert [shard.limit for shard in limit_shards(shards, 1)] == [1]
    with pytest.raises(PlanError):
        limit_shards(shards, 0)
