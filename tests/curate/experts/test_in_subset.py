import json

import numpy as np
import pyarrow as pa
import pytest

from curate.errors import PlanError
from curate.experts.in_subset import InSubset
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.local import measure
from curate.sources.datacomp_subset import uid_pairs
from curate.stages import stage_id
from filters.subset_only import SubsetOnly

UIDS = ["f" * 32, "0" * 31 + "1", "0" * 32]


def subset(tmp_path, uids, name="subset.npy"):
    np.save(tmp_path / name, np.unique(uid_pairs(uids)))
    return Weights(str(tmp_path / name))


def samples(*uids):
    return pa.table({"metadata": pa.array([uid and json.dumps({"uid": uid}) for uid in uids], pa.string())})


def test_the_filter_keeps_exactly_what_the_file_names(tmp_path):
    stage = InSubset(subset(tmp_path, [UIDS[0], UIDS[2]]))
    table = measure(Pipeline([stage, SubsetOnly()]), samples(UIDS[0].upper(), UIDS[1], UIDS[2], None, "short"))
    assert table["in_subset"].to_pylist() == [True, False, True, None, None]
    assert [each is None for each in table["dropped_by"].to_pylist()] == [True, False, True, False, False]


def test_curates_own_uids_need_no_metadata(tmp_path):
    stage = InSubset(subset(tmp_path, [UIDS[1]]), uid="curate")
    table = measure(Pipeline([stage]), pa.table({"uid": UIDS}))
    assert table["in_subset"].to_pylist() == [False, True, False]


def test_two_files_stand_side_by_side(tmp_path):
    stages = [InSubset(subset(tmp_path, UIDS[:1], "a.npy")), InSubset(subset(tmp_path, UIDS, "b.npy"), prefix="b_")]
    table = measure(Pipeline([*stages, SubsetOnly("b_in_subset")]), samples(UIDS[0], UIDS[1]))
    assert table["b_in_subset"].to_pylist() == [True, True]
    assert table["in_subset"].to_pylist() == [True, False]


def test_the_content_of_the_file_is_the_identity_and_its_folder_is_not(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    one, same = subset(tmp_path, UIDS), subset(tmp_path / "elsewhere", UIDS)
    assert stage_id(InSubset(one)) == stage_id(InSubset(same))
    assert stage_id(InSubset(subset(tmp_path / "elsewhere", UIDS[:2]))) != stage_id(InSubset(one))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (InSubset(), "no subset file is given; give one with -p in_subset.subset=FILE.npy"),
        (InSubset(Weights("some/name")), "subset=some/name is no path"),
        (InSubset(Weights("/nowhere/subset.npy")), "not found: /nowhere/subset.npy"),
    ],
)
def test_a_file_that_is_not_there_is_one_sentence_before_work_starts(stage, message):
    with pytest.raises(PlanError, match=message):
        stage.check()


def test_an_unsorted_file_stops_the_run(tmp_path):
    np.save(tmp_path / "subset.npy", uid_pairs(UIDS))
    with pytest.raises(PlanError, match=r"subset\.npy is not sorted: row 1"):
        InSubset(Weights(str(tmp_path / "subset.npy"))).load()
