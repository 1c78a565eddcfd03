"""Workers that die, drivers that die: the short version of `make faults`."""

import os
import random
import signal
from dataclasses import dataclass
from typing import ClassVar

import pyarrow.compute as pc
import pytest
from rich.console import Console

from curate.dataset.manifest import code_digest, latest
from curate.errors import CurateError
from curate.pipeline import Pipeline
from curate.run.ray_worker import check_code
from curate.run.runner import RunRequest, run
from curate.storage.store import Store
from faults.kills import World, count, play
from faults.processes import last_words
from tests.support.shards import write_shard
from tests.support.stages import TextLength


@dataclass(frozen=True)
class Deadly:
    """A filter that ends its process when it meets the text "bang": outside any expert, no sample can be blamed."""

    needs: ClassVar[tuple[str, ...]] = ("alt_text",)

    def keep(self, table):
        if "bang" in table["alt_text"].to_pylist():
            os.kill(os.getpid(), signal.SIGKILL)
        return pc.is_valid(table["alt_text"])


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_shard_that_kills_its_worker_again_and_again_is_left_and_the_others_are_done(tmp_path):
    for name, text in (("a", "calm"), ("b", "bang"), ("c", "calm")):
        write_shard(tmp_path / "in" / f"{name}.tar", [text, "x"])
    order = RunRequest(Pipeline([TextLength(), Deadly()]), [str(tmp_path / "in")], str(tmp_path / "out"), recipe="test")

    with pytest.raises(CurateError, match=r"1 of 3 shards are left, each killed its worker again and again .*b-"):
        run(order, Console(quiet=True))

    store = Store(order.dataset)
    assert len(store.list(f"columns/{order.pipeline.verdict_id()}")) == 2
    assert latest(store).status.startswith("stopped: CurateError: 1 of 3 shards are left")


def test_a_worker_with_other_code_than_its_driver_is_refused():
    check_code(code_digest(), code_digest())
    with pytest.raises(CurateError, match="install the same version on every machine"):
        check_code(code_digest(), "0" * 16)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World.make(tmp_path_factory.mktemp("faults"), shards=4)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(("target", "kills"), [("driver", 1), ("worker", 1), ("commit", 2), ("export", 2)])
def test_after_kills_the_bytes_are_those_of_an_undisturbed_run(world, target, kills):
    ended = play(world, target, kills, random.Random(7), world.folder / target)

    assert ended.identical, ended
    assert ended.kept, ended
    assert not ended.orphans


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_one_sentence_and_no_process_left(world, number):
    dataset = world.folder / number.name
    command = world.run(dataset)
    command.wait(lambda: count(dataset) >= 1)
    command.process.send_signal(number)
    code, stderr = command.finish()

    assert (code, last_words(stderr)) == (130, "stopped; run the same command again to go on")
    assert command.orphans() == []
