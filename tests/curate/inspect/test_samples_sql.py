import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.errors import StoreError
from curate.inspect.query import ask, query
from curate.inspect.samples_sql import UNFIT, columns_of
from curate.inspect.view import open_view, quarantine_of, run_view, used_columns, view_of
from curate.stages import SAMPLE_STAGE

QUESTIONS = (
    "SELECT * FROM samples ORDER BY uid",
    "SELECT count(*) FROM samples",
    "SELECT uid, clip_score FROM samples WHERE dropped_by IS NULL AND error IS NULL ORDER BY 1",
    "SELECT dropped_by, error, count(*) AS n FROM samples GROUP BY ALL ORDER BY ALL",
    "SELECT samples FROM samples ORDER BY samples.uid",
    "SELECT columns('clip|caption') FROM samples ORDER BY uid",
    "WITH t AS (SELECT * FROM samples) SELECT u.caption FROM t JOIN samples u USING (uid) ORDER BY t.image_width_px, 1",
    "SELECT uid FROM samples s WHERE EXISTS (SELECT 1 FROM samples o WHERE o.clip_score > s.clip_score) ORDER BY 1",
    "SELECT column_name, column_type FROM (DESCRIBE samples)",
    "SELECT min(clip_score) FROM samples WHERE false",
    "SELECT label, count(*) AS n FROM (SELECT unnest(objects).label AS label FROM samples) GROUP BY 1 ORDER BY ALL",
    "SELECT 1 AS one",
)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_a_view_of_the_columns_that_are_read_answers_as_the_whole_view(folder, sql):
    with open_view(folder.store) as whole:
        assert query(folder.store, sql) == ask(whole, sql)


def shown(folder):
    return columns_of(run_view(folder.store).run, quarantine_of(folder.store))


def test_a_plan_names_the_columns_that_a_query_reads(folder):
    empty = shown(folder).empty()
    assert used_columns(empty, "SELECT avg(clip_score) FROM samples WHERE uid > '8'") == ["clip_score", "uid"]
    assert used_columns(empty, "SELECT count(*) FROM samples") == []
    assert used_columns(empty, "SELECT * FROM samples") == sorted(run_view(folder.store).names())
    assert used_columns(empty, "SELECT members[1].name FROM samples") == ["members"]
    assert used_columns(empty, "SELECT nothing FROM samples") is None
    assert used_columns(empty, "SELECT 1; CREATE TABLE other(a INT)") is None


def test_only_the_cells_of_the_columns_are_looked_for(folder):
    view = view_of(folder.store, shown(folder), ["clip_score"])
    clip = next(stage.id for stage in view.run.stages if "clip_score" in stage.schema().names)
    assert list(view.files) == [SAMPLE_STAGE, clip]
    assert "DenseCaption" not in view.sql(view.shards, ["clip_score"])


def test_types_without_a_cell_are_those_that_duckdb_reads_from_parquet(folder):
    whole = query(folder.store, "SELECT * FROM samples LIMIT 0").schema
    run = run_view(folder.store).run
    with open_view(folder.store) as connection:
        empty = connection.sql(columns_of(run).empty()).to_arrow_table().schema
    assert empty == whole


@pytest.mark.parametrize("change", ["fewer", "turned"])
def test_a_cell_that_does_not_fit_its_samples_is_an_error_and_no_wrong_answer(own_folder, change):
    stage = next(s.id for s in run_view(own_folder.store).run.stages if "clip_score" in s.schema().names)
    path = own_folder.store.local_path(f"columns/{stage}/{own_folder.shards[0].name}.parquet")
    cell = pq.read_table(path)
    rows = list(range(1, cell.num_rows)) if change == "fewer" else list(reversed(range(cell.num_rows)))
    own_folder.store.write_table(
        f"columns/{stage}/{path.name}", cell.take(pa.array(rows)).replace_schema_metadata(None)
    )
    with pytest.raises(StoreError, match=UNFIT):
        query(own_folder.store, "SELECT avg(clip_score) FROM samples")
