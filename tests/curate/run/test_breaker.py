"""A stage that fails or drops far too often stops the run, and says how to go on."""

import pytest

from curate.errors import BreakerError, PlanError, SampleError
from curate.pipeline import FailureLimits, Pipeline, Step
from curate.run.breaker import Breaker
from curate.run.spec import RunSpec
from curate.run.worker import Worker
from curate.sources import find_shards
from curate.stages import Resources
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, TextLength

BROKEN = SampleError("expert_failed", "RuntimeError: no kernel")
DAMAGED = SampleError("image_undecodable", "not an image")
CLIP, OCR = (Step(TextLength(), f"{name}-v1-0", name, "") for name in ("clip", "ocr"))


def test_a_stage_that_fails_on_more_than_its_limit_stops_the_run():
    breaker = Breaker(FailureLimits(max_error_frac=0.5, min_rows=10))
    breaker.measured(CLIP, [BROKEN] * 9)

    with pytest.raises(BreakerError, match=r"clip failed on 95% of the last 19 rows, .*no kernel.*max_error_frac=None"):
        breaker.measured(CLIP, [BROKEN] * 9 + [None])


def test_exactly_the_limit_is_allowed_and_stages_are_counted_apart():
    breaker = Breaker(FailureLimits(max_error_frac=0.5, min_rows=2))

    breaker.measured(CLIP, [BROKEN, None])
    breaker.measured(OCR, [None, None])
    breaker.measured(OCR, [BROKEN, BROKEN])


def test_two_stages_of_one_class_have_windows_of_their_own():
    first, second = Pipeline([TextLength(), TextLength(adds_name="other")]).resolve()
    breaker = Breaker(FailureLimits(max_error_frac=0.5, min_rows=10))
    breaker.measured(first, [None] * 100)

    with pytest.raises(BreakerError, match=f"{second.id} failed on 100% of the last 10 rows"):
        breaker.measured(second, [BROKEN] * 10)


def test_broken_images_stop_nothing():
    Breaker(FailureLimits(min_rows=1)).measured(CLIP, [DAMAGED] * 1000)


def test_only_the_last_rows_count():
    breaker = Breaker(FailureLimits(max_error_frac=0.5, window_rows=100, min_rows=100))
    for _ in range(10):
        breaker.measured(CLIP, [None] * 100)

    with pytest.raises(BreakerError, match="last 100 rows"):
        breaker.measured(CLIP, [BROKEN] * 100)


def test_limits_can_be_lifted():
    breaker = Breaker(FailureLimits(None, None, min_rows=1))
    breaker.measured(CLIP, [BROKEN] * 1000)
    breaker.decided(CLIP, 1000, 1000)


@pytest.mark.parametrize("wrong", [{"max_error_frac": 2}, {"max_drop_frac": -1}, {"min_rows": 0}])
def test_a_wrong_limit_says_what_is_allowed(wrong):
    with pytest.raises(PlanError, match=next(iter(wrong))):
        FailureLimits(**wrong)


def test_a_run_is_stopped_and_a_wider_limit_keeps_every_identity(tmp_path):
    path = write_shard(tmp_path / "in" / "00000.tar", ["a", "bb", "ccc", "dddd"])
    (shard,) = find_shards([str(path)])
    one = Resources(batch_rows=3, in_flight=1)  # one batch after the other, so that the breaker gets the first alone
    failing, strict = TextLength(crash=("a", "bb", "ccc"), resources=one), FailureLimits(min_rows=2)
    dropping = [TextLength(resources=one), AtLeast("text_length", 4)]

    with pytest.raises(BreakerError, match="the model fell over"):
        Worker(RunSpec.resolve(Pipeline([failing], strict), str(tmp_path / "a")), 0, lambda event: None).measure(shard)
    drop = Pipeline(dropping, FailureLimits(max_drop_frac=0.9, min_rows=2))
    with pytest.raises(BreakerError, match=r"AtLeast\(.*\) dropped 100% of the last 3 rows"):
        Worker(RunSpec.resolve(drop, str(tmp_path / "b")), 0, lambda event: None).measure(shard)
    assert Pipeline(dropping, strict).verdict_id() == Pipeline(dropping).verdict_id()
