"""Without Ray a run ends in the same bytes, in the calling thread; `measure` gives what cells and verdict hold."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from curate.errors import BreakerError, CurateError, EngineError, PlanError, StoreError
from curate.inspect.view import open_view
from curate.pipeline import FailureLimits, Pipeline
from curate.run.local import measure, measure_cells
from curate.run.runner import RunRequest, run
from curate.sources import find_shards, scan
from curate.stages import stage_id
from curate.storage.lock import lock_dataset
from curate.storage.store import Store
from faults.stages import BatchMark, Echo
from tests.support.shards import image, write_shard
from tests.support.stages import AtLeast, Brightness, TextLength

TEXTS = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff", None, "hhhhhhhh", "iiiiiiiii", "bb", "ccc"]


def stages(bound, *fail):
    """Two segments, of which every value depends on the batch that it was measured in, with errors in both."""
    return [
        TextLength(fail=fail, crash=("dddd",) if fail else ()),
        BatchMark("first"),
        AtLeast("text_length", bound),
        Brightness(),
        Echo("second"),
    ]


def request(tmp_path, pipeline_stages, name="out", **options):
    return RunRequest(Pipeline(pipeline_stages), [str(tmp_path / "in")], str(tmp_path / name), "test", **options)


def local(tmp_path, *pipeline_stages, **options):
    return run(request(tmp_path, pipeline_stages, local=True, **options), Console(quiet=True))


def files(root):
    paths = [path for folder in ("columns", "errors") for path in (root / folder).rglob("*.parquet")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_local_run_ends_in_the_bytes_of_a_run_on_ray(tmp_path):
    """Several shards, two segments, errors; then a lower threshold, a retry, and a limit in the middle of a shard."""
    for i in range(3):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", TEXTS)
    steps = [
        {"pipeline_stages": stages(4, "bb")},
        {"pipeline_stages": stages(1, "bb")},
        {"pipeline_stages": stages(1), "retry": frozenset()},
        {"pipeline_stages": stages(1), "limit": 15},
    ]
    for step in steps:
        for how in (True, False):
            name = "local" if how else "ray"
            ended = run(request(tmp_path, name=name, local=how, **step), Console(quiet=True))
            assert ended.status == "finished"
        here, there = files(tmp_path / "local"), files(tmp_path / "ray")
        assert here == there

    assert {path.count(".") for path in here} == {2, 3}  # first files and additions: in.00000-0123abcd[.1].parquet
    assert any(path.startswith("errors/") for path in here)


def test_measure_gives_the_cells_and_the_verdict(tmp_path):
    shard = find_shards([str(write_shard(tmp_path / "in" / "00000.tar", TEXTS))])[0]
    pipeline_stages = stages(3, "bb")
    local(tmp_path, *pipeline_stages)

    table = measure(Pipeline(pipeline_stages), scan(shard), shard.name)

    view = open_view(Store(str(tmp_path / "out")))
    rows = view.sql('SELECT * FROM samples ORDER BY "row"').to_arrow_table()
    assert table.column_names == rows.column_names
    assert table.to_pylist() == rows.to_pylist()


def test_measure_takes_pairs_of_image_and_text():
    table = measure(
        Pipeline([TextLength(), Brightness(), AtLeast("brightness", 1)]), [(image(1), "one"), (None, "two")]
    )

    assert table["text_length"].to_pylist() == [3, 3]
    assert table["error"].to_pylist() == [None, "brightness: missing_image"]
    assert len(set(table["uid"].to_pylist())) == 2


def test_measure_takes_a_table_with_columns_that_an_expert_would_have_written():
    given = pa.table({"image": [image(1), image(2)], "alt_text": ["a", "bbb"], "caption_length": [7.0, 1.0]})

    table = measure(Pipeline([AtLeast("caption_length", 5), TextLength(), Brightness()]), given)

    assert table.column_names == [
        *("uid", "alt_text", "caption_length", "text_length", "brightness", "dropped_by", "error")
    ]
    assert table["text_length"].to_pylist() == [1, None]
    assert table["dropped_by"].to_pylist() == [None, "AtLeast(name='caption_length', bound=5)"]
    with pytest.raises(PlanError, match=r"the column `image` is string; give encoded images"):
        measure(Pipeline([TextLength()]), pa.table({"image": ["x.jpg"]}))
    with pytest.raises(PlanError, match=r"needs .'nothing'"):
        measure(Pipeline([AtLeast("nothing", 5)]), given)


def test_no_samples_are_no_rows():
    assert measure(Pipeline([TextLength(), Echo("second"), AtLeast("text_length", 1)]), []).num_rows == 0


def test_measured_cells_hold_the_message_of_an_error():
    given = pa.table({"uid": ["0" * 32, "1" * 32], "alt_text": ["a", "bb"]})

    cells = measure_cells(Pipeline([TextLength(fail=("bb",))]), given)

    assert cells[stage_id(TextLength())]["error_message"].to_pylist() == [None, "no"]


def test_measure_stops_at_the_limits_of_its_pipeline():
    pipeline = Pipeline([TextLength(crash=("a",))], FailureLimits(min_rows=2))

    with pytest.raises(BreakerError, match="the model fell over"):
        measure(pipeline, [(None, "a"), (None, "a"), (None, "a")])


@dataclass(frozen=True)
class Debugged(TextLength):
    """Notes which frames and threads there are while it measures, and fails for good on "end"."""

    def load(self):
        inner = super().load()

        def scorer(batch):
            frame, names = sys._getframe(), []
            while frame is not None:
                names.append(frame.f_code.co_name)
                frame = frame.f_back
            CALLS.append((threading.current_thread() is threading.main_thread(), "test_" in str(names)))
            if "end" in batch.table["alt_text"].to_pylist():
                raise EngineError("the engine died")
            return inner(batch)

        return scorer


ROOT = Path(__file__).parents[3]
NO_RAY = "import sys; sys.modules['ray'] = None; from curate.cli import main; main()"
CALLS: list[tuple[bool, bool]] = []


def test_a_local_run_works_in_the_calling_thread_so_that_a_debugger_sees_its_caller(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", TEXTS)
    CALLS.clear()

    local(tmp_path, Debugged(), AtLeast("text_length", 2), Echo("second"))

    assert CALLS
    assert set(CALLS) == {(True, True)}


def test_what_stops_a_local_run_is_one_sentence_and_what_was_committed_stays(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", TEXTS)
    write_shard(tmp_path / "in" / "00001.tar", ["end"])

    with pytest.raises(EngineError, match=r"^the engine died$"):
        local(tmp_path, Debugged())
    (cell,) = Store(str(tmp_path / "out")).list(f"columns/{stage_id(Debugged())}")

    assert "00000" in cell
    manifest = local(tmp_path, TextLength())
    assert manifest.status == "finished"


def test_the_command_line_runs_and_retries_here(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", [f"text {i}" for i in range(14)])
    arguments = ["faults/recipe.py:cheap", "--input", str(tmp_path / "in"), "--dataset", str(tmp_path / "out")]

    for verb in ("run", "retry"):
        ended = subprocess.run(
            [sys.executable, "-c", NO_RAY, verb, *arguments, "--local"],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=120,
        )
        assert ended.returncode == 0, ended.stderr
        assert "samples in" in ended.stdout


def test_a_local_run_waits_for_nobody_and_needs_the_lock(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", TEXTS)
    work = request(tmp_path, [TextLength()], local=True)

    with (
        lock_dataset(Store(work.dataset), lambda message: None),
        pytest.raises(StoreError, match="is being written by"),
    ):
        run(work, Console(quiet=True))
    with pytest.raises(CurateError, match=r"--local works in this process .*; leave out --address auto"):
        run(replace(work, address="auto"), Console(quiet=True))
