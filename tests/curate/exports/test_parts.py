import numpy as np
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import PlanError
from curate.exports.export import export
from curate.exports.formats.datacomp_subset import DatacompSubset
from curate.exports.formats.webdataset import WebDataset
from curate.exports.parts import export_parts
from curate.inspect.query import query

KEPT = "dropped_by IS NULL AND error IS NULL"


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_each_value_is_an_export_of_its_own_with_the_samples_of_that_value(folder, tmp_path):
    report = export_parts(folder.store, WebDataset(), str(tmp_path / "out"), "shard")
    shards = query(folder.store, f"SELECT DISTINCT shard FROM samples WHERE {KEPT} ORDER BY 1")["shard"].to_pylist()
    assert list(report.reports) == shards
    for name in shards:
        export(folder.store, WebDataset(), str(tmp_path / name), where=f"shard = '{name}'")
        part, alone = (tree(folder) for folder in (tmp_path / "out" / f"shard-{name}", tmp_path / name))
        assert {path: data for path, data in part.items() if path.suffix == ".tar"} == {
            path: data for path, data in alone.items() if path.suffix == ".tar"
        }
        assert part.keys() == alone.keys()
    assert sum(each.counts["samples"] for each in report.reports.values()) == 6


def test_a_condition_narrows_every_part_and_means_are_those_of_its_samples(folder, tmp_path):
    where = "clip_score > 0.35"
    report = export_parts(folder.store, DatacompSubset(), str(tmp_path / "out"), "row", where)
    assert list(report.reports) == ["4", "5"]
    assert report.means["clip_score"].to_pylist() == pytest.approx([0.4, 0.5])
    assert [len(np.load(tmp_path / "out" / f"row-{row}" / "subset.npy")) for row in (4, 5)] == [2, 2]


def test_samples_without_a_value_are_in_no_part_and_are_counted(folder, tmp_path):
    result = CliRunner().invoke(
        app, ["export", folder.store.root, str(tmp_path / "out"), "--by", "pair_kind", "--to", "datacomp-subset"]
    )
    assert result.exit_code == 0, result.output
    without = query(folder.store, f"SELECT count(*) AS n FROM samples WHERE {KEPT} AND pair_kind IS NULL")["n"][0]
    assert without.as_py() > 0
    assert f"{without} kept samples have no pair_kind" in result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pair_kind-wrong_count"]


@pytest.mark.parametrize(
    ("column", "where", "message"),
    [
        ("tier", None, "--by 'tier': the run has no such column; it has uid"),
        ("clip_score", None, "it is float; give a column of text, whole numbers or truths"),
        ("alt_text", None, "cannot name a folder; exclude it with --where"),
        ("row", "nonsense", "nonsense"),
    ],
)
def test_what_cannot_be_split_is_one_sentence_and_writes_nothing(folder, tmp_path, column, where, message):
    with pytest.raises(PlanError, match=message):
        export_parts(folder.store, WebDataset(), str(tmp_path / "out"), column, where)
    assert not (tmp_path / "out").exists()
