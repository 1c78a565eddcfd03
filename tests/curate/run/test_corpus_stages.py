"""A corpus stage in a run: its cells belong to a pool, and only what the pool changes is done again."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from curate.corpus.rank_fraction import RankFraction
from curate.dataset.compact import compact
from curate.dataset.gc import collect
from curate.dataset.manifest import latest
from curate.dataset.verify import verify
from curate.inspect.failures import failures
from curate.inspect.funnel import plan_table
from curate.inspect.query import query
from curate.inspect.show import sample_facts
from curate.pipeline import Pipeline
from curate.run.local import measure
from curate.run.runner import RunRequest, prepare, run
from curate.stages import Resources
from curate.storage.store import Store
from filters.max_rank_frac import MaxRankFrac
from tests.support.shards import image, write_shard
from tests.support.stages import AtLeast, Brightness, ShareOfPool, TextLength

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee"]
RANK = RankFraction("text_length")
BEST = (RANK, MaxRankFrac("rank_frac", 0.5), Brightness())


@pytest.fixture
def ask(tmp_path):
    for i in range(3):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", TEXTS)

    def request(*stages, shards=range(3), dataset="out", **options):
        inputs = [str(tmp_path / "in" / f"{i:05d}.tar") for i in shards]
        return RunRequest(Pipeline(stages), inputs, str(tmp_path / dataset), recipe="test", local=True, **options)

    return request


def finish(request):
    return run(request, Console(quiet=True))


def measured(request):
    return {stage: each["rows"] for stage, each in finish(request).counts["measured"].items()}


def cells(request):
    """Return the bytes of all cells and error rows."""
    root = Store(request.dataset).local_path()
    paths = [path for folder in ("columns", "errors") for path in root.glob(f"{folder}/**/*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def select(request, sql):
    return query(Store(request.dataset), sql).to_pylist()


def kept(request):
    rows = select(request, "SELECT alt_text FROM samples WHERE dropped_by IS NULL AND error IS NULL")
    return sorted(row["alt_text"] for row in rows)


def said(request):
    table = plan_table(prepare(request))
    rows = table.renderables[1]
    lines = zip(*(column.cells for column in (rows.columns[0], rows.columns[3])), strict=True)
    return dict(lines), str(table.renderables[2])


def test_the_best_of_all_shards_are_kept_and_ties_go_by_uid(ask):
    work = ask(TextLength(), AtLeast("text_length", 2), *BEST)

    assert measured(work) == {
        "sample": 15,
        "text_length": 15,
        "rank_fraction": 12,
        "brightness": 6,
    }
    assert kept(work) == ["dddd"] * 3 + ["eeeee"] * 3
    rows = select(work, "SELECT rank, rank_count FROM samples ORDER BY text_length DESC, uid")
    assert [row["rank"] for row in rows] == [*range(12), None, None, None]
    assert {row["rank_count"] for row in rows} == {12, None}


def test_a_finished_run_does_nothing_again(ask):
    work = ask(TextLength(), *BEST)
    first, before = finish(work), cells(work)
    second = finish(work)

    assert (second.counts["shards_worked"], second.counts["measured"]) == (0, {})
    assert second.id == first.id
    assert second.stages == first.stages
    assert cells(work) == before


def test_another_fraction_ranks_nothing_again(ask):
    finish(ask(TextLength(), *BEST))
    wider = ask(TextLength(), RANK, MaxRankFrac("rank_frac", 0.8), Brightness())

    assert measured(wider) == {"brightness": 12 - 7}
    assert len(kept(wider)) == 12


def test_only_a_threshold_that_changes_the_pool_measures_it_again_and_moved_back_it_is_found(ask):
    finish(ask(TextLength(), AtLeast("text_length", 2), *BEST))

    assert measured(ask(TextLength(), AtLeast("text_length", 1.5), *BEST)) == {}
    assert measured(ask(TextLength(), AtLeast("text_length", 4), *BEST))["rank_fraction"] == 6
    assert measured(ask(TextLength(), AtLeast("text_length", 2), *BEST)) == {}


def test_an_added_shard_measures_the_pool_again_and_nothing_else_that_is_there(ask):
    finish(ask(TextLength(), *BEST, shards=range(2)))
    more = ask(TextLength(), *BEST)
    known, _ = said(more)

    assert known["rank_fraction"] == "the whole pool again, once it is known"
    assert known["brightness"] == "known when rank_fraction is done"
    assert measured(more) == {"sample": 5, "text_length": 5, "rank_fraction": 15, "brightness": 2}
    fresh = replace(more, dataset=f"{more.dataset}-fresh")
    finish(fresh)
    assert cells(fresh).items() <= cells(more).items()


def test_a_removed_shard_measures_the_pool_again(ask):
    finish(ask(TextLength(), *BEST))
    fewer = ask(TextLength(), *BEST, shards=range(2))
    known, tail = said(fewer)

    assert known["rank_fraction"] == "the whole pool again: 10"
    assert "what comes behind it is known when it is measured" in tail
    assert measured(fewer)["rank_fraction"] == 10
    assert said(fewer)[1] == "nothing to do"


def test_a_limit_is_another_pool(ask):
    finish(ask(TextLength(), *BEST))
    some = ask(TextLength(), *BEST, limit=8)

    assert measured(some)["rank_fraction"] == 8
    assert len(kept(some)) == 4
    assert measured(ask(TextLength(), *BEST)) == {}


def test_a_shard_without_a_row_in_the_pool_changes_nothing(ask, tmp_path):
    write_shard(tmp_path / "in" / "00003.tar", ["a", "a"])
    finish(ask(TextLength(), AtLeast("text_length", 2), *BEST))

    assert measured(ask(TextLength(), AtLeast("text_length", 2), *BEST, shards=range(4))) == {
        "sample": 2,
        "text_length": 2,
    }


def test_a_retry_that_heals_a_row_upstream_changes_the_pool(ask):
    broken = ask(TextLength(fail=("ccc",)), *BEST)
    finish(broken)
    before = cells(broken)

    finish(replace(broken, retry=frozenset()))
    assert select(broken, "SELECT count(rank) AS n FROM samples") == [{"n": 12}]
    again = ask(TextLength(), *BEST, retry=frozenset())
    assert measured(again) == {"text_length": 3, "rank_fraction": 15, "brightness": 1}
    assert {path for path in before if "/rank_fraction" in path} < set(cells(again))
    assert failures(Store(again.dataset)) == []


def test_a_row_that_the_stage_cannot_measure_is_an_error_and_no_retry_changes_that(ask, tmp_path):
    log = tmp_path / "log"
    work = ask(ShareOfPool(str(log), fail=("bb",)), AtLeast("share_of_pool", 0.0))
    finish(work)

    assert kept(work) == sorted(text for text in TEXTS * 3 if text != "bb")
    (failure,) = failures(Store(work.dataset))
    assert (failure.code, failure.count) == ("bad_text", 3)
    assert measured(replace(work, retry=frozenset())) == {}
    fewer = ask(*work.pipeline.stages, shards=range(2))
    finish(fewer)
    now = [each for each in failures(Store(fewer.dataset), by="shard") if "00002" not in each.shard]
    assert {each.stage for each in now} == set(corpus_ids(fewer))  # what an earlier pool could not measure is gone


def test_two_corpus_stages_are_two_barriers_and_the_second_sees_what_the_first_leaves(ask):
    second = RankFraction("brightness", prefix="second_")
    work = ask(TextLength(), *BEST, second, MaxRankFrac("second_rank_frac", 0.5))

    rows = measured(work)
    assert [rows[stage] for stage in corpus_ids(work)] == [15, 7]
    assert len(kept(work)) == 3


def corpus_ids(request):
    return [stage.id for stage in latest(Store(request.dataset)).stages if stage.kind == "corpus"]


def test_a_corpus_stage_may_be_first_and_last(ask):
    work = ask(ShareOfPool())
    measured(work)

    rows = select(work, "SELECT sum(share_of_pool) AS total FROM samples")
    assert rows[0]["total"] == pytest.approx(1.0)
    assert len(kept(work)) == 15


def test_an_empty_pool_is_measured_and_keeps_nothing(ask):
    work = ask(TextLength(), AtLeast("text_length", 99), *BEST)

    assert measured(work) == {"sample": 15, "text_length": 15}
    assert kept(work) == []
    assert measured(work) == {}


@pytest.mark.parametrize("gib", [1.0, 1e-6])
def test_memory_and_the_order_of_inputs_change_no_byte(ask, gib):
    finish(ask(TextLength(), *BEST, dataset="one"))
    small = replace(RANK, resources=Resources(memory_gib=gib))
    finish(ask(TextLength(), small, *BEST[1:], shards=[2, 0, 1], dataset="other"))

    assert cells(ask(dataset="one")) == cells(ask(dataset="other"))


def test_a_run_that_fell_over_in_the_stage_ends_in_the_same_bytes_and_leaves_no_scratch(ask, tmp_path):
    crash = tmp_path / "crash"
    work = ask(TextLength(), ShareOfPool(crash=str(crash)), AtLeast("share_of_pool", 0.01))
    crash.touch()
    with pytest.raises(RuntimeError):
        finish(work)
    half = cells(work)
    crash.unlink()
    assert (tmp_path / "out" / "scratch").exists()
    finish(work)

    whole = ask(*work.pipeline.stages, dataset="whole")
    finish(whole)
    assert cells(work) == cells(whole)
    assert half.keys() < cells(work).keys()
    assert not (tmp_path / "out" / "scratch").exists()


def test_gc_removes_the_cells_of_old_pools_and_scratch_and_keeps_those_of_kept_runs(ask, tmp_path):
    finish(ask(TextLength(), *BEST, shards=range(2)))
    finish(ask(TextLength(), *BEST))
    scratch = tmp_path / "out" / "scratch" / "killed-v1"
    scratch.mkdir(parents=True)
    (scratch / "keys-0.npy").write_bytes(b"")
    before = set(cells(ask()))

    collect(Store(ask().dataset), keep=1, yes=True)

    assert not scratch.exists()
    gone = before - set(cells(ask()))
    assert len([path for path in gone if "/rank_fraction" in path]) == 2
    assert measured(ask(TextLength(), *BEST)) == {}
    assert measured(ask(TextLength(), *BEST, shards=range(2)))["rank_fraction"] == 10


def test_a_damaged_cell_is_found_and_measured_again_to_the_same_bytes(ask, tmp_path):
    work = ask(TextLength(), *BEST)
    finish(work)
    before = cells(work)
    (damaged,) = (tmp_path / "out" / "columns").glob("rank_fraction-*/*00001*.parquet")
    damaged.write_bytes(damaged.read_bytes()[:-9])

    report = verify(Store(work.dataset), repair=True)
    assert [each.path for each in report.damaged] == [damaged.relative_to(tmp_path / "out").as_posix()]
    assert measured(work) == {"rank_fraction": 15}
    assert cells(work) == before


def test_compact_changes_no_value(ask):
    finish(ask(TextLength(), AtLeast("text_length", 4), *BEST))
    wider = ask(TextLength(), *BEST)
    finish(wider)
    rows = select(wider, "SELECT * FROM samples ORDER BY uid")

    compact(Store(wider.dataset))

    assert select(wider, "SELECT * FROM samples ORDER BY uid") == rows
    assert measured(wider) == {}


def test_show_tells_what_the_stage_measured(ask):
    work = ask(TextLength(), *BEST)
    finish(work)
    (best,) = select(work, "SELECT uid FROM samples WHERE rank = 0")

    facts = sample_facts(Store(work.dataset), best["uid"])

    assert (facts["columns"]["rank"], facts["columns"]["rank_count"]) == (0, 15)
    assert [stage["measured"] for stage in facts["stages"] if stage["id"] == corpus_ids(work)[0]] == [True]


def test_a_pipeline_over_a_table_measures_its_kept_rows_as_the_pool():
    table = measure(Pipeline([TextLength(), AtLeast("text_length", 2), *BEST]), [(image(0), text) for text in TEXTS])

    assert table["rank"].to_pylist() == [None, 3, 2, 1, 0]
    assert np.isnan(np.array(table["brightness"].to_pylist(), float)).tolist() == [True] * 3 + [False] * 2
    assert table["dropped_by"].to_pylist()[0] == "AtLeast(name='text_length', bound=2)"
