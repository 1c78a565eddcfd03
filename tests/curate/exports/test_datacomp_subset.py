import json

import numpy as np
import pytest

from curate.errors import PlanError
from curate.experts.in_subset import InSubset
from curate.exports.export import export
from curate.exports.formats.datacomp_subset import DatacompSubset
from curate.exports.options import read_format
from curate.inspect.query import query
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.local import measure

KEPT = "SELECT uid, metadata FROM samples WHERE dropped_by IS NULL AND error IS NULL"


def rows(out, name="subset.npy"):
    return [f"{high:016x}{low:016x}" for high, low in np.load(f"{out}/{name}").tolist()]


def test_the_file_holds_the_metadata_uids_of_the_kept_samples_sorted(folder, tmp_path):
    report = export(folder.store, read_format("datacomp-subset"), str(tmp_path / "out"))
    kept = [json.loads(text)["uid"] for text in query(folder.store, KEPT)["metadata"].to_pylist()]
    assert rows(report.out) == sorted(kept)
    assert kept != sorted(kept)
    assert report.counts["samples"] == len(kept) > 0
    raw = np.load(f"{report.out}/subset.npy")
    assert (raw.dtype, raw.shape) == (np.dtype("u8,u8"), (len(kept),))


def test_own_uids_are_written_on_demand(folder, tmp_path):
    out = str(tmp_path / "out")
    export(folder.store, DatacompSubset("own", uid="curate"), out)
    assert rows(out, "own.npy") == sorted(query(folder.store, KEPT)["uid"].to_pylist())


def test_what_an_export_wrote_a_run_finds_again(folder, tmp_path):
    out = str(tmp_path / "out")
    export(folder.store, DatacompSubset(), out, where="clip_score > 0.35")
    everything = query(folder.store, "SELECT uid, metadata, coalesce(clip_score > 0.35, false) AS chosen FROM samples")
    stage = InSubset(Weights(f"{out}/subset.npy"))
    found = measure(Pipeline([stage]), everything.select(["uid", "metadata"]))["in_subset"].to_pylist()
    assert found == everything["chosen"].to_pylist()
    assert True in found


def test_whose_uid_is_one_of_two():
    with pytest.raises(PlanError, match="give metadata or curate"):
        DatacompSubset(uid="mine")
