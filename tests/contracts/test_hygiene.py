"""Clocks that jump do no harm, and pixels stay out of Ray's object store."""

import ast
import re
import threading
from pathlib import Path

import pytest
from rich.console import Console

from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from tests.support.shards import write_shard
from tests.support.stages import Brightness, TextLength

ROOT = Path(__file__).parent.parent.parent
WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "os.path.getmtime"}


def wall_clocks(path):
    """Return the calls in a source file that read a wall clock or a file's time."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    names = {ast.unparse(call.func) for call in calls}
    times = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    return (names & WALL_CLOCKS) | (times & {"st_mtime", "st_ctime", "st_mtime_ns"})


def test_no_decision_looks_at_a_wall_clock():
    """The runner notes when a run began, spoke last and ended, labels when they were given, for people.

    Files are hashed again when their time is another. Everything else is counters and monotonic seconds.
    """
    calls = {path.relative_to(ROOT).as_posix(): wall_clocks(path) for path in (ROOT / "curate").rglob("*.py")}

    assert {path: names for path, names in calls.items() if names} == {
        "curate/inspect/labels.py": {"datetime.now"},
        "curate/inspect/follow.py": {"datetime.now"},
        "curate/inspect/metrics.py": {"datetime.now"},
        "curate/run/live_record.py": {"datetime.now"},
        "curate/run/runner.py": {"datetime.now"},
        "curate/models/weights.py": {"st_mtime_ns"},
        "curate/storage/file_digest.py": {"st_mtime_ns"},
    }


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_run_needs_a_megabyte_of_object_store_at_most(tmp_path):
    import ray
    from ray._private.internal_api import memory_summary

    for i in range(12):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["text " * 50] * 40)
    request = RunRequest(
        Pipeline([TextLength(), Brightness()]), [str(tmp_path / "in")], str(tmp_path / "out"), recipe="test"
    )
    peak, done = [0], threading.Event()

    def watch():
        while not done.wait(0.05):
            summary = memory_summary(ray.get_runtime_context().gcs_address, stats_only=True)
            usage = re.search(r"Plasma memory usage (\d+) MiB", summary)
            peak[0] = max(peak[0], int(usage.group(1)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run(request, Console(quiet=True))
    finally:
        done.set()
        watcher.join()
    assert peak[0] <= 1
