"""A stage that fails or drops far too often stops the run, and says how to go on."""

import pytest

from curate.errors import BreakerError, PlanError, SampleError
from curate.pipeline import FailureLimits, Pipeline
from curate.run.breaker import Breaker
from curate.run.commit import RunSpec
from curate.run.worker import Worker
from curate.sources import find_shards
from curate.stages import Resources
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, TextLength

BROKEN = SampleError("expert_failed", "RuntimeError: no kernel")
DAMAGED = SampleError("image_undecodable", "not a picture")


def test_a_stage_that_fails_on_more_than_its_limit_stops_the_run():
    watch = Breaker(FailureLimits(max_error_frac=0.5, min_rows=10))
    watch.measured("clip", [BROKEN] * 9)

    with pytest.raises(BreakerError, match=r"clip failed on 95% of the last 19 rows, .*no kernel.*max_error_frac=None"):
        watch.measured("clip", [BROKEN] * 9 + [None])


def test_exactly_the_limit_is_allowed_and_stages_are_counted_apart():
    watch = Breaker(FailureLimits(max_error_frac=0.5, min_rows=2))

    watch.measured("clip", [BROKEN, None])
    watch.measured("ocr", [None, None])
    watch.measured("ocr", [BROKEN, BROKEN])


def test_broken_images_stop_nothing():
    Breaker(FailureLimits(min_rows=1)).measured("clip", [DAMAGED] * 1000)


def test_only_the_last_rows_count():
    watch = Breaker(FailureLimits(max_error_frac=0.5, window_rows=100, min_rows=100))
    for _ in range(10):
        watch.measured("clip", [None] * 100)

    with pytest.raises(BreakerError, match="last 100 rows"):
        watch.measured("clip", [BROKEN] * 100)


def test_limits_can_be_lifted():
    watch = Breaker(FailureLimits(None, None, min_rows=1))
    watch.measured("clip", [BROKEN] * 1000)
    watch.decided("MinSide(200)", 1000, 1000)


@pytest.mark.parametrize("wrong", [{"max_error_frac": 2}, {"max_drop_frac": -1}, {"min_rows": 0}])
def test_a_wrong_limit_says_what_is_allowed(wrong):
    with pytest.raises(PlanError, match=next(iter(wrong))):
        FailureLimits(**wrong)


def test_a_run_is_stopped_and_a_wider_guard_keeps_every_identity(tmp_path):
    path = write_shard(tmp_path / "in" / "00000.tar", ["a", "bb", "ccc", "dddd"])
    (shard,) = find_shards([str(path)])
    one = Resources(batch_rows=3, in_flight=1)  # one batch after the other, so that the guard sees the first alone
    failing, strict = TextLength(crash=("a", "bb", "ccc"), resources=one), FailureLimits(min_rows=2)
    dropping = [TextLength(resources=one), AtLeast("text_length", 4)]

    with pytest.raises(BreakerError, match="the model fell over"):
        Worker(RunSpec(Pipeline([failing], strict), str(tmp_path / "a"), "1"), 0, lambda tick: None).measure(shard)
    drop = Pipeline(dropping, FailureLimits(max_drop_frac=0.9, min_rows=2))
    with pytest.raises(BreakerError, match=r"AtLeast\(.*\) dropped 100% of the last 3 rows"):
        Worker(RunSpec(drop, str(tmp_path / "b"), "1"), 0, lambda tick: None).measure(shard)
    assert Pipeline(dropping, strict).verdict_id() == Pipeline(dropping).verdict_id()
