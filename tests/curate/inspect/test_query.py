"""Laws of `curate query`: one row per source sample, and nothing but reading."""

import csv
import hashlib
import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.dataset.manifest import latest, run_ids
from curate.errors import PlanError, StoreError
from curate.experts.dense_caption import DenseCaption
from curate.experts.image_facts import ImageFacts
from curate.inspect.query import query
from curate.inspect.tables import format_table
from curate.inspect.view import UNFINISHED, run_view
from curate.pipeline import Pipeline
from curate.stages import Expert, stage_id
from curate.storage.store import Store
from schemas.sample import SAMPLE
from tests.support.dataset_folder import FILTER, FakeClip, add_rows, caption, pipeline, run

EXPERTS = [stage for stage in pipeline().stages if isinstance(stage, Expert)]


def test_one_row_per_source_sample_with_all_columns_in_stage_order(folder):
    table = query(folder.store, "SELECT * FROM samples")
    experts = [name for stage in EXPERTS for name in stage.adds.names]
    rest = [name for name in SAMPLE.names if name not in {"shard", "key"}]
    assert table.column_names == ["uid", "shard", "key", "row", *rest, *experts, "dropped_by", "error"]
    assert sorted(table["uid"].to_pylist()) == sorted(folder.images)


def test_values_come_from_their_own_sample(folder):
    rows = query(folder.store, 'SELECT * FROM samples WHERE "row" = 4 ORDER BY shard').to_pylist()
    assert [row["clip_score"] for row in rows] == [pytest.approx(0.4)] * 2
    assert rows[0]["clip_embedding"] == pytest.approx([0.4] * 16, rel=1e-3)
    assert [row["image_sha256"] for row in rows] == [
        hashlib.sha256(folder.images[folder.uid(4, shard)]).hexdigest() for shard in (0, 1)
    ]
    assert [row["caption"] for row in rows] == [caption(4)] * 2
    assert [row["key"] for row in rows] == ["000000004", "000010004"]


def test_verdict_and_errors_are_columns(folder):
    rows = query(folder.store, 'SELECT dropped_by, error FROM samples ORDER BY shard, "row" LIMIT 4').to_pylist()
    assert [row["error"] for row in rows] == ["sample: missing_image", "image_facts: image_truncated", None, None]
    assert [row["dropped_by"] for row in rows] == [None, None, repr(FILTER), None]


def test_what_a_later_run_measured_is_there_like_the_rest(folder):
    stage = next(stage for stage in EXPERTS if isinstance(stage, DenseCaption))
    assert len(folder.store.list(f"columns/{stage_id(stage)}")) == 4  # two cells, each with an addition
    rows = query(folder.store, 'SELECT caption FROM samples ORDER BY shard, "row"')["caption"].to_pylist()
    assert rows == [None, None, None, caption(3), caption(4), caption(5)] * 2


def test_later_additions_replace_what_was_measured_before(own_folder):
    add_rows(own_folder, FakeClip(), 0, [2, 3], attempt=2, clip_score=0.9)
    add_rows(own_folder, FakeClip(), 0, [3], attempt=3, clip_score=0.95)
    rows = query(own_folder.store, 'SELECT clip_score FROM samples ORDER BY shard, "row"')["clip_score"].to_pylist()
    want = [None, None, 0.9, 0.95, 0.4, 0.5, None, None, 0.2, 0.3, 0.4, 0.5]
    assert rows == [None if value is None else pytest.approx(value) for value in want]


def test_the_tenth_addition_comes_after_the_ninth(own_folder):
    for score in range(2, 13):
        add_rows(own_folder, FakeClip(), 0, [3], attempt=2, clip_score=score / 100)
    (row,) = query(own_folder.store, "SELECT clip_score FROM samples WHERE key = '000000003'").to_pylist()
    assert row["clip_score"] == pytest.approx(0.12)


def test_stages_without_cells_give_typed_nulls_and_samples_without_a_verdict_are_unfinished(own_folder):
    """So it is while a run is at work: its manifest is there, its cells are not."""
    manifest = latest(own_folder.store)
    for folder in [stage_id(FakeClip()), manifest.verdict]:
        for name in own_folder.store.list(f"columns/{folder}"):
            own_folder.store.remove(f"columns/{folder}/{name}")
    table = query(own_folder.store, "SELECT clip_score, clip_embedding, error FROM samples")
    assert table.schema.field("clip_score").type == pa.float32()
    assert table.schema.field("clip_embedding").type.value_type == pa.float32()
    assert table["clip_score"].null_count == table.num_rows == 12
    assert set(table["error"].to_pylist()) == {UNFINISHED}


def test_a_run_that_has_read_nothing_has_columns_and_no_rows(own_folder):
    for folder in own_folder.store.local_path("columns").iterdir():
        for file in folder.iterdir():
            file.unlink()
    table = query(own_folder.store, "SELECT * FROM samples")
    assert table.num_rows == 0
    assert table.schema.field("members").type.value_type.field("offset").type == pa.int64()


def test_other_runs_and_other_shards_are_not_in_the_view(own_folder):
    first, before = own_folder.shards[0], latest(own_folder.store).id
    Path(first.url).unlink()
    run(Pipeline([ImageFacts()]), own_folder.source, own_folder.store.root)
    table = query(own_folder.store, "SELECT * FROM samples")
    assert first.name not in table["shard"].to_pylist()
    assert "clip_score" not in table.column_names
    assert query(own_folder.store, "SELECT * FROM samples", before).num_rows == 12


def test_a_limit_cuts_the_shard(own_folder):
    run(pipeline(), own_folder.source, own_folder.store.root, limit=8)
    assert query(own_folder.store, "SELECT * FROM samples").num_rows == 8


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/hostname')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
        "COPY samples TO '{tmp}/stolen.csv'",
        "ATTACH '{tmp}/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA version",
        "SET threads = 1",
        "RESET lock_configuration",
        "CREATE TABLE t(a INT)",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY samples TO '{tmp}/stolen.csv'",
        "EXPORT DATABASE '{tmp}/stolen'",
        "EXPLAIN ANALYZE COPY samples TO '{tmp}/stolen.csv'",
        "",
        "-- nothing",
    ],
)
def test_only_one_select_over_samples_is_allowed(folder, tmp_path, sql):
    roots = (tmp_path, folder.store.local_path())
    before = [sorted(root.rglob("*")) for root in roots]
    with pytest.raises(PlanError, match="query"):
        query(folder.store, sql.format(tmp=tmp_path))
    assert [sorted(root.rglob("*")) for root in roots] == before


def test_python_variables_are_not_tables(folder):
    secret = pa.table({"a": [1]})
    with pytest.raises(PlanError, match="secret"):
        query(folder.store, "SELECT * FROM secret")
    assert secret.num_rows == 1


@pytest.mark.parametrize(
    "sql", ["SELECT clip_scor FROM samples", "SELEC 1", "SELECT * FROM sampels", "SELECT key + 1 FROM samples"]
)
def test_mistakes_name_the_columns_there_are(folder, sql):
    with pytest.raises(PlanError, match=r"columns of `samples`: uid, shard, key, row, .*clip_score") as caught:
        query(folder.store, sql)
    assert "\n" not in str(caught.value)


def test_a_damaged_cell_is_a_store_error(own_folder):
    cell = f"columns/{stage_id(FakeClip())}"
    own_folder.store.write_bytes(f"{cell}/{own_folder.store.list(cell)[1]}", b"PAR1 not really")
    with pytest.raises(StoreError, match="cannot be read"):
        query(own_folder.store, "SELECT sum(clip_score) FROM samples")


def test_a_folder_without_runs_is_one_sentence(tmp_path):
    with pytest.raises(PlanError, match="not a dataset"):
        query(Store(str(tmp_path)), "SELECT 1")


def test_object_stores_are_read_in_the_same_way(folder):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(folder.store.root, "/query-test/dataset", recursive=True)
    remote = Store("memory://query-test/dataset")
    sql = 'SELECT * FROM samples ORDER BY shard, "row"'
    assert query(remote, sql).equals(query(folder.store, sql))
    manifest = f"memory://query-test/dataset/runs/{latest(remote).id}.json"
    with pytest.raises(PlanError, match="can only read"):
        query(remote, f"SELECT * FROM read_text('{manifest}')")


def test_quotes_and_spaces_in_the_path_are_fine(folder, tmp_path):
    dataset = tmp_path / "it's a [folder] with 100% *"
    shutil.copytree(folder.store.local_path(), dataset)
    assert query(Store(str(dataset)), "SELECT count(*) AS n FROM samples").to_pylist() == [{"n": 12}]


ODD = pa.table(
    {
        "half": pa.array([[0.5, 1.0]], pa.list_(pa.float16())),
        "single": pa.array([0.29], pa.float32()),
        "nan": [float("nan")],
        "raw": [b"\x00\xff"],
        "nested": [[{"label": "a\x1b[31m", "box": [0.1]}]],
        "text": ['[bold]a,"b"\n\x1b[2J\u202e'],
        "big": pa.array([2**64 - 1], pa.uint64()),
        "none": pa.nulls(1),
    }
)


def test_json_is_valid_and_keeps_short_floats():
    (row,) = json.loads(format_table(ODD, "json"), parse_constant=pytest.fail)
    assert row["half"] == [0.5, 1.0]
    assert row["single"] == 0.29
    assert row["nan"] is None
    assert row["raw"] == "00ff"
    assert row["nested"] == [{"label": "a\x1b[31m", "box": [0.1]}]
    assert row["text"] == ODD["text"][0].as_py()
    assert row["big"] == 2**64 - 1


def test_csv_is_read_back_by_the_standard_library():
    (row,) = csv.DictReader(io.StringIO(format_table(ODD, "csv"), newline=""))
    assert row["text"] == ODD["text"][0].as_py()
    assert json.loads(row["nested"]) == [{"label": "a\x1b[31m", "box": [0.1]}]
    assert row["half"] == "[0.5,1.0]"
    assert row["raw"] == "00ff"


def test_parquet_is_read_back_unchanged():
    table = ODD.drop_columns(["nan"])  # not equal to itself
    assert pq.read_table(io.BytesIO(format_table(table, "parquet"))).cast(table.schema).equals(table)


@pytest.mark.parametrize("width", [400, 40])
def test_untrusted_text_cannot_move_the_terminal(width):
    text = format_table(ODD, "table", width)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold]a" in text


def test_long_tables_say_how_much_is_left_out():
    text = format_table(pa.table({"n": range(250)}), "table")
    assert "150 more rows" in text


def test_an_embedding_is_shown_by_its_length_as_in_show(folder):
    table = query(folder.store, "SELECT clip_embedding FROM samples WHERE key = '000000004'")
    assert "16 numbers" in format_table(table, "table")


def test_an_empty_table_formats():
    empty = ODD.slice(0, 0)
    assert json.loads(format_table(empty, "json")) == []
    assert "half" in format_table(empty, "csv")
    assert "half" in format_table(empty, "table", 400)


def test_values_of_every_type_duckdb_can_return_are_formatted(folder):
    sql = """SELECT sum(image_phash) s, avg(clip_score) a, now() t, DATE '2026-01-02' d, INTERVAL 1 DAY i,
        1.5::DECIMAL(4,2) c FROM samples"""
    table = query(folder.store, sql)
    (row,) = json.loads(format_table(table, "json"))
    hashes = query(folder.store, "SELECT image_phash FROM samples WHERE image_phash IS NOT NULL")["image_phash"]
    assert row["s"] == sum(hashes.to_pylist()) > 2**64
    assert row["d"] == "2026-01-02"
    for kind in ("table", "csv", "parquet"):
        assert format_table(table, kind)


def test_the_newest_run_is_the_default(folder):
    first, second = run_ids(folder.store)
    assert run_view(folder.store).run.id == second
    assert query(folder.store, "SELECT * FROM samples WHERE dropped_by IS NOT NULL", first).num_rows == 4
    assert query(folder.store, "SELECT * FROM samples WHERE dropped_by IS NOT NULL").num_rows == 2
