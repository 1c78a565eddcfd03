"""Decisions alone: a new threshold over kept columns."""

import pytest

from curate.run import legs
from curate.run.runner import run
from curate.run.spec import RunRequest
from tests.support.dataset_folder import pipeline


def bounded(folder, dataset, score: float) -> RunRequest:
    return RunRequest(pipeline(score), [str(folder.source)], str(dataset), "bounded")


def verdicts(store, run_id: str) -> dict[str, bytes]:
    return {name: store.read_bytes(f"columns/{run_id}/{name}") for name in store.list(f"columns/{run_id}")}


@pytest.mark.usefixtures("ray_cluster")
def test_a_cluster_decides_as_the_driver_does(own_folder, monkeypatch):
    store, request = own_folder.store, bounded(own_folder, own_folder.store.root, 0.5)
    verdict = run(request).verdict
    here = verdicts(store, verdict)
    for name in here:
        store.remove(f"columns/{verdict}/{name}")
    monkeypatch.setattr(legs, "DECIDED_HERE", 1)
    manifest = run(RunRequest(request.pipeline, request.inputs, request.dataset, "bounded", address="auto"))
    assert verdicts(store, manifest.verdict) == here
    assert len(here) == 2
    assert manifest.counts["measured"] == {}


def test_a_new_threshold_is_decided_in_one_pass_without_a_worker(own_folder, monkeypatch):
    opened = []
    commit = legs.commit_finished
    monkeypatch.setattr(
        legs, "commit_finished", lambda spec, shards: opened.append(len(shards)) or commit(spec, shards)
    )
    manifest = run(bounded(own_folder, own_folder.store.root, 0.5))
    assert opened == [2]
    assert manifest.counts == {"shards": 2, "shards_worked": 2, "measured": {}}
