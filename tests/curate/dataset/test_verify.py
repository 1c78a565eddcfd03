"""Damage is found, whichever bit it hit, and repaired by measuring again."""

import random

import pytest
from rich.console import Console

from curate.dataset.cells import Cells
from curate.dataset.verify import verify
from curate.errors import StoreError
from curate.pipeline import Pipeline
from curate.run.runner import RunRequest, run
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
    for i in range(2):
        write_shard(tmp_path / "in" / f"{i:05d}.tar", ["a", "bb", "ccc", "dddd"])
    request = RunRequest(Pipeline(STAGES), [str(tmp_path / "in")], str(tmp_path / "out"), recipe="test", local=True)
    return request, find_shards(request.inputs)


def measure(request, shards):
    run(request, Console(quiet=True))
    return files(request)


def files(request):
    store = Store(request.dataset)
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
    first, second = (f"{folder}/{each.name}.parquet" for each in work[1])
    new = {"flip": flip(whole[first], 8 * 300), "truncate": whole[first][:-5], "empty": b"", "swap": whole[second]}
    store.write_bytes(first, new[harm])

    assert [each.path for each in verify(store).damaged] == [first]
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
    request, shards = work
    measure(*work)
    store = Store(request.dataset)
    path = f"columns/{LENGTH}/{shards[0].name}.parquet"
    store.write_bytes(path, store.read_bytes(path)[:-5])
    store.remove(f"columns/{VERDICT}/{shards[0].name}.parquet")

    with pytest.raises(StoreError, match=rf"{path} is damaged .*curate verify .* --repair"):
        run(request)


def test_equal_tables_give_equal_bytes(work):
    request, shards = work
    measure(*work)
    cell = Store(request.dataset).read_table(f"columns/{LENGTH}/{shards[0].name}.parquet")

    assert checksummed_parquet(cell) == checksummed_parquet(cell.combine_chunks())


def test_with_a_damaged_first_file_go_its_additions(work):
    request, shards = work
    measure(request, shards)
    store, cells = Store(request.dataset), Cells(Store(request.dataset))
    measured = cells.read(LENGTH, shards[0].name)
    for _ in range(11):
        cells.add(LENGTH, shards[0].name, measured, measured)
    store.write_bytes(cells.path(LENGTH, shards[0].name, 2), b"")

    verify(store, repair=True)
    assert len(cells.files(LENGTH)[shards[0].name]) == 2
    store.write_bytes(cells.path(LENGTH, shards[0].name), b"")
    verify(store, repair=True)

    assert [file.shard for file in cells.listing(LENGTH)] == [shards[1].name]
