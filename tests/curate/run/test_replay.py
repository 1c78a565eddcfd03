"""Filters replayed over columns: nobody is lost, nobody has two reasons."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.dataset.cells import Outcomes, measured_table
from curate.errors import ContractError, SampleError
from curate.pipeline import Pipeline
from curate.run import replay as replays
from curate.stages import stage_id
from schemas.sample import SAMPLE
from tests.support.stages import AtLeast, TextLength

EXPERT = TextLength()


def replay(stages, *rest):
    return replays.replay(Pipeline(stages).resolve(), *rest)


def samples(n, errors=None):
    columns = {f.name: pa.nulls(n, f.type) for f in SAMPLE}
    outcomes = Outcomes(errors or [None] * n, np.ones(n, np.int16))
    uids = pa.array([f"u{i}" for i in range(n)], pa.string())
    return measured_table(SAMPLE, np.arange(n, dtype=np.int32), uids, columns, outcomes)


def cell(values, errors=None, measured=None):
    n = len(values)
    outcomes = Outcomes(errors or [None] * n, np.ones(n, np.int16))
    uids = pa.array([f"u{i}" for i in range(n)], pa.string())
    columns = {"text_length": pa.array(values, pa.float32())}
    table = measured_table(EXPERT.adds, np.arange(n, dtype=np.int32), uids, columns, outcomes)
    if measured is not None:
        table = table.set_column(2, table.schema.field("measured"), pa.array(measured))
    return {stage_id(EXPERT): table}


def test_a_null_value_is_unmeasured_and_never_kept():
    state = replay([EXPERT, AtLeast("text_length", 3)], samples(3), cell([5, 1, None]))

    assert state.kept.tolist() == [True, False, False]
    drop = "AtLeast(name='text_length', bound=3)"
    assert state.dropped_by.tolist() == [None, drop, f"unmeasured: {drop}"]


def test_the_first_filter_that_drops_is_the_reason():
    state = replay([EXPERT, AtLeast("text_length", 3), AtLeast("text_length", 9)], samples(2), cell([1, 5]))

    assert state.dropped_by.tolist() == [f"AtLeast(name='text_length', bound={b})" for b in (3, 9)]


def test_a_failed_sample_is_not_kept_and_names_its_stage_and_code():
    state = replay([EXPERT, AtLeast("text_length", 0)], samples(2), cell([None, 1], [SampleError("oops", "x"), None]))

    assert state.error.tolist() == ["text_length: oops", None]
    assert state.dropped_by.tolist() == [None, None]
    assert state.kept.tolist() == [False, True]


def test_unreadable_samples_are_pending_nowhere():
    state = replay([EXPERT], samples(2, [SampleError("missing_image", "x"), None]), {})

    assert state.error.tolist() == ["sample: missing_image", None]
    assert state.pending.tolist() == [-1, 0]


def test_only_rows_kept_so_far_are_pending():
    later = TextLength(adds_name="other")
    state = replay(
        [EXPERT, AtLeast("text_length", 3), later], samples(3), cell([5, 1, 7], measured=[True, True, False])
    )

    assert state.pending.tolist() == [2, -1, 0]


@pytest.mark.parametrize(("codes", "waits"), [(set(), [0, 0, -1]), ({"oops"}, [0, -1, -1]), ({"none"}, [-1, -1, -1])])
def test_with_retry_what_failed_is_pending_again(codes, waits):
    errors = [SampleError("oops", "x"), SampleError("other", "x"), None]
    state = replay([EXPERT], samples(3), cell([None, None, 1], errors), frozenset(codes))

    assert state.pending.tolist() == waits


def test_no_verdict_while_a_sample_is_pending():
    with pytest.raises(ContractError, match="1 samples are not measured yet"):
        replay([EXPERT], samples(1), {}).verdict(samples(1))


@given(st.lists(st.one_of(st.none(), st.floats(0, 10, width=32)), max_size=30), st.floats(0, 10), st.floats(0, 10))
@settings(deadline=None)
def test_every_sample_is_kept_or_dropped_for_one_reason(values, low, high):
    state = replay(
        [EXPERT, AtLeast("text_length", low), AtLeast("text_length", high)], samples(len(values)), cell(values)
    )

    reasons = np.array([reason is not None for reason in state.dropped_by], dtype=bool)
    assert (state.kept ^ reasons).all()
