"""A run that is watched from elsewhere."""

import io
import re
import threading
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from curate.dataset.manifest import latest, save
from curate.errors import PlanError
from curate.inspect.follow import follow
from curate.inspect.metrics import metrics_page, metrics_server
from curate.run.activity import StageLine
from curate.run.live_record import LiveLog, read_live
from curate.run.runner import run
from curate.run.spec import RunRequest
from tests.support.dataset_folder import pipeline

NUMBERS = {"shards_done": 1, "shards": 4, "seconds": 60.0, "seconds_left": 180.0, "waits_for": ""}
STAGES = [StageLine("sample", 100, 2.5, 3, 1, ""), StageLine("clip", 0, 0.0, 0, 0, "models loading")]


@pytest.fixture
def running(own_folder):
    """A dataset whose newest run has not ended, and its driver has told how it stands."""
    manifest = replace(latest(own_folder.store), status="running")
    save(own_folder.store, manifest)
    LiveLog(own_folder.store, manifest.id).beat(NUMBERS, STAGES)
    return own_folder.store, manifest


def watched(store, manifest, terminal=False) -> str:
    """Follow a run that ends after two looks; return what was shown."""
    looks = []

    def sleep(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            save(store, replace(manifest, status="finished"))

    console = Console(file=io.StringIO(), width=140, force_terminal=terminal)
    assert follow(store, None, console, sleep).status == "finished"
    return console.file.getvalue()


def test_lines_say_where_the_run_stands_until_it_ends(running):
    store, manifest = running
    lines = watched(store, manifest).splitlines()
    assert lines == [f"{manifest.id}: 1/4 shards, 60 s, about 3.0 min left"] * 2


def test_a_terminal_shows_each_stage(running):
    shown = watched(*running, terminal=True)
    assert re.search(r"sample\s+100\s+2\.5\s+3\s+1", shown)
    assert "models loading" in shown


def test_a_driver_that_is_silent_may_be_dead(running):
    store, manifest = running
    path = f"runs/{manifest.id}.live"
    store.write_bytes(path, re.sub(rb'"at": "\d+', b'"at": "2020', store.read_bytes(path)))
    assert "it may be dead, then the same `curate run` goes on" in watched(store, manifest)


def test_a_run_that_has_told_nothing_yet_says_so(running):
    store, manifest = running
    store.remove(f"runs/{manifest.id}.live")
    assert "its driver has not told anything yet" in watched(store, manifest)


def test_a_run_tells_and_logs_while_it_works(own_folder, tmp_path):
    order = RunRequest(pipeline(0.35, captions=False), [str(own_folder.source)], str(tmp_path / "new"), local=True)
    manifest = run(order, Console(quiet=True))
    store = own_folder.store.__class__(order.dataset)
    state = read_live(store, manifest.id)
    assert (state.shards_done, state.shards, state.dashboard) == (2, 2, None)
    assert {line.label: line.rows for line in state.stages}["sample"] == 12
    first, last = store.read_bytes(f"runs/{manifest.id}.log").decode().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+\+00:00 begins: 2 shards", first)
    assert " ends: 2/2 shards in " in last


def test_what_stops_a_run_is_in_its_log(own_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("curate.run.local.Worker.measure", lambda self, shard: 1 / 0)
    order = RunRequest(pipeline(0.35, captions=False), [str(own_folder.source)], str(tmp_path / "new"), local=True)
    with pytest.raises(ZeroDivisionError):
        run(order, Console(quiet=True))
    store = own_folder.store.__class__(order.dataset)
    (log,) = [name for name in store.list("runs") if name.endswith(".log")]
    last = store.read_bytes(f"runs/{log}").decode().splitlines()[-1]
    assert last.endswith("stops: ZeroDivisionError: division by zero")


def test_prometheus_reads_the_page(running):
    store, manifest = running
    families = {each.name: each for each in text_string_to_metric_families(metrics_page(store))}
    assert families["curate_run_running"].samples[0].value == 1
    rows = families["curate_stage_rows"].samples
    assert [(each.labels, each.value) for each in rows] == [
        ({"run": manifest.id, "stage": "sample"}, 100.0),
        ({"run": manifest.id, "stage": "clip"}, 0.0),
    ]


def test_the_page_is_served_to_this_machine_alone(running):
    store, manifest = running
    with metrics_server(store, None, "0") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        assert f'curate_shards_done{{run="{manifest.id}"}} 1' in page
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/../../etc/passwd")
        server.shutdown()


@pytest.mark.parametrize("place", ["", "many", "1.2.3.4:x", "99999"])
def test_a_place_that_is_no_port_is_one_sentence(running, place):
    with pytest.raises(PlanError, match="is no port"):
        metrics_server(running[0], None, place)


def test_a_port_that_is_taken_is_one_sentence(running):
    with metrics_server(running[0], None, "0") as server, pytest.raises(PlanError, match="give another port"):
        metrics_server(running[0], None, str(server.server_address[1]))
