"""Cells are measured once: they are reused, a lower threshold adds what it keeps, failures can be retried."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from curate.captions.prompting.hints import Hints
from curate.engines.fake import FakeEngine
from curate.errors import CurateError
from curate.experts.dense_caption import DenseCaption
from curate.inspect.funnel import funnel
from curate.pipeline import Pipeline
from curate.run.chunk_source import cuts, next_samples
from curate.run.planner import make_plan
from curate.run.progress import Totals
from curate.run.runner import run
from curate.run.spec import RunRequest, RunSpec
from curate.run.worker import Worker
from curate.sources import SourceSample, find_shards
from curate.stages import SAMPLE_STAGE, Resources, stage_id
from curate.storage.store import Store
from tests.support.shards import write_shard, write_tar
from tests.support.stages import AtLeast, Brightness, TextLength

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg", None]


@pytest.fixture
def shard(tmp_path):
    return find_shards([str(write_shard(tmp_path / "in" / "00000.tar", TEXTS))])[0]


def spec(tmp_path, *stages, **options):
    return RunSpec.resolve(Pipeline(stages), str(tmp_path / "out"), "000001-test", **options)


def measure(spec, shard):
    """Measure as a run does: segment after segment, if the plan says there is something to do."""
    for index in range(len(spec.pipeline.segments())):
        Worker(spec, index, lambda event: None).measure(shard)
    return verdicts(spec, shard)


def verdicts(spec, shard):
    return spec.cells.store.read_table(spec.cells.path(spec.verdict_id, shard.name)).to_pydict()


def log_lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_shard_gets_a_row_for_every_sample_and_one_verdict_each(tmp_path, shard):
    work = spec(tmp_path, TextLength(), AtLeast("text_length", 3), Brightness())
    verdict = measure(work, shard)

    cell = work.cells.read(stage_id(Brightness()), shard.name)
    assert verdict["row"] == list(range(8))
    assert [reason is None for reason in verdict["dropped_by"]] == [False, False, True, True, True, True, True, False]
    assert cell["measured"].to_pylist() == [False, False, True, True, True, True, True, False]
    assert cell["brightness"].null_count == 3


def test_a_raised_threshold_measures_nothing(tmp_path, shard):
    log = tmp_path / "log"
    measure(spec(tmp_path, TextLength(str(log)), AtLeast("text_length", 3)), shard)
    higher = spec(tmp_path, TextLength(str(log)), AtLeast("text_length", 5))

    plan = make_plan(higher, [shard])

    assert not plan.needs_workers
    assert plan.unfinished == [shard]
    assert sum(reason is None for reason in measure(higher, shard)["dropped_by"]) == 3
    assert log_lines(log) == 8


def test_a_lowered_threshold_measures_only_what_is_kept_now(tmp_path, shard):
    log = tmp_path / "log"
    later = TextLength(str(log), adds_name="again")
    measure(spec(tmp_path, TextLength(), AtLeast("text_length", 6), later), shard)
    lower = spec(tmp_path, TextLength(), AtLeast("text_length", 4), later)

    plan = make_plan(lower, [shard])
    measure(lower, shard)

    assert {stage: rows for _, stage, rows in plan.waiting() if rows} == {stage_id(later): 2}
    assert log_lines(log) == 2 + 2
    names = lower.cells.store.list(f"columns/{stage_id(later)}")
    assert names == [f"{shard.name}.1.parquet", f"{shard.name}.parquet"]
    assert lower.cells.read(stage_id(later), shard.name)["again"].to_pylist() == [None] * 3 + [4, 5, 6, 7, None]


def test_the_columns_come_out_the_same_by_either_road(tmp_path, shard):
    stages = [TextLength(), AtLeast("text_length", 3), Brightness()]
    straight, detour = spec(tmp_path / "a", *stages), spec(tmp_path / "b", *stages)
    measure(straight, shard)
    measure(spec(tmp_path / "b", TextLength(), AtLeast("text_length", 6), Brightness()), shard)
    measure(detour, shard)

    for stage in (stage_id(TextLength()), stage_id(Brightness())):
        assert straight.cells.read(stage, shard.name).equals(detour.cells.read(stage, shard.name))
    assert verdicts(straight, shard) == verdicts(detour, shard)


def test_a_finished_shard_is_done_and_a_second_run_writes_the_same_bytes(tmp_path, shard):
    first, second = (spec(tmp_path / name, TextLength(), Brightness()) for name in ("a", "b"))
    measure(first, shard)
    measure(second, shard)

    assert [each.state for each in make_plan(first, [shard]).shards] == ["done"]
    files = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in (tmp_path / "a").rglob("*.parquet")}
    assert files == {p.relative_to(tmp_path / "b"): p.read_bytes() for p in (tmp_path / "b").rglob("*.parquet")}


def test_failed_samples_become_error_rows_and_retry_measures_just_those(tmp_path, shard):
    log = tmp_path / "log"
    broken = TextLength(str(log), fail=("bb",), crash=("dddd",))
    verdict = measure(spec(tmp_path, broken, Brightness()), shard)
    store = spec(tmp_path).cells.store
    errors = store.read_table(f"errors/{shard.name}.parquet").to_pylist()

    mended = spec(tmp_path, TextLength(str(log)), Brightness(), retry=frozenset())
    log.unlink()
    plan = make_plan(mended, [shard])
    again = measure(mended, shard)

    assert [verdict["error"][1], verdict["error"][3]] == ["text_length: bad_text", "text_length: expert_failed"]
    assert [(e["key"], e["error_code"], e["attempt"]) for e in errors] == [
        (e["key"], e["error_code"], 1) for e in sorted(errors, key=lambda e: e["uid"])
    ]
    assert {e["error_code"] for e in errors} == {"bad_text", "expert_failed"}
    assert plan.needs_workers
    assert log_lines(log) == 2
    assert again["error"] == [None] * 8
    assert not store.exists(f"errors/{shard.name}.parquet")
    assert mended.cells.read(stage_id(broken), shard.name)["attempt"].to_pylist() == [1, 2, 1, 2, 1, 1, 1, 1]


def test_retry_by_code_leaves_other_errors_alone(tmp_path, shard):
    measure(spec(tmp_path, TextLength(fail=("bb",), crash=("dddd",))), shard)
    again = measure(spec(tmp_path, TextLength(), retry=frozenset({"bad_text"})), shard)

    assert again["error"] == [None, None, None, "text_length: expert_failed", None, None, None, None]


def test_bad_members_become_error_rows_and_neighbours_are_intact(tmp_path):
    good = write_shard(tmp_path / "in" / "good.tar", ["one", "two"])
    members = [("a.jpg", b""), ("a.txt", b"empty"), ("b.jpg", b"<html>"), ("c.txt", b"no image")]
    bad = write_tar(tmp_path / "in" / "bad.tar", members)
    work = spec(tmp_path, TextLength(), Brightness())
    for shard in find_shards([str(bad), str(good)]):
        measure(work, shard)

    bad_shard, good_shard = find_shards([str(bad), str(good)])
    assert verdicts(work, bad_shard)["error"] == [
        "sample: empty_image",
        "brightness: image_undecodable",
        "sample: missing_image",
    ]
    assert verdicts(work, good_shard)["error"] == [None, None]


def test_an_empty_shard_is_finished(tmp_path):
    shard = find_shards([str(write_tar(tmp_path / "in" / "empty.tar", []))])[0]
    work = spec(tmp_path, TextLength())

    assert measure(work, shard)["uid"] == []
    assert make_plan(work, [shard]).unfinished == []


def test_a_limit_takes_the_first_rows_and_lifting_it_measures_the_rest(tmp_path, shard):
    from dataclasses import replace

    log = tmp_path / "log"
    stages = (TextLength(str(log)), Brightness())
    verdict = measure(spec(tmp_path, *stages, limit=3), replace(shard, limit=3))

    assert verdict["row"] == [0, 1, 2]
    assert log_lines(log) == 3
    assert measure(spec(tmp_path, *stages), shard)["row"] == list(range(8))
    assert log_lines(log) == 8
    assert spec(tmp_path).cells.read(SAMPLE_STAGE, shard.name).num_rows == 8


def test_a_chunk_ends_where_its_images_reach_the_bound(monkeypatch):
    monkeypatch.setattr("curate.run.chunk_source.CHUNK_BYTES", 10)
    sizes = [4, 4, 4, 20, 1, 1, 1, 1]
    samples = iter([SourceSample(str(i), "x.jpg", bytes(size), None) for i, size in enumerate(sizes)])

    scanned = [len(batch) for batch in iter(lambda: next_samples(samples, 3), [])]

    assert scanned == [3, 1, 3, 1]
    assert [stop - start for start, stop in cuts(np.array(sizes), 3)] == scanned


@pytest.mark.parametrize("threaded", [True, False])
def test_a_worker_that_may_not_commit_writes_nothing(tmp_path, shard, threaded):
    def refuse():
        raise CurateError("another worker has it")

    work = spec(tmp_path, TextLength(), Brightness())
    with pytest.raises(CurateError, match="another worker"):
        Worker(work, 0, lambda event: None, threaded=threaded).measure(shard, allow_commit=refuse)

    assert not list(tmp_path.rglob("out/**/*.parquet"))


def test_a_failure_of_one_of_two_stages_of_a_class_is_its_own(tmp_path, shard):
    """Two stages of one class share nothing: counts, error rows, the verdict and the funnel tell them apart."""
    events = []
    pipeline = Pipeline([TextLength(), TextLength(fail=("bb", "ccc"), adds_name="other"), Brightness()])
    request = RunRequest(pipeline, [shard.url], str(tmp_path / "out"), "test", local=True)
    first, second, third = pipeline.resolve()

    manifest = run(request, Console(quiet=True))
    Worker(RunSpec.resolve(pipeline, str(tmp_path / "again")), 0, events.append, threaded=False).measure(shard)

    totals = Totals()
    for event in events:
        totals.add(event)
    assert {stage: (each.rows, each.errors) for stage, each in totals.stages.items()} == {
        SAMPLE_STAGE: (8, 0),
        first.id: (8, 0),
        second.id: (8, 2),
        third.id: (6, 0),
    }
    measured = manifest.counts["measured"]
    assert {name: (each["rows"], each["errors"]) for name, each in measured.items()} == {
        "sample": (8, 0),
        first.id: (8, 0),
        second.id: (8, 2),
        "brightness": (6, 0),
    }
    verdict = verdicts(spec(tmp_path, *pipeline.stages), shard)
    assert [error for error in verdict["error"] if error] == [f"{second.id}: bad_text"] * 2
    steps = dict(funnel(Store(request.dataset), manifest))
    assert steps[f"failed in {second.id}"] == 2
    assert f"failed in {first.id}" not in steps


def describes(request):
    return "a grey image"


def test_a_worker_whose_engine_got_a_number_for_auto_commits_its_requests_and_cells(tmp_path, shard):
    engine = FakeEngine(describes, resources=Resources(gpus="auto"))
    plan = replace(spec(tmp_path, Brightness(), DenseCaption(engine, hints=Hints(blocks=()))), gpus=(0.0, 0.5))

    assert measure(plan, shard)["dropped_by"] == [None] * len(TEXTS)
    assert len(list((tmp_path / "out" / "runs").glob("*.requests/1-*.parquet"))) == 1
