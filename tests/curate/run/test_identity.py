"""Identity is resolved once, by the driver: no worker asks what a stage or its weights are."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
from curate.stages import stage_id
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, TextLength


@dataclass(frozen=True, repr=False)
class Weighed(TextLength):
    """Reads its weights on the worker; logs whoever asks for its repr, and where it is loaded."""

    weights: Weights = Weights("none")
    notes: str = field(default="", repr=False)

    def __repr__(self):
        with Path(self.notes).open("a") as stream:
            stream.write(f"repr {os.getpid()} {Path.cwd()}\n")
        return f"Weighed({self.adds_name!r}, {self.weights!r})"

    def load(self):
        text = self.weights.path().read_text()
        with Path(self.notes).open("a") as stream:
            stream.write(f"load {os.getpid()} {Path.cwd()} {text}\n")
        return super().load()


def work(tmp_path, **options):
    """Return a request whose weights are a relative path, in a working directory that only the driver has."""
    for i in range(3):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "dddd", "eeeee"])
    (tmp_path / "driver").mkdir()
    os.chdir(tmp_path / "driver")
    Path("model.bin").write_text("weights")
    notes = str(tmp_path / "notes")
    first, second = (Weighed(adds_name=name, weights=Weights("model.bin"), notes=notes) for name in ("one", "two"))
    return RunRequest(Pipeline([first, AtLeast("one", 2), second]), ["../in"], "../out", "test", **options)


def notes(tmp_path, what):
    lines = [line.split() for line in (tmp_path / "notes").read_text().splitlines()]
    return [line[1:] for line in lines if line[0] == what]


@pytest.fixture
def here(monkeypatch):
    """Come back to the working directory of the tests."""
    monkeypatch.chdir(Path.cwd())


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster", "here")
def test_a_run_asks_each_stage_once_and_workers_read_the_drivers_files_from_another_working_directory(tmp_path):
    request = work(tmp_path)
    run(request, Console(quiet=True))

    driver, loads = [str(os.getpid()), str(tmp_path / "driver")], notes(tmp_path, "load")
    assert notes(tmp_path, "repr") == [driver, driver]
    assert {text for *_, text in loads} == {"weights"}
    assert driver[1] not in {folder for _, folder, _ in loads}
    assert set(Store(request.dataset).list("columns")) == {
        "sample-v1",
        *(stage_id(expert) for expert in request.pipeline.experts),
        request.pipeline.verdict_id(),
    }


@pytest.mark.usefixtures("here")
def test_a_local_run_asks_each_stage_once(tmp_path):
    run(work(tmp_path, local=True), Console(quiet=True))

    assert len(notes(tmp_path, "repr")) == 2


@pytest.mark.usefixtures("here")
def test_a_digest_is_made_once_for_each_weights_of_a_run(tmp_path, monkeypatch):
    paths = []
    monkeypatch.setattr("curate.models.weights.digest", lambda path: paths.append(path) or "0" * 16)
    run(work(tmp_path, local=True), Console(quiet=True))

    assert paths == [tmp_path / "driver" / "model.bin"] * 2
