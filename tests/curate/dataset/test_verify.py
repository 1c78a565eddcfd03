"""Damage is found, whichever bit it hit, and repaired by measuring again."""

import random

import pytest

from curate.dataset.verify import verify
from curate.errors import StoreError
from curate.pipeline import Pipeline
from curate.run.commit import RunSpec
from curate.run.planner import make_plan
from curate.run.runner import RunRequest, run
from curate.run.worker import Worker
from curate.sources import find_shards
from curate.stages import stage_id
from curate.storage.checksums import checksummed_parquet, has_valid_checksum
from curate.storage.store import Store
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, Brightness, TextLength

STAGES = (TextLength(fail=("bb",)), AtLeast("text_length", 2), Brightness())
SAMPLE, LENGTH, BRIGHT = "sample-v1", stage_id(TextLength()), stage_id(Brightness())
VERDICT = Pipeline(STAGES).verdict_id(None)


@pytest.fixture
def work(tmp_path):
    """Measure two shards without Ray, then let a run record itself: nothing is left for it to do."""
    for i in range(2):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "dddd"])
    order = RunRequest(Pipeline(STAGES), [str(tmp_path / "in")], str(tmp_path / "out"), recipe="test")
    job = RunSpec(order.pipeline, order.dataset, "000001-test")
    return order, job, find_shards(order.inputs)


def measure(order, job, shards):
    for each in make_plan(job, shards).unfinished:
        Worker(job, 0, lambda tick: None).measure(each)
    run(order)
    return files(order)


def files(order):
    store = Store(order.dataset)
    folders = ["errors", *(f"columns/{stage}" for stage in store.list("columns"))]
    return {
        f"{folder}/{name}": store.read_bytes(f"{folder}/{name}") for folder in folders for name in store.list(folder)
    }


def flip(data, bit):
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


CELLS = [f"columns/{SAMPLE}", f"columns/{LENGTH}", f"columns/{BRIGHT}", f"columns/{VERDICT}", "errors"]
HARMS = [(harm, folder) for harm in ("flip", "truncate", "empty") for folder in CELLS]


@pytest.mark.parametrize(("harm", "folder"), [*HARMS, *(("swap", folder) for folder in CELLS[1:4])])
def test_harm_is_named_and_after_repair_a_run_ends_in_the_same_bytes(work, folder, harm):
    whole = measure(*work)
    store = Store(work[0].dataset)
    first, second = (f"{folder}/{each.name}.parquet" for each in work[2])
    new = {"flip": flip(whole[first], 8 * 300), "truncate": whole[first][:-5], "empty": b"", "swap": whole[second]}
    store.write_bytes(first, new[harm])

    found = verify(store)
    assert [each.path for each in found.damaged] == [first]
    assert first in files(work[0])
    verify(store, repair=True)
    assert first not in files(work[0])
    assert measure(*work) == whole
    assert verify(store).damaged == []


def test_every_single_bit_of_a_cell_is_guarded(work):
    data = next(iter(measure(*work).values()))
    assert has_valid_checksum(data)
    for bit in random.Random(0).sample(range(8 * len(data)), 2000):
        assert not has_valid_checksum(flip(data, bit))


def test_a_run_that_meets_a_damaged_cell_says_which_and_what_to_do(work):
    order, _, shards = work
    measure(*work)
    store = Store(order.dataset)
    path = f"columns/{LENGTH}/{shards[0].name}.parquet"
    store.write_bytes(path, store.read_bytes(path)[:-5])
    store.remove(f"columns/{VERDICT}/{shards[0].name}.parquet")

    with pytest.raises(StoreError, match=rf"{path} is damaged .*curate verify .* --repair"):
        run(order)


def test_equal_tables_give_equal_bytes(work):
    order, _, shards = work
    measure(*work)
    cell = Store(order.dataset).read_table(f"columns/{LENGTH}/{shards[0].name}.parquet")

    assert checksummed_parquet(cell) == checksummed_parquet(cell.combine_chunks())
